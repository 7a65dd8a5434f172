"""Books that go wrong over a line of 100 ms there and back are found, asked for alone and right again (runtime 2.4).

The engine is the program's with the book guard, the feed that of the simulated world; the venue's book is known.
"""

from collections import Counter
from random import Random

import msgspec
import pytest

from book_tape import MS, NOON, SECOND, TruthMarket
from millrace.core.binary_events import BookLevel, StreamReset
from millrace.core.book_events import BookDelta, BookSnapshot, BookState
from millrace.core.commands import Alert, ResyncBook
from millrace.core.engine import Engine
from millrace.core.events import Started, Timer
from millrace.core.ids import ClientIds
from millrace.core.instrument import Instrument, InstrumentId
from millrace.market.books.books import Books
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.book_guard import BookGuard
from millrace.sim.depth.book_faults import BookFault, BookFaultMenu, BookFaults, corrupted
from millrace.sim.depth.settings import FeedDelay
from millrace.sim.venue_clock import TRUE_CLOCK
from millrace.world.quoting.book_feed import BookFeed

ONE_WAY = 50 * MS
NUMBERED = {"numbered": True}
SUMMED = {"numbered": False, "summed": True, "depth": 10}
SILENT = {"numbered": False}


class World:
    """Markets whose books are known at any moment, a feed, an engine, and a look at what is served after each step."""

    clock = TRUE_CLOCK

    def __init__(self, fate=None, *, count=4, kind=NUMBERED, changes=1_000, step_ns=100 * MS, calm=False) -> None:
        ids = [InstrumentId("bybit", f"COIN{number}/USDT") for number in range(count)]
        phase_ns = step_ns // count
        self.markets = {
            at: TruthMarket(n, at=at, step_ns=step_ns, first_ns=NOON + n * phase_ns, calm=calm, **kind)
            for n, at in enumerate(ids)
        }
        self.truths = {at: {} for at in ids}
        facts = [Instrument(at, at.symbol[:-5], "USDT", 2, 1, 2, 1, 1, 0, 0, 0, 200) for at in ids]
        view = MarketView()
        self.guard, self.books = BookGuard(view.books, ids), view.books
        parts = (view, OrderTable(ClientIds("t", ("q",))), Account(), RestrictionBoard(), (self.guard,))
        self.engine = Engine(facts, (), *parts)
        self.feed = BookFeed(
            self._rows(changes), self, self, FeedDelay(1, ONE_WAY), **({} if fate is None else {"fate": fate})
        )
        self.said: list = []
        self.wrong: list[str] = []
        self.blind_ns: Counter[InstrumentId] = Counter()
        self.spells: list[int] = []
        self.step(Started(False, NOON))

    def _rows(self, changes):
        for market in self.markets.values():
            self._note(market)
            yield market.snapshot()
        for _ in range(changes):
            for market in self.markets.values():
                event = market.delta()
                self._note(market)
                yield event

    def _note(self, market) -> None:
        self.truths[market.at][market.now_ns] = market.sides()

    def on_book(self, event):
        del event
        return []

    on_trade = on_book

    def answer(self, deliveries) -> None:
        assert deliveries == []

    def book_now(self, instrument, ts_ns, *, polled=False):
        return self.markets[instrument].snapshot(ts_ns, polled=polled)

    def step(self, event) -> None:
        made = self.engine.step(event)
        assert self.engine.fault is None, self.engine.fault
        self.feed.hear(event, made)
        self.said += made
        for at in self.markets:
            book = self.engine.depth(at)
            if book is None:
                self.blind_ns[at] = self.blind_ns[at] or self.engine.now_ns
                continue
            if self.blind_ns[at]:
                self.spells.append(self.engine.now_ns - self.blind_ns.pop(at))
            if (book.bids(), book.asks()) != self.truths[at].get(book.venue_ts_ns):
                self.wrong.append(f"{at} at {book.venue_ts_ns - NOON}")

    def run(self, end_ns=2**62) -> None:
        while min(self.feed.next_ns, end_ns) < end_ns:
            due_ns = self.engine.interest().deadline_ns
            if due_ns is not None and due_ns < self.feed.next_ns:
                self.step(Timer(due_ns))
                continue
            event = self.feed.take()
            if event is not None:
                self.step(event)

    def resyncs(self) -> list[ResyncBook]:
        return [one for one in self.said if isinstance(one, ResyncBook) and not one.only_check]


