"""The state that all slots of one grid share: settings, counters, sizer, label, who waits for what.

Rules live in the modules named for them (placement, transitions, loop, news); this record holds what they read and
change, and the small queries that more than one of them needs.
"""

from collections import deque
from collections.abc import Collection
from functools import partial
from typing import Any

from msgspec import structs

from millrace.core.commands import Book, Lift, Post
from millrace.core.events import Scalar
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.risk.loss_lock import LossLock, LossLockChange
from millrace.sizing.throughput import ThroughputSizer
from millrace.strategies.slots.books.balance_recon import BalanceWatch
from millrace.strategies.slots.books.pnl_audit import PnlAudit
from millrace.strategies.slots.books.residue import InventoryResidue
from millrace.strategies.slots.books.retired import RetiredSlots, Totals, summed, totals_of
from millrace.strategies.slots.entry_size.b_side import BuyShares
from millrace.strategies.slots.entry_size.idle_control import IdleControl
from millrace.strategies.slots.entry_size.layers import CapitalLayers
from millrace.strategies.slots.entry_size.order_size import EntrySizes, FloorCount, SizeMode, base_usd, whole_units
from millrace.strategies.slots.handover.state import Handover
from millrace.strategies.slots.operator.removal_state import Removal
from millrace.strategies.slots.reducer.model import Cycle, Side, SlotConfig, SlotState, TradeId, WaitReason
from millrace.strategies.slots.release.releases import Releases
from millrace.strategies.slots.scheduler import EntryScheduler
from millrace.strategies.slots.settings import SlotsSettings
from millrace.strategies.slots.signals.direction import BAR_NS, BarsRead, Reading
from millrace.strategies.slots.signals.momentum import MomentumGate
from millrace.strategies.slots.signals.regime_bands import tier1_allowed
from millrace.strategies.slots.signals.volatility import profit_target_pct
from millrace.strategies.slots.slot import NEVER_NS, NO_HIGH, NO_LOW, Slot
from millrace.strategies.slots.stages.gate_records import GateRecords
from millrace.strategies.slots.telemetry.capacity_health import BandClock, FillHealthWindows, safe_cap
from millrace.strategies.slots.telemetry.open_drift import OpenOrderDrift
from millrace.strategies.slots.telemetry.side_watch import SideWatch
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000
_PPM_PER_PCT = 1e4
RETRY_NS = 300 * _SECOND_NS
"""A leg that waits for money, or that the venue refused, is tried again after this long without news."""
RARE_RETRY_NS = 24 * 3_600 * _SECOND_NS
"""The same for legs that a price (size) or the end of an order (capacity) wakes: only a belt to those braces."""
SIZER_NS = 300 * _SECOND_NS
"""The sizer's cadence: it is brought up to date at most once per such window, when a size is asked for (slots 14.1)."""
PAUSE_ID = "pause"
_LOCK_ID = "loss_lock"
LOW_HEADROOM = 5
"""Open-order headroom at which the cap guard shows, and after ten minutes tells (slots 9)."""
_LOW_HEADROOM_NS = 600 * _SECOND_NS
_WOKEN = (WaitReason.MIN_SIZE_WAIT, WaitReason.CAPACITY_BLOCK)


