"""What a screen of recorded prices shows, and what is left of it after label, fees, time and depth.

A naive bot adds the best asks of a group and calls what is missing to a dollar a profit. Each filter here takes away
what that forgets, in the order in which it costs money: a payout that no label supports, exact fees, legs whose prices
are of different times, and edges that are gone before an order arrives. Where no size was recorded nothing is claimed.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS, FeeSchedule
from millrace.core.instrument import InstrumentId, Lots, Outcome, Ticks
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.floors import INTRA, bucket_bounds
from millrace.strategies.arb.rules.records import BucketRule, Label, Provenance

SKEW_NS = 2_000_000_000
"""How far the prices of one basket may lie apart (arb 2.5)."""
TRAVEL_NS = 1_500_000_000
"""How long an order travels (arb 17): what is gone by then was never there."""
_LOTS = 100 * CONTRACT_LOTS
"""Fees are those of an order of a hundred contracts, so that rounding to cents does not decide."""
_NANO_PER_TICK = 100_000
_FEWEST = 2
_NEVER_NS = 2**63 - 1


class Seen(NamedTuple):
    """Best asks of one market as recorded, and the sizes there; None where nothing was offered, or not recorded."""

    ts_ns: int
    market: InstrumentId
    yes_ask: Ticks | None
    no_ask: Ticks | None
    yes_lots: Lots | None
    no_lots: Lots | None


class Group(NamedTuple):
    """Markets of which at most one comes true.

    `quotes` says that its prices were offers, `sizes` that their sizes were recorded.
    """

    name: str
    members: tuple[InstrumentId, ...]
    exhaustive: bool
    sizes: bool
    quotes: bool


class Form(StrEnum):
    """The baskets that are looked at."""

    INTRA = "yes and no of one market"
    ALL_YES = "all yes"
    ALL_NO = "all no"


class Step(StrEnum):
    """What is left after each filter."""

    NAIVE = "asks sum below the payout that is assumed"
    LABEL = "the label proves that payout"
    FEES = "something is left after fees"
    OFFERED = "the prices were offers"
    FRESH = "all prices are of the last two seconds"
    LASTING = "and it lasts until an order can arrive"


_CHAIN = (Step.NAIVE, Step.LABEL, Step.FEES, Step.OFFERED, Step.FRESH)


class Tally(msgspec.Struct):
    """One step of one form: moments, stretches of time, and the best edge of a basket in ticks of 1/10000 dollar.

    `held_ns` is how long it stood in all, `longest_ns` at a stretch.

    `best_dollars` is edge times size where sizes were recorded, else None; the sum is over stretches, each at its best.
    """

    moments: int = 0
    stretches: int = 0
    held_ns: int = 0
    longest_ns: int = 0
    best_ticks: float = 0.0
    dollars: float | None = None


class Survey(msgspec.Struct):
    """Counts of one recording: what was seen, for how long, and each form's steps."""

    moments: int = 0
    first_ns: int = 0
    last_ns: int = 0
    span_ns: int = 0
    forms: dict[str, dict[str, Tally]] = {}


class _Open(msgspec.Struct):
    since_ns: int
    until_ns: int
    best_ticks: float = 0.0
    dollars: float = 0.0


