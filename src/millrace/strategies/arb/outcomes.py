"""What became of baskets: their rows, what is learnt from them, and what happens when one cannot be put right.

An ended basket gives its capital back and tells those who estimate what it really brought; its row holds the cash that
moved and nothing else. A repair that gave up stops its lane and its pair of venues until a person has looked, and a
start that finds exposure or an open intent begins in safe mode: nothing new, repairs only (arb 11.5, 12, 13).
"""

from typing import Any

import msgspec

from millrace.core.commands import Alert, Book, Intent, OrderUpdate, Post, Severity
from millrace.core.events import Scalar
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.strategy import View
from millrace.strategies.arb.decide import Decider, Ended
from millrace.strategies.arb.execution.basket import EXPOSED, Life, Role, State
from millrace.strategies.arb.execution.baskets import Baskets
from millrace.strategies.arb.execution.prices import LOT_NANO
from millrace.strategies.arb.model import Lane, NanoUsd, Style
from millrace.strategies.arb.planning import basket_row
from millrace.strategies.arb.telemetry.rows import DIVERGENCE, Outcome

_NANO = 1e9
_HOUR_NS = 3_600_000_000_000


class _Saved(msgspec.Struct):
    counts: dict[str, int]
    cash_nano: int
    frozen: list[tuple[str, str]]
    diverged: dict[str, int]


class Outcomes:
    """Counts ends by outcome and the cash of all of them; `frozen` are pairs of venues that open nothing."""

    def __init__(self, strategy: str, judge: Decider, *, live: bool) -> None:
        self.counts: dict[str, int] = {}
        self.cash_nano: NanoUsd = 0
        self.frozen: list[tuple[str, str]] = []
        self.diverged: dict[str, int] = {}
        self._strategy = strategy
        self._judge = judge
        self._live = live

    # Ends

    def ended(self, life: Life, view: View) -> list[Intent]:
        """Write the row of a basket whose last cash is in, and let everybody learn from it."""
        out: list[Intent] = []
        outcome = outcome_of(life)
        if life.rows and not life.traded:
            return [self._late(life, outcome, view)]
        life.diverged = is_diverged(life)
        if life.diverged:
            out += self._divergence(life, view)
        row = basket_row(life, outcome, view.now_ns, live=self._live)
        self.counts[outcome.value] = self.counts.get(outcome.value, 0) + 1
        self.cash_nano += life.cash_nano
        lane, contracts = Lane(life.lane), life.full / CONTRACT_LOTS
        biases = self._judge.ended(
            Ended(
                position=life.key, lane=lane, rule=life.rule, contracts=contracts, cost=life.peak_nano / _NANO,
                realized=life.cash_nano / _NANO, expected=(life.expected_nano or 0) / _NANO,
                slippage=row.slippage_nano / _NANO / contracts if contracts else 0.0,
                filled=outcome is Outcome.COMPLETED and life.most_matched >= life.whole_lots,
                hours=(view.now_ns - life.opened_ns) / _HOUR_NS,
            )
        )  # fmt: skip
        for text in biases:
            out.append(Alert(Severity.WARN, "forecast_bias", f"forecasts of {text}", view.now_ns))
        if outcome is Outcome.COMPLETED:
            self._learn(life)
        self._judge.executed(lane, failed=outcome in {Outcome.UNWOUND, Outcome.NAKED})
        return [*out, row.book(self._strategy)]

    def _late(self, life: Life, outcome: Outcome, view: View) -> Book:
        """Write the row of money that came, or went, when a basket had ended: realised, and no other end."""
        self.cash_nano += life.cash_nano
        self._judge.record.ended(Lane(life.lane), life.cash_nano / _NANO, 0.0)
        return basket_row(life, outcome, view.now_ns, live=self._live).book(self._strategy)

    def _learn(self, life: Life) -> None:
        """Hold the fee of each order that traded as planned to what the venue charged (arb 6)."""
        for leg in life.legs:
            if leg.tries <= 1 and leg.bought == life.lots:
                maker = leg.style is Style.MAKER
                self._judge.charged(leg.market.venue, leg.fee_planned_nano, leg.fees_nano, maker=maker)

    def filled(self, life: Life, update: OrderUpdate) -> None:
        """Learn from a leg that took what it cost beyond its plan: dollars per contract, at its share of the depth."""
        leg = life.legs[int(update.place.position.leg)]
        order = life.orders.get(update.place.key)
        if order is None or order.role is not Role.LEG or leg.style is not Style.TAKER or not leg.depth_lots:
            return
        contracts = leg.bought / CONTRACT_LOTS
        planned = leg.cost_nano / max(life.lots, 1) * CONTRACT_LOTS
        self._judge.filled(
            leg.market.venue,
            Lane(life.lane),
            leg.bought / leg.depth_lots,
            (leg.paid_nano / contracts - planned) / _NANO,
        )

    def _divergence(self, life: Life, view: View) -> list[Intent]:
        """Tell of legs that paid otherwise than the proof allows: a loss event that feeds its probability (arb 4.7)."""
        self.diverged[life.lane] = self.diverged.get(life.lane, 0) + 1
        paid = sum(leg.paid_out_nano for leg in life.legs)
        values: dict[str, Scalar] = {
            "rule": life.rule, "lane": life.lane, "floor_nano": life.floor * life.matched * LOT_NANO, "paid_nano": paid
        }  # fmt: skip
        text = f"{life.key} paid {paid / _NANO:.2f} USD where {life.rule or life.family} promises more; check the rule"
        return [
            Book(self._strategy, DIVERGENCE, life.key, values, view.now_ns),
            Alert(Severity.PAGE, "divergence", text, view.now_ns),
        ]

    # What stops trading

    def escalated(self, life: Life, view: View) -> list[Intent]:
        """Stop the lane and the pair of venues of a basket that could not be put right (arb 11.5 step 4)."""
        venues = sorted({leg.market.venue for leg in life.legs})
        pair = (venues[0], venues[-1])
        if pair not in self.frozen:
            self.frozen.append(pair)
        held = ", ".join(f"{leg.market} {leg.outcome.value} {leg.held / CONTRACT_LOTS:g}" for leg in life.legs)
        text = f"{life.key}: legs do not match after all tries; held: {held}. See it, then `millrace ask acknowledge`"
        return [
            Post(lane_stop(self._strategy, life.lane, text, view.now_ns)),
            Alert(Severity.PAGE, "leg_exposure", text, view.now_ns),
        ]

    def restarted(self, baskets: Baskets, view: View) -> list[Intent]:
        """Begin in safe mode when a start finds uneven legs or orders of which nobody knows the end (arb 13)."""
        found = [
            life.key
            for life in baskets.lives.values()
            if life.state in EXPOSED or life.orders or life.uneven(baskets.tolerance(life))
        ]
        if not found:
            return []
        text = f"{', '.join(found)}: uneven legs or open intents at a start; see them, then `millrace ask acknowledge`"
        return [
            Post(safe_mode(self._strategy, text, view.now_ns)),
            Alert(Severity.PAGE, "safe_mode", text, view.now_ns),
        ]

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self.counts, self.cash_nano, self.frozen, self.diverged))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self.counts, self.cash_nano, self.diverged = saved.counts, saved.cash_nano, saved.diverged
        self.frozen = saved.frozen


