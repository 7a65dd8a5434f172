"""What is wanted against what rests: the fewest actions that lead from one to the other (quoting 4.6 step D).

An order that is near enough to what is wanted stays, because its place in the queue is worth more than a tick. Away
from danger an order moves at once; towards the market it moves only when it has rested a while, the slot was not
changed just now, and the rule of queues agrees. Each slot has at most one action on its way, so a replacing order
leaves only after the cancel before it was acknowledged. Orders on their way count with all that they may fill.
"""

from typing import NamedTuple

from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.model import IntentKind, LiveOrder, OrderIntent, SymbolTerms
from millrace.strategies.quoting.quotes.reasons import Reason
from millrace.strategies.quoting.quotes.state import NEVER_MS, NEW_SLOT, SlotMemory
from millrace.strategies.quoting.quotes.wanted import is_tradable

Slots = tuple[SlotMemory, ...]


class Rules(NamedTuple):
    """The figures of a symbol's tick that every slot is judged by; times in ms, bands in ticks.

    `may_price` is False while the book is too old to price from: what rests stays. `cools` is True after a spike:
    nothing is placed, and what would move is taken back instead.
    """

    now_ms: int
    terms: SymbolTerms
    keep_band: float
    replace_band: float
    size_share: float
    min_time_ms: float
    floor_ms: float
    stale_ms: int
    most_orders: int
    may_price: bool
    cools: bool


class SideRules(NamedTuple):
    """What holds for one side: lots that its orders may fill, whether it is in danger, and whether queues allow moves.

    `why_off` says why no order of the side is wanted, `taken_back` the orders that the market ran away from. `opposite`
    is the nearest of our own prices on the other side, which a price of this side must not meet; 0: none.
    """

    side: Side
    room: Lots
    endangered: bool
    may_advance: bool
    why_off: Reason
    opposite: Ticks
    taken_back: tuple[tuple[LiveOrder, str], ...]


class SideResult(NamedTuple):
    """What becomes of a side: actions, memory of its slots, how many orders stay, and how many the symbol then has."""

    intents: list[OrderIntent]
    slots: Slots
    kept: int
    orders: int