class Surveyor:
    """Looks at one group; `fees` hold for all its members."""

    def __init__(self, group: Group, fees: FeeSchedule) -> None:
        self._group = group
        self._fees = fees
        self._seen: dict[InstrumentId, Seen] = {}
        self._open: dict[tuple[Form, int, Step], _Open] = {}
        self.survey = Survey()
        label = Label.EXHAUSTIVE if group.exhaustive else Label.NON_EXHAUSTIVE
        members = tuple(Proposition(market) for market in group.members)
        self._rule = BucketRule(
            group_id=group.name,
            label=label,
            exclusive=True,
            members=members,
            exclusivity_source=Provenance.CURATED,
            exhaustiveness_source=Provenance.CURATED if group.exhaustive else None,
        )

    def run(self, rows: Iterable[Seen]) -> Survey:
        """Look at every row and return the counts."""
        for seen in rows:
            self.see(seen)
        return self.finish()

    def see(self, seen: Seen) -> None:
        """Look at the group with a market's newer prices."""
        survey = self.survey
        survey.first_ns = survey.first_ns or seen.ts_ns
        survey.last_ns = seen.ts_ns
        survey.moments += 1
        self._seen[seen.market] = seen
        self._look(seen)

    def finish(self) -> Survey:
        """End what still stands, and return the counts."""
        survey = self.survey
        survey.span_ns = survey.last_ns - survey.first_ns
        for key in list(self._open):
            self._close(*key, survey.last_ns)
        return survey

    def _look(self, seen: Seen) -> None:
        now_ns = seen.ts_ns
        count = len(self._group.members)
        place = self._group.members.index(seen.market)
        both = seen.yes_ask is not None and seen.no_ask is not None
        pair = [(seen, Outcome.YES), (seen, Outcome.NO)] if both else []
        self._judge(Form.INTRA, place, now_ns, pair, 1, INTRA.floor)
        if count < _FEWEST or len(self._seen) < count:
            return
        for form, outcome, assumed in ((Form.ALL_YES, Outcome.YES, 1), (Form.ALL_NO, Outcome.NO, count - 1)):
            legs = [(one, outcome) for one in self._seen.values()]
            proved = bucket_bounds(self._rule, count, outcome).floor
            whole = all(_ask(one, side) is not None for one, side in legs)
            self._judge(form, 0, now_ns, legs if whole else [], assumed, proved)

    def _judge(
        self, form: Form, place: int, now_ns: int, legs: list[tuple[Seen, Outcome]], assumed: int, proved: int
    ) -> None:
        """Count one basket at one moment through the steps; no legs: it cannot be bought."""
        asks = [_ask(seen, side) or 0 for seen, side in legs]
        cost = float(sum(asks))
        gross = assumed * PAYOUT_TICKS - cost if legs else -1.0
        fee = (
            sum(self._fees.fee_nano(ask, _LOTS, maker=False) for ask in asks) / (100 * _NANO_PER_TICK)
            if gross > 0
            else 0.0
        )
        net = proved * PAYOUT_TICKS - cost - fee
        stale_ns = min((seen.ts_ns for seen, _ in legs), default=0) + SKEW_NS
        holds = {
            Step.NAIVE: gross > 0,
            Step.LABEL: gross > 0 and proved >= assumed,
            Step.FEES: gross > 0 and proved >= assumed and net > 0,
        }
        holds[Step.OFFERED] = holds[Step.FEES] and self._group.quotes
        holds[Step.FRESH] = holds[Step.OFFERED] and now_ns <= stale_ns
        lots = [_size(seen, side) for seen, side in legs]
        smallest = min((one for one in lots if one is not None), default=0) / CONTRACT_LOTS
        for step in _CHAIN:
            edge = gross if step in {Step.NAIVE, Step.LABEL} else net
            until_ns = stale_ns if step is Step.FRESH else _NEVER_NS
            self._count(form, place, step, now_ns, until_ns, holds=holds[step], edge=edge, contracts=smallest)

    def _count(
        self,
        form: Form,
        place: int,
        step: Step,
        now_ns: int,
        until_ns: int,
        *,
        holds: bool,
        edge: float,
        contracts: float,
    ) -> None:
        key = (form, place, step)
        if not holds:
            if key in self._open:
                self._close(*key, now_ns)
            return
        tally = self._tally(form, step)
        tally.moments += 1
        tally.best_ticks = max(tally.best_ticks, edge)
        stretch = self._open.setdefault(key, _Open(now_ns, until_ns))
        stretch.until_ns = until_ns
        stretch.best_ticks = max(stretch.best_ticks, edge)
        stretch.dollars = max(stretch.dollars, edge / PAYOUT_TICKS * contracts)

    def _close(self, form: Form, place: int, step: Step, now_ns: int) -> None:
        stretch = self._open.pop((form, place, step))
        now_ns = min(now_ns, stretch.until_ns)
        self._ended(self._tally(form, step), stretch, now_ns)
        if step is Step.FRESH and now_ns - stretch.since_ns >= TRAVEL_NS:
            lasting = self._tally(form, Step.LASTING)
            lasting.best_ticks = max(lasting.best_ticks, stretch.best_ticks)
            self._ended(lasting, stretch, now_ns)

    def _ended(self, tally: Tally, stretch: _Open, now_ns: int) -> None:
        tally.stretches += 1
        tally.held_ns += now_ns - stretch.since_ns
        tally.longest_ns = max(tally.longest_ns, now_ns - stretch.since_ns)
        if self._group.sizes:
            tally.dollars = (tally.dollars or 0.0) + stretch.dollars

    def _tally(self, form: Form, step: Step) -> Tally:
        return self.survey.forms.setdefault(form.value, {}).setdefault(step.value, Tally())


def added(surveys: Iterable[Survey]) -> Survey:
    """Return the counts of several recordings together."""
    total = Survey()
    for survey in surveys:
        total.moments += survey.moments
        total.first_ns = min(total.first_ns or survey.first_ns, survey.first_ns)
        total.last_ns = max(total.last_ns, survey.last_ns)
        total.span_ns += survey.span_ns
        for form, steps in survey.forms.items():
            for step, tally in steps.items():
                _add(total.forms.setdefault(form, {}).setdefault(step, Tally()), tally)
    return total


def _add(to: Tally, tally: Tally) -> None:
    to.moments += tally.moments
    to.stretches += tally.stretches
    to.held_ns += tally.held_ns
    to.longest_ns = max(to.longest_ns, tally.longest_ns)
    to.best_ticks = max(to.best_ticks, tally.best_ticks)
    if tally.dollars is not None:
        to.dollars = (to.dollars or 0.0) + tally.dollars


def lines(survey: Survey) -> Iterator[str]:
    """Yield the counts as lines of text, each form's steps in their order."""
    yield f"{survey.moments:,} moments looked at over {survey.span_ns / 3.6e12:.1f} hours of groups"
    for form in Form:
        steps = survey.forms.get(form.value, {})
        yield f"{form.value}:" if steps else f"{form.value}: never below its payout"
        for step in Step:
            tally = steps.get(step.value)
            if steps:
                yield f"  {step.value:46} {_said(tally)}"


def _said(tally: Tally | None) -> str:
    if tally is None or not tally.stretches:
        return "0"
    worth = "depth unknown" if tally.dollars is None else f"{tally.dollars:,.2f} dollars at the shown sizes"
    held, longest = tally.held_ns / 1e9, tally.longest_ns / 1e9
    stood = f"{held:,.3f} s in all, {longest:,.3f} s the longest"
    return f"{tally.stretches} times, {stood}, best {tally.best_ticks / 100:.2f} cents, {worth}"


def _ask(seen: Seen, side: Outcome) -> Ticks | None:
    return seen.yes_ask if side is Outcome.YES else seen.no_ask


def _size(seen: Seen, side: Outcome) -> Lots | None:
    return seen.yes_lots if side is Outcome.YES else seen.no_lots