def outcome_of(life: Life) -> Outcome:
    """Return how a basket ended, by what it went through; a late row of money alone ends as its basket did."""
    if not life.traded and not life.rows:
        return Outcome.ABANDONED
    if life.was_naked:
        return Outcome.NAKED
    if life.state is State.UNWOUND:
        return Outcome.UNWOUND
    return Outcome.REPAIRED if life.repaired else Outcome.COMPLETED


def is_diverged(life: Life) -> bool:
    """Tell whether a whole basket that was held to the end was paid less than its floor."""
    whole = life.state is State.COMPLETED and not life.closing and all(leg.ended for leg in life.legs)
    paid = sum(leg.received_nano for leg in life.legs)
    return whole and paid < life.floor * life.matched * LOT_NANO - CONTRACT_LOTS


def lane_stop(strategy: str, lane: str, text: str, now_ns: int) -> Restriction:
    """Return the restriction that leaves a lane nothing but repairs and exits."""
    scope = Scope(ScopeKind.LANE, lane)
    return Restriction(
        f"{strategy}/lane/{lane}", scope, Level.REDUCE_ONLY, ReasonCode.LEG_EXPOSURE, text, strategy, now_ns
    )


def safe_mode(strategy: str, text: str, now_ns: int) -> Restriction:
    """Return the restriction under which only repairs and exits leave until a person acknowledges."""
    scope = Scope(ScopeKind.STRATEGY, strategy)
    return Restriction(
        f"{strategy}/safe_mode", scope, Level.REDUCE_ONLY, ReasonCode.LEG_EXPOSURE, text, strategy, now_ns
    )
