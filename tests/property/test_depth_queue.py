"""Queues against an exchange that keeps every order: our estimate of our place, and that fills are no gift.

The oracle (`RealQueue`) has each order of a price by time. It is told the same story twice: with us in the queue, to say
when a first-in-first-out book would have filled us, and as levels and trades, which is all that the venue is shown.
"""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from depth_venue import buy, changed, shown, trade
from depth_venue import settings as venue_settings
from millrace.core.commands import Style
from millrace.market.queue_models import LogQueue, PowerQueue, QueueRule, RiskAverse
from millrace.sim.depth.venue import DepthVenue

PRICE, OURS = 1_000, 40
EXAMPLES = settings(max_examples=150, deadline=None)


class RealQueue:
    """One price's orders by time; ours is not among them, but what stands before it is known."""

    def __init__(self, before: list[int]) -> None:
        self.before, self.behind, self.traded_beyond = list(before), [], 0

    @property
    def level(self) -> int:
        return sum(self.before) + sum(self.behind)

    def add(self, lots: int) -> None:
        self.behind.append(lots)

    def cancel(self, place: int) -> bool:
        orders = self.before + self.behind
        if not orders:
            return False
        at = place % len(orders)
        (self.before if at < len(self.before) else self.behind).pop(
            at if at < len(self.before) else at - len(self.before)
        )
        return True

    def trade(self, lots: int) -> int:
        """Take lots off the front; what came past those before us would have been ours first."""
        done = 0
        for queue in (self.before, self.behind):
            while queue and lots:
                take = min(queue[0], lots)
                done, lots = done + take, lots - take
                if queue is self.behind:
                    self.traded_beyond += take
                queue[0] -= take
                if not queue[0]:
                    queue.pop(0)
        return done

    @property
    def ours_filled(self) -> int:
        """What a first-in-first-out book would have filled of ours by now."""
        return min(self.traded_beyond, OURS)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("trade"), st.integers(1, 60)),
    ),
    max_size=30,
)
fronts = st.lists(st.integers(1, 30), max_size=6)


def lived(rule: QueueRule, front: list[int], story) -> list[tuple[float, int, int, int, int]]:
    """Return (ahead, filled, truly ahead, truly filled, level) after each step."""
    queue = RealQueue(front)
    venue = DepthVenue(venue_settings(queue=rule))
    level = [(PRICE, queue.level)] if queue.level else []
    venue.on_book(shown(1, [*level, (900, 1)], [(1_100, 1)]))
    venue.place(buy("us", OURS, PRICE, Style.POST_ONLY), 2)
    seen = []
    for number, (kind, amount) in enumerate(story):
        ts_ns = 3 + number
        if kind == "add":
            queue.add(amount)
        elif kind == "cancel":
            queue.cancel(amount)
        else:
            done = queue.trade(amount)
            if done:
                venue.on_trade(trade(ts_ns, PRICE, done))
        venue.on_book(changed(ts_ns, bids=[(PRICE, queue.level)]))
        one = venue.order_status("us")
        ahead = venue.ahead_of("us") if one.cum_lots < OURS else 0.0
        seen.append((ahead, one.cum_lots, sum(queue.before), queue.ours_filled, queue.level))
        if one.cum_lots == OURS:
            break
    return seen


@EXAMPLES
@given(fronts, steps)
def test_the_risk_averse_model_never_fills_before_first_in_first_out_would(front, story) -> None:
    for ahead, filled, true_ahead, true_filled, level in lived(QueueRule.RISK_AVERSE, front, story):
        assert filled <= true_filled
        assert true_ahead <= ahead <= level


@EXAMPLES
@given(fronts, steps)
def test_the_probable_models_lie_between_nothing_and_the_risk_averse_one(front, story) -> None:
    bound = lived(QueueRule.RISK_AVERSE, front, story)
    for rule in (QueueRule.LOG, QueueRule.POWER):
        found = lived(rule, front, story)
        assert len(found) <= len(bound)
        for (ahead, filled, *_, level), (most, least, *_) in zip(found, bound, strict=False):
            assert 0 <= ahead <= min(most, level)
            assert filled >= least


@EXAMPLES
@given(
    fronts,
    st.lists(st.one_of(st.tuples(st.just("add"), st.integers(1, 30)), st.tuples(st.just("trade"), st.integers(1, 60)))),
)
def test_without_cancels_every_model_knows_the_place_exactly(front, story) -> None:
    for rule in QueueRule:
        for ahead, filled, true_ahead, true_filled, _ in lived(rule, front, story):
            assert (ahead, filled) == (true_ahead, true_filled)


@given(
    ahead=st.integers(1, 10**6),
    behind=st.integers(1, 10**6),
    gone=st.integers(0, 2 * 10**6),
    traded=st.integers(0, 10**6),
)
def test_a_cancel_is_shared_as_the_formula_says(ahead, behind, gone, traded) -> None:
    """Quoting 4.5, f = x^3: of a cancel, a^3/(a^3+b^3) was before us, and each side gives no more than it has."""
    gone = min(gone, ahead + behind)
    before, after = ahead + behind + traded, ahead + behind - gone
    share = Fraction(ahead**3, ahead**3 + behind**3)
    taken = max(share * gone, gone - behind)
    wanted = float(min(max(ahead - taken, 0), after))
    found = PowerQueue().ahead_after(float(ahead), before, after, traded)
    assert abs(found - wanted) <= 1e-6 * max(wanted, 1)
    assert RiskAverse().ahead_after(float(ahead), before, after, traded) == min(ahead, after)
    for model in (PowerQueue(), LogQueue(1), LogQueue(1_000)):
        moved = model.ahead_after(float(ahead), before, after, traded)
        assert 0 <= moved <= min(ahead, after)
        assert ahead - moved >= gone - behind - 1e-6


def test_the_logarithm_counts_coins() -> None:
    """Of 10 cancelled coins log 4 / (log 4 + log 8) = 0.4 were behind: 7 before us, 3 behind, f = log(1 + x)."""
    assert LogQueue(1).ahead_after(7.0, 10, 9, 0) == 7 - 0.6
    assert abs(LogQueue(100).ahead_after(700.0, 1_000, 900, 0) - 640) < 1e-9