class _Side:
    """One side's slots, judged one after the other; lives for one call."""

    def __init__(self, rules: Rules, side: SideRules, live: list[LiveOrder], slots: Slots, orders: int) -> None:
        self.rules = rules
        self.side = side
        self.slots = list(slots)
        self.out: list[OrderIntent] = []
        self.kept = 0
        self.orders = orders
        self.spare = side.room
        for order in live:
            self.spare -= order.lots - order.filled

    def judge(self, order: LiveOrder, ticks: Ticks, lots: Lots, *, wanted: bool) -> None:
        """Decide about an order that rests or is on its way; 0 wanted lots are no order."""
        for taken, word in self.side.taken_back:
            if taken is order:
                self._cancel(order, word)
                return
        if order.cancelling or (order.pending and lots):
            return
        if not lots:
            self._cancel(order, self.side.why_off if wanted else Reason.LEVEL_OFF)
            return
        rules, rest = self.rules, order.rest
        lots = min(lots, rest + max(self.spare, 0)) // rules.terms.lot * rules.terms.lot
        away = order.ticks - ticks if self.side.side is Side.BUY else ticks - order.ticks
        if away > 0 and rules.may_price and (self.side.endangered or away >= rules.keep_band):
            self._move(order, ticks, lots, away, Reason.RETREAT, defensive=True)
        elif rest > lots and (self.spare < 0 or (self.side.endangered and rest - lots > rest * rules.size_share)):
            self._resize(order, lots, defensive=True)
        elif not rules.may_price or (abs(lots - rest) <= rest * rules.size_share and -away < rules.keep_band):
            self.kept += 1
        else:
            self._improve(order, ticks, lots, away)

    def _improve(self, order: LiveOrder, ticks: Ticks, lots: Lots, away: Ticks) -> None:
        """Change an order that nothing endangers: nearer, larger or smaller."""
        rules = self.rules
        memory = self._memory(order.level)
        age = rules.now_ms - order.placed_ms
        if memory.changed_ms != NEVER_MS and rules.now_ms - memory.changed_ms < rules.floor_ms:
            self.kept += 1
            return
        advances = -away >= rules.keep_band
        if not advances and lots < order.rest:
            self._resize(order, lots, defensive=False)
            return
        is_stale = age >= rules.stale_ms
        may_move = self.side.may_advance or is_stale
        if rules.cools or age < rules.min_time_ms or not may_move or self._meets_own(ticks):
            self.kept += 1
            return
        reason = Reason.ADVANCE if advances else Reason.LARGER
        self._move(
            order, ticks, lots, abs(away), Reason.STALE if not self.side.may_advance else reason, defensive=False
        )

    def _move(self, order: LiveOrder, ticks: Ticks, lots: Lots, far: Ticks, reason: Reason, *, defensive: bool) -> None:
        """Amend where the venue can and the way is short, else cancel; the place follows the acknowledgement."""
        rules = self.rules
        can = rules.terms.can_amend and far < rules.replace_band and not rules.cools
        can = can and is_tradable(lots, ticks, rules.terms)
        if can:
            self.spare -= max(lots - order.rest, 0)
            self._out(IntentKind.AMEND, order, ticks, order.filled + lots, reason, defensive=defensive)
        else:
            self._out(IntentKind.CANCEL, order, order.ticks, order.rest, reason, defensive=defensive)
        if not defensive:
            self._changed(order, replacing=not can)

    def _resize(self, order: LiveOrder, lots: Lots, *, defensive: bool) -> None:
        """Make an order smaller where it stands."""
        rules = self.rules
        if rules.terms.can_amend and is_tradable(lots, order.ticks, rules.terms):
            lots_in_all = order.filled + lots
            self._out(IntentKind.AMEND, order, order.ticks, lots_in_all, Reason.SMALLER, defensive=defensive)
            replacing = False
        else:
            self._out(IntentKind.CANCEL, order, order.ticks, order.rest, Reason.SMALLER, defensive=defensive)
            replacing = True
        if not defensive:
            self._changed(order, replacing=replacing)

    def place(self, level: int, ticks: Ticks, lots: Lots) -> None:
        """Place into an empty slot, unless it was changed just now and this is not the second half of that change."""
        rules = self.rules
        memory = self._memory(level)
        is_soon = memory.changed_ms != NEVER_MS and rules.now_ms - memory.changed_ms < rules.floor_ms
        lots = min(lots, self.spare) // rules.terms.lot * rules.terms.lot
        if (
            not rules.may_price
            or rules.cools
            or (is_soon and not memory.replacing)
            or self.orders >= rules.most_orders
            or self._meets_own(ticks)
            or not is_tradable(lots, ticks, rules.terms)
        ):
            return
        generation = memory.generation + 1
        reason = Reason.REPLACED if memory.replacing else Reason.NEW
        self.out.append(OrderIntent(IntentKind.PLACE, self.side.side, level, generation, ticks, lots, reason, False))
        self._remember(level, SlotMemory(generation, rules.now_ms, replacing=False))
        self.spare -= lots
        self.orders += 1

    def cancel_double(self, order: LiveOrder) -> None:
        """Take back an order in a slot that has another."""
        if not order.cancelling:
            self._cancel(order, Reason.DOUBLE)

    def _meets_own(self, ticks: Ticks) -> bool:
        opposite = self.side.opposite
        return opposite > 0 and (ticks >= opposite if self.side.side is Side.BUY else ticks <= opposite)

    def _cancel(self, order: LiveOrder, reason: str) -> None:
        self._out(IntentKind.CANCEL, order, order.ticks, order.rest, reason, defensive=True)

    def _out(
        self, kind: IntentKind, order: LiveOrder, ticks: Ticks, lots: Lots, reason: str, *, defensive: bool
    ) -> None:
        self.out.append(OrderIntent(kind, order.side, order.level, order.generation, ticks, lots, reason, defensive))

    def saw(self, order: LiveOrder) -> None:
        """Never give a slot's order the name of one that was there before, even if nobody remembers that one."""
        memory = self._memory(order.level)
        if order.generation > memory.generation:
            self._remember(order.level, memory._replace(generation=order.generation))

    def _changed(self, order: LiveOrder, *, replacing: bool) -> None:
        self._remember(order.level, SlotMemory(self._memory(order.level).generation, self.rules.now_ms, replacing))

    def _memory(self, level: int) -> SlotMemory:
        return self.slots[level] if level < len(self.slots) else NEW_SLOT

    def _remember(self, level: int, memory: SlotMemory) -> None:
        self.slots += [NEW_SLOT] * (level + 1 - len(self.slots))
        self.slots[level] = memory


def _by_slot(order: LiveOrder) -> tuple[int, int]:
    return order.level, order.generation


def diffed(
    rules: Rules,
    side: SideRules,
    wanted: list[tuple[Ticks, Lots]],
    live: list[LiveOrder],
    slots: Slots,
    orders: int,
) -> SideResult:
    """Return what becomes of one side; `wanted` are price and lots by level, `orders` those of the symbol so far.

    Of two orders in one slot the younger stays.
    """
    work = _Side(rules, side, live, slots, orders)
    held: dict[int, LiveOrder] = {}
    for order in sorted(live, key=_by_slot) if len(live) > 1 else live:
        if order.level in held:
            work.cancel_double(held[order.level])
        held[order.level] = order
        work.saw(order)
    for level, order in held.items():
        is_level = level < len(wanted)
        ticks, lots = wanted[level] if is_level else (order.ticks, 0)
        work.judge(order, ticks, lots, wanted=is_level)
    for level, (ticks, lots) in enumerate(wanted):
        if lots and level not in held:
            work.place(level, ticks, lots)
    return SideResult(work.out, tuple(work.slots), work.kept, work.orders)