@pytest.mark.parametrize("kind", [NUMBERED, SUMMED], ids=["numbered", "summed"])
def test_a2_every_lost_change_is_found_at_the_next_one_and_its_book_alone_is_repaired_within_two_seconds(kind) -> None:
    """Runtime 2.4 A2: one in 500 lost, round trip 100 ms; no wrong book is ever served."""
    dice, lost, count = Random(3), [], Counter()
    places: dict[InstrumentId, list[int]] = {}

    def fate(row):
        """Lose one change in each 500, and none so soon after another that resyncs would have to wait."""
        if not isinstance(row, BookDelta):
            return (row,)
        at = row.instrument
        count[at] += 1
        if at not in places:
            places[at] = [block * 500 + dice.randrange(60, 500) for block in range(5)]
        if count[at] not in places[at] or not (row.bids or row.asks):
            return (row,)
        lost.append((at, row.ts_ns))
        return ()

    world = World(fate, changes=2_000, kind=kind)
    world.run()
    assert world.wrong == []
    assert len(lost) >= 12
    asked = [(one.instrument, one.ts_ns) for one in world.resyncs()]
    at_next = [(at, lost_ns + world.markets[at].step_ns + ONE_WAY) for at, lost_ns in lost]
    if kind is NUMBERED:
        assert sorted(asked) == sorted(at_next)
    else:
        # A sum is of the whole book: where the next change overwrites what was lost, the book is right again, and served.
        assert set(asked) <= set(at_next)
        assert len(asked) > 0.8 * len(lost)
    assert not any(isinstance(one, Alert) for one in world.said)
    assert max(world.spells) <= 2 * SECOND
    assert all(world.books.state_of(at) is BookState.LIVE for at in world.markets)


@pytest.mark.parametrize("fault", [BookFault.SWAPPED, BookFault.TWICE, BookFault.CORRUPT])
@pytest.mark.parametrize("kind", [NUMBERED, SUMMED], ids=["numbered", "summed"])
def test_a3_a_swap_a_double_and_a_wrong_digit_are_seen_each_time(kind, fault) -> None:
    """Runtime 2.4 A3. A double changes nothing, so it is counted and the book stays."""
    for place in range(3, 40):
        market, books, said = TruthMarket(place, **kind), Books(), []
        books.observe(market.snapshot())
        for _ in range(place):
            books.observe(market.delta())
        first = market.delta()
        while not (first.bids or first.asks):
            books.observe(first)
            first = market.delta()
        if fault is BookFault.SWAPPED:
            said = [books.observe(one) for one in (market.delta(), first)]
        elif fault is BookFault.TWICE:
            said = [books.observe(one) for one in (first, first)]
        elif (first.bids or first.asks)[0].lots:
            said = [books.observe(corrupted(first))]
        else:
            continue  # a wrong digit in nothing left is a level that the checksum may not see
        counts = books.of_venue(market.at.venue)
        if fault is BookFault.TWICE:
            assert said == [None, None]
            assert counts.duplicates == 1
            assert books.live(market.at) is not None
        else:
            assert any(one is not None and one.state is BookState.INVALID for one in said), place
            assert books.live(market.at) is None