class Grid:
    """Shared state of one slot grid; times end in `_ns`, floats are USD and base units."""

    def __init__(self, name: str, instrument: Instrument, settings: SlotsSettings) -> None:
        self.name = name
        self.instrument = instrument
        self.settings = settings
        self.loop_ns = round(settings.poll_interval_sec * _SECOND_NS)
        self.stale_ns = round(settings.stale_price_max_age_sec * _SECOND_NS)
        self.entry_pct = settings.entry_pct
        self.profit_pct = settings.profit_pct
        self.slots: dict[int, Slot] = {}
        self.next_slot_id = 1
        self.keys: dict[str, tuple[int, int]] = {}
        self.scheduler = EntryScheduler(settings.max_entry_adds_per_loop)
        self.floors = FloorCount()
        self.windows = FillHealthWindows()
        self.band_clock = BandClock()
        self.bars = BarsRead(settings.momentum, settings.regime)
        self.momentum = MomentumGate()
        self.lock = LossLock(settings.daily_loss_limit_usd)
        self.sizer = ThroughputSizer(settings.throughput)
        self.sizer_window = -1
        self.cycles: deque[dict[str, Any]] = deque(maxlen=max(1, settings.throughput.lookback_cycles))
        self.safe_cap = safe_cap(settings.open_orders_per_pair_limit, settings.open_order_safety_ratio)
        self.dirty: set[int] = set()
        self.unfunded: set[int] = set()
        self.capped: set[int] = set()
        self.short: set[Side] = set()
        self.loop_wanted = False
        self.last_loop_ns = 0
        self.stale_wait = False
        self.errors = self.bookings = self.violations = self.dust_moves = 0
        self.partial_cancels_handled = self.partial_cancels_unhandled = 0
        self.level = Level.OPEN
        self.free_seen: tuple[int, int] = (0, 0)
        self.vintage_day: int | None = None
        self.low_headroom_since_ns: int | None = None
        self.low_headroom_told = False
        self._volatility = settings.volatility()
        self._target_loop, self._target_pct = -1, 0.0
        self.size_answers: dict[tuple[object, ...], tuple[int, int]] = {}
        self._outlook: tuple[int, int, int] | None = None
        self._configs: dict[tuple[bool, float], SlotConfig] = {}
        self._open_books()

    def _open_books(self) -> None:
        """Make the parts that have a state of their own beside the slots: watches, records, controls."""
        chosen = self.settings
        self.sides = SideWatch()
        self.records = GateRecords(self.name, str(self.instrument.id))
        self.balances = BalanceWatch()
        self.residue, self.releases = InventoryResidue(), Releases()
        self.retired = RetiredSlots()
        self.removal = Removal()
        self.audit = PnlAudit()
        self.open_drift = OpenOrderDrift(chosen.open_order_drift())
        self.idle = IdleControl(chosen.rebalance, chosen.trend)
        self.handover = Handover()
        self.buys = BuyShares.of(self.instrument, chosen.allocation_safety_buffer_usd, chosen.b_side_cap_usd())
        self.layers = CapitalLayers(chosen)

    # Settings of a slot

    def is_sticky(self, slot: Slot) -> bool:
        """Tell whether the slot waits for ever; a slot's own choice goes before the grid's (slots 10)."""
        return self.settings.sticky_mode_enabled if slot.sticky is None else slot.sticky

    def cfg(self, slot: Slot) -> SlotConfig:
        """Return the reducer's settings for the slot."""
        key = self.is_sticky(slot), slot.exits_wait_from
        cfg = self._configs.get(key)
        if cfg is None:
            cfg = self._configs[key] = self._config(*key)
        return cfg

    def set_tunables(self, *, entry_pct: float | None = None, profit_pct: float | None = None) -> None:
        """Take an operator's entry or profit distance in per cent."""
        self.entry_pct = self.entry_pct if entry_pct is None else entry_pct
        self.profit_pct = self.profit_pct if profit_pct is None else profit_pct
        self._configs.clear()
        self.size_answers.clear()
        self._target_loop = -1

    def reconfigured(self, changed: Collection[str]) -> None:
        """Take settings that changed at a start: what the operator set by hand gives way where they say otherwise.

        Nothing is cancelled for it (slots 10); what else the settings say is read when it is needed.
        """
        chosen = self.settings
        self.set_tunables(
            entry_pct=chosen.entry_pct if "slots.entry_pct" in changed else None,
            profit_pct=chosen.profit_pct if "slots.profit_pct" in changed else None,
        )
        if "slots.capital_layers" in changed:
            self.layers.begin()
        self.wake_all()

    @property
    def entry_pct_in_force(self) -> float:
        """The entry distance of a fresh entry: the band's while there is one, else the operator's (slots 12.6)."""
        return self.entry_pct if self.bars.adapted is None else self.bars.adapted.entry_pct

    def adapt(self, turn: Turn) -> None:
        """Take the entry distance and the entries per loop that the ADX band of now asks for (slots 12.6)."""
        if self.bars.adapt(turn.market.bars, turn.now_ns):
            asked, usual = self.bars.adapted, self.settings.max_entry_adds_per_loop
            self.scheduler.base_per_loop = usual if asked is None else asked.entries_per_loop
            self._configs.clear()
            self.size_answers.clear()

    def _config(self, sticky: bool, exits_wait_from: float) -> SlotConfig:
        chosen = self.settings
        return structs.replace(
            self.settings.reducer(self.instrument),
            entry_pct=self.entry_pct_in_force,
            entry_pct_adapts=self.settings.regime.adx_enabled,
            profit_pct=self.profit_pct,
            maker_fee_pct=self.instrument.maker_fee_ppm / _PPM_PER_PCT,
            sticky_mode_enabled=sticky,
            exits_wait_from=exits_wait_from,
            recovery_orders_enabled=chosen.recovery_orders_enabled and chosen.legacy_recovery,
        )

    # Time

    def loop_after_ns(self, ts_ns: int) -> int:
        """Return the first loop time after `ts_ns`; loops stand on multiples of the poll interval."""
        return (ts_ns // self.loop_ns + 1) * self.loop_ns

    def next_loop_ns(self, now_ns: int) -> int:
        """Return the next loop that has not run: that of this very moment counts while it is still to come."""
        return max(self.loop_at_ns(now_ns), self.loop_after_ns(self.last_loop_ns))

    def loop_at_ns(self, ts_ns: int) -> int:
        """Return the first loop time at or after `ts_ns`."""
        return -(-ts_ns // self.loop_ns) * self.loop_ns

    def next_bar_loop_ns(self, now_ns: int) -> int:
        """Return the first loop at which a bar will have closed that has not by now."""
        return self.loop_at_ns((now_ns // BAR_NS + 1) * BAR_NS)

    # Slots and when to look at them

    def add_slot(self) -> Slot:
        """Open one more slot; the next loop bootstraps it."""
        slot = Slot(self.next_slot_id, SlotState())
        slot.wait = {"A": WaitReason.BOOTSTRAP_PENDING, "B": WaitReason.BOOTSTRAP_PENDING}
        self.slots[slot.slot_id] = slot
        self.sides.note(slot.slot_id, slot.state)
        self.next_slot_id += 1
        self.dirty.add(slot.slot_id)
        return slot

    def drop_slot(self, slot_id: int) -> None:
        """Forget a slot that has nothing at the venue and holds nothing; its id is never given again."""
        del self.slots[slot_id]
        for waiting in (self.dirty, self.unfunded, self.capped):
            waiting.discard(slot_id)
        self.sides.drop(slot_id)
        self.releases.forget_slot(slot_id)
        self.rescheduled()

    def outlook(self) -> tuple[int, int, int]:
        """Return (low ticks, high ticks, due time): the tightest of all slots and of the release tiers."""
        if self._outlook is None:
            slots, tiers = self.slots.values(), self.releases
            self._outlook = (
                max([slot.low_ticks for slot in slots], default=NO_LOW),
                min([slot.high_ticks for slot in slots], default=NO_HIGH),
                min([slot.due_ns for slot in slots], default=NEVER_NS),
            )
            if tiers.high_ticks != NO_HIGH or tiers.due_ns != NEVER_NS:
                low, high, due_ns = self._outlook
                self._outlook = low, min(high, tiers.high_ticks), min(due_ns, tiers.due_ns)
        return self._outlook

    def is_outside(self, ticks: int) -> bool:
        """Tell whether a price stands outside some slot's bounds."""
        low, high, _ = self.outlook()
        return ticks <= low or ticks >= high

    def rescheduled(self) -> None:
        """Forget the outlook: a slot's bounds or due time changed."""
        self._outlook = None

    # Positions and waits

    def position(self, slot_id: int, trade_id: TradeId) -> SubPosition:
        """Return the sub-position that a leg's orders change."""
        return SubPosition(self.name, self.instrument.id, f"slot{slot_id}", trade_id)

    def set_wait(self, slot: Slot, trade_id: TradeId, reason: WaitReason, now_ns: int) -> None:
        """Say why a leg is empty, and when it is tried again without news."""
        if reason is WaitReason.CAPACITY_BLOCK and slot.wait.get(trade_id) is not reason:
            self.records.entries_blocked += 1
        slot.wait[trade_id] = reason
        slot.retry_ns[trade_id] = now_ns + (RARE_RETRY_NS if reason in _WOKEN else RETRY_NS)
        if reason is WaitReason.UNFUNDED:
            self.unfunded.add(slot.slot_id)
        elif reason is WaitReason.CAPACITY_BLOCK:
            self.capped.add(slot.slot_id)

    def note_shortage(self, turn: Turn) -> None:
        """Remember how little was free when an order could not be paid: more than that is a reason to try again."""
        base, quote = self.free_seen
        self.free_seen = (min(base, turn.free_base() or 0), min(quote, turn.free_quote() or 0))

    def clear_wait(self, slot: Slot, trade_id: TradeId) -> None:
        """Forget why a leg was empty."""
        slot.wait.pop(trade_id, None)
        slot.retry_ns.pop(trade_id, None)

    def wake(self, slot_ids: set[int]) -> None:
        """Look at these slots in the next loop, and empty the set that named them."""
        self.dirty |= slot_ids
        slot_ids.clear()

    def wake_all(self) -> None:
        """Look at every slot in the next loop."""
        self.dirty.update(self.slots)

    def totals(self) -> Totals:
        """Return what all slots have realised, those that were removed included (slots 7.3)."""
        return summed([self.retired.totals, *(totals_of(slot.state) for slot in self.slots.values())])

    # Headroom

    def note_headroom(self, turn: Turn) -> None:
        """Remember since when the open-order headroom has been low; called on every news of an order."""
        headroom = self.safe_cap - turn.open_orders
        if headroom > LOW_HEADROOM:
            if self.low_headroom_since_ns is not None and self.low_headroom_told:
                since_ns = self.low_headroom_since_ns
                turn.out.append(self.records.low_headroom(since_ns, turn.now_ns, headroom, ended=True))
            self.low_headroom_since_ns, self.low_headroom_told = None, False
        elif self.low_headroom_since_ns is None:
            self.low_headroom_since_ns = turn.now_ns

    def low_headroom_due_ns(self) -> int:
        """Return the loop time at which the operator must be told of low headroom."""
        if self.low_headroom_since_ns is None or self.low_headroom_told:
            return NEVER_NS
        return self.loop_at_ns(self.low_headroom_since_ns + _LOW_HEADROOM_NS)

    # Sizes, labels, targets

    def sizes(self, slot: Slot, turn: Turn, *, fresh: bool = False) -> EntrySizes:
        """Return the entry sizes of a slot now; only `fresh` entries, of the normal path, are rebalanced (slots 13)."""
        chosen = self.settings
        active = chosen.throughput.enabled and not chosen.throughput.shadow
        regime = None
        if active:
            self.refresh_sizer(turn)
            regime = self.direction(turn)
        mode, units = self.size_mode(slot), chosen.order_size_doge
        if chosen.order_size_doge_compound:
            units += whole_units(slot.compound_units)
        shares = chosen.b_side_account_sizing and mode == "USD"
        return EntrySizes(
            cfg=self.cfg(slot),
            mode=mode,
            floor_mode=chosen.entry_floor_mode,
            base_usd=self.base_usd(slot),
            base_units=units,
            sizer=self.sizer if active else None,
            regime=regime,
            floors=self.floors,
            caution=turn.standing.multiplier,
            favour=self.idle.favour(turn) if fresh else None,
            layer_units=self.layers.units(turn, len(self.slots)),
            mark=turn.price,
            buy=partial(self.buys.size, self.slots.values(), slot, turn) if shares else None,
        )

    def size_mode(self, slot: Slot) -> SizeMode:
        """Return the mode in force for the slot: sizes in DOGE are for sticky slots only (slots 8.2)."""
        return self.settings.order_size_mode if self.is_sticky(slot) else "USD"

    def base_usd(self, slot: Slot) -> float:
        """Return the slot's base order size in USD mode."""
        chosen = self.settings
        return base_usd(chosen.order_size_usd, slot.state.total_profit, chosen.sticky_compounding_mode)

    def direction(self, turn: Turn) -> int:
        """Return the direction label (0 bearish, 1 ranging, 2 bullish) from the bars closed by now."""
        return self.read_bars(turn).label

    def read_bars(self, turn: Turn) -> Reading:
        """Return what the bars closed by now say (slots 12)."""
        return self.bars.read(turn.market.bars, turn.now_ns)

    def peek_bars(self, turn: Turn) -> Reading:
        """Return what `read_bars` would, and change nothing: for people."""
        return self.bars.peek(turn.market.bars, turn.now_ns)

    def tier1_allowed(self, turn: Turn) -> bool:
        """Tell whether the band lets releases of tier 1 happen now (slots 12.6)."""
        return tier1_allowed(self.settings.regime, self.read_bars(turn).band)

    def profit_target_pct(self, turn: Turn) -> float:
        """Return the profit target from the price samples of the loops up to now (slots 5.4)."""
        loop = turn.now_ns // self.loop_ns
        if loop == self._target_loop:
            return self._target_pct
        samples = turn.market.samples
        ticks = [] if samples is None else samples.samples_until(turn.now_ns)
        prices = [self.instrument.price(tick) for tick in ticks]
        fee_pct = self.instrument.maker_fee_ppm / _PPM_PER_PCT
        target_pct = profit_target_pct(prices, self.profit_pct, fee_pct, self._volatility)
        if turn.now_ns % self.loop_ns:
            # At the loop's own instant a print of that instant may still come; after it the samples stand.
            self._target_loop, self._target_pct = loop, target_pct
        return target_pct

    def refresh_sizer(self, turn: Turn) -> None:
        """Bring the sizer up to date once per window of its cadence."""
        window = turn.now_ns // SIZER_NS
        if window != self.sizer_window:
            self.sizer_window = window
            self.feed_sizer(self.sizer, turn, self.direction(turn))
            if self.settings.throughput.log_updates:
                turn.out.append(self._sizer_record(window, turn.now_ns))

    def _sizer_record(self, window: int, now_ns: int) -> Book:
        """Return what the sizer learned as a record for the ledger (TP_LOG_UPDATES)."""
        payload = self.sizer.status_payload()
        values: dict[str, Scalar] = {
            name: payload[name]
            for name in ("active_regime", "last_update_n", "age_pressure", "util_ratio", "util_penalty")
        }
        values |= {name: bucket["multiplier"] for name, bucket in payload["buckets"].items()}
        return Book(self.name, "sizer_update", f"{self.instrument.id}/{window}", values, now_ns)

    def feed_sizer(self, sizer: ThroughputSizer, turn: Turn, regime: int) -> None:
        """Show a sizer the completed cycles and the open exits as they are now (slots 14.1)."""
        free = turn.free_base()
        free_doge = 0.0 if free is None else self.instrument.base_float(free)
        sizer.update(list(self.cycles), self.open_exits(turn.now), regime, free_doge, now=turn.now)

    def open_exits(self, now: float) -> list[dict[str, Any]]:
        """Return the open exits and live recoveries as the sizer's censored rows."""
        return [
            {
                "regime_at_entry": record.regime_at_entry,
                "trade_id": record.trade_id,
                "age_sec": now - record.entry_filled_at,
                "volume": record.volume,
            }
            for slot in self.slots.values()
            for record in slot.state.waiting_exits()
        ]

    def note_cycle(self, cycle: Cycle) -> None:
        """Remember a booked cycle for the sizer, the loss lock and the booking count."""
        self.bookings += 1
        self.lock.book(cycle.net_profit, round(cycle.exit_time * _SECOND_NS))
        self.remember(cycle)

    def remember(self, cycle: Cycle) -> None:
        """Show the sizer a cycle in its next update."""
        self.cycles.append(
            {
                "entry_time": cycle.entry_time,
                "exit_time": cycle.exit_time,
                "regime_at_entry": cycle.regime_at_entry,
                "trade_id": cycle.trade_id,
                "net_profit": cycle.net_profit,
                "volume": cycle.volume,
            }
        )

    def instrument_seconds(self, ts_ns: int) -> float:
        """Return nanoseconds as the reducer's float seconds."""
        return ts_ns / _SECOND_NS

    def check_loss_lock(self, turn: Turn) -> None:
        """Pause at the day's loss limit; at the day's end the lock opens and the pause stays (slots 7.5)."""
        change = self.lock.check(turn.now_ns)
        if change is None:
            return
        if change is LossLockChange.LOCKED:
            loss = self.lock.loss_usd(turn.now_ns)
            text = f"daily loss limit hit: {loss:.6f} USD of {self.settings.daily_loss_limit_usd:g} USD"
            turn.out.append(Post(self.restriction(_LOCK_ID, ReasonCode.DAILY_LOSS_LOCK, text, turn.now_ns)))
            return
        text = f"the daily loss lock opened ({change.value}); resume to trade"
        turn.out.append(Post(self.restriction(PAUSE_ID, ReasonCode.OPERATOR_PAUSE, text, turn.now_ns)))
        turn.out.append(Lift(f"{self.name}/{_LOCK_ID}", change.value, turn.now_ns))

    def lock_due_ns(self) -> int:
        """Return the loop time at which an active loss lock opens."""
        return NEVER_NS if self.lock.opens_ns is None else self.loop_at_ns(self.lock.opens_ns)

    def idle_due_ns(self) -> int:
        """Return the loop time at which idle money is next looked at."""
        return self.loop_at_ns(self.idle.due_ns) if self.idle.due_ns < NEVER_NS else NEVER_NS

    def restriction(self, tail: str, reason: ReasonCode, text: str, now_ns: int) -> Restriction:
        """Return a REDUCE_ONLY restriction on this strategy (design section 5.2)."""
        return Restriction(
            id=f"{self.name}/{tail}",
            scope=Scope(ScopeKind.STRATEGY, self.name),
            level=Level.REDUCE_ONLY,
            reason=reason,
            text=text,
            posted_by=self.name,
            posted_ns=now_ns,
        )