def test_a4_a_book_that_drifts_without_a_sign_is_put_right_by_two_comparisons() -> None:
    """Runtime 2.4 A4: on a venue without numbers and checksums, within two scheduled checks."""
    drifted_ns = NOON + 30 * SECOND

    def fate(row):
        if isinstance(row, BookDelta) and row.ts_ns == drifted_ns:
            return (msgspec.structs.replace(row, bids=(*row.bids, BookLevel(100_000, 77_777))),)
        return (row,)

    world = World(fate, count=1, kind=SILENT, changes=1_900, calm=True)
    world.run(NOON + 190 * SECOND)
    assert world.wrong, "the drift did nothing"
    (resync,) = world.resyncs()
    assert resync.cause == "diverged"
    assert resync.ts_ns <= NOON + 2 * 60 * SECOND + SECOND
    checks = [one for one in world.said if isinstance(one, ResyncBook) and one.only_check and one.ts_ns > drifted_ns]
    assert sum(one.ts_ns < resync.ts_ns for one in checks) == 2
    right = len(world.wrong)
    world.run()
    assert len(world.wrong) == right
    assert world.books.state_of(next(iter(world.markets))) is BookState.LIVE


@pytest.mark.parametrize("kind", [NUMBERED, SILENT], ids=["numbered", "timed"])
def test_a5_an_answer_three_seconds_late_is_no_divergence_in_a_thousand_trials(kind) -> None:
    """Runtime 2.4 A5; compared with the newest book alone most of them would be."""
    naive = 0
    for trial in range(1_000):
        market, books = TruthMarket(trial, **kind), Books()
        books.observe(market.snapshot())
        dice = Random(trial)
        books.resync(ResyncBook(market.at, "check", market.now_ns, only_check=True))
        asked_ns, arrives, answer = market.now_ns, dice.randrange(31), None
        for number in range(31):
            if number == arrives:
                answer = market.snapshot(polled=True, requested_ns=asked_ns)
            books.observe(market.delta())
        assert answer is not None
        late = msgspec.structs.replace(answer, ts_ns=asked_ns + 3 * SECOND)
        book = books.live(market.at)
        naive += book.top() != (*answer.bids[0], *answer.asks[0])
        news = books.observe(late)
        assert news is not None
        assert news.agreed is True, trial
    assert naive > 500


def test_a_stream_that_is_cut_is_believed_again_with_its_snapshots() -> None:
    def fate(row):
        if row.ts_ns == NOON + 10 * SECOND:
            return (StreamReset("bybit", row.ts_ns),)
        return (row,)

    world = World(fate, changes=300)
    world.run()
    assert world.wrong == []
    assert world.resyncs() == []
    assert world.spells
    assert max(world.spells) <= SECOND
    assert all(world.books.state_of(at) is BookState.LIVE for at in world.markets)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", [NUMBERED, SUMMED], ids=["numbered", "summed"])
def test_under_the_whole_menu_no_wrong_book_is_served_and_all_are_live_when_it_ends(seed, kind) -> None:
    menu = BookFaultMenu(seed, share_ppm=15_000, until_ns=NOON + 60 * SECOND)
    faults = BookFaults(menu)
    world = World(faults.fate, changes=1_400, kind=kind)
    world.run()
    assert world.wrong == []
    assert {fault for fault, count in faults.met.items() if count} == set(BookFault)
    assert all(world.books.state_of(at) is BookState.LIVE for at in world.markets), world.guard.status(world.engine)
    assert world.engine.board.active() == []


def test_the_fates_of_messages_depend_on_the_seed_and_the_message_alone() -> None:
    rows = [TruthMarket(5).snapshot(), *TruthMarket(5).deltas(400)]
    menu = BookFaultMenu(9, share_ppm=100_000)
    first, again = BookFaults(menu), BookFaults(menu)
    assert [first.fate(row) for row in rows] == [again.fate(row) for row in rows]
    assert set(first.met) == set(BookFault)
    calm = BookFaults(BookFaultMenu(9, share_ppm=100_000, until_ns=NOON))
    assert all(calm.fate(row) == (row,) for row in rows if isinstance(row, BookDelta | BookSnapshot))
