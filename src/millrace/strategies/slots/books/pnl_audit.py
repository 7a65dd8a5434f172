"""Whether the running sums say what the ledger's records say, to 1e-8 (slots 7.3).

Sums in a state that is saved and restored for months can go wrong without anybody noticing. The ledger's bookings and
fills are append-only, so they are added up anew outside of the core (`rebuild`), come in as an event, and are compared
here with what the slots claim. Fees are compared twice: with what was booked, and with what the venue charged.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import fsum
from typing import Any, Final

from millrace.core.commands import Book
from millrace.core.events import Scalar
from millrace.core.instrument import Instrument, Money
from millrace.risk.loss_lock import DAY_NS
from millrace.strategies.slots.books.retired import RetiredSlots, Totals, totals_of
from millrace.strategies.slots.reducer.model import Order, Recovery, SlotState

TOLERANCE: Final = 1e-8
OPENING: Final = "opening_totals"
"""Kind of the booking of what a slot had realised before this ledger began: the sums that were imported with it."""
REMOVED: Final = "slot_removed"
"""Cause of the residue booking of what a removed slot still held; its fee was paid and is in no cycle."""
GIVEN_UP: Final = "stale_recovery"
"""The same for a recovery that an operator gave up as stale."""
_ACCOUNT: Final = "account"
_SHOWN: Final = 10
Sums = dict[str, dict[str, float]]
"""By slot ("slot3") or "account", then by name."""


def rebuild(records: Iterable[Book], fees: Mapping[str, Money], facts: Instrument, now_ns: int) -> Sums:
    """Add up the grid's bookings by slot, and what the venue charged it (`fees`, by group of the fills).

    `account` holds the losses of the UTC day of `now_ns` (slots 7.5).
    """
    terms: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        values = record.values
        subject = str(values.get("subject", f"slot{values.get('slot')}"))
        for name, amount in _terms(record.kind, values).items():
            terms[subject][name].append(amount)
        if _day_of(record) == now_ns // DAY_NS:
            terms[_ACCOUNT]["day_loss"].append(_day_loss(record))
    sums = {slot: {name: fsum(amounts) for name, amounts in found.items()} for slot, found in terms.items()}
    for group, charged in fees.items():
        sums.setdefault(group, {})["fees_paid"] = facts.quote_float(charged)
    return sums


def _day_of(record: Book) -> int:
    """Return the UTC day whose losses a record counts to: that of the exit, which is earlier than the booking's."""
    booked = record.kind != "cycle"
    return (record.ts_ns if booked else round(_number(record.values["exit_time"]) * 1e9)) // DAY_NS


def _day_loss(record: Book) -> float:
    if record.kind == OPENING:
        return _number(record.values["day_loss"])
    return max(0.0, -_number(record.values["net"])) if record.kind == "cycle" else 0.0


def _terms(kind: str, values: Mapping[str, Scalar]) -> dict[str, float]:
    """Return what one record adds to its slot's sums.

    `booked`: entry and exit fees of cycles. `unpaid`: fees that the slot counts and the venue never charged; negative
    for a real trade of residue, whose fee no slot counts.
    """
    if kind == "cycle":
        net = _number(values["net"])
        return {
            "profit": net,
            "settled": _number(values["settled"]),
            "loss": max(0.0, -net),
            "round_trips": float(values["completes"] is True),
            "booked": _number(values["fees"]),
        }
    if kind == OPENING:
        names = ("profit", "settled", "loss", "round_trips", "booked", "unpaid")
        return {name: _number(values[name]) for name in names}
    if kind == "residue":
        fee = _number(values["fee"])
        if values["cause"] in (REMOVED, GIVEN_UP):
            return {"booked": -fee}
        return {"unpaid": -fee if values["traded"] is True else fee}
    return {}


def opening_records(
    strategy: str, pair: str, states: Mapping[int, SlotState], retired: RetiredSlots, day_loss: float, now_ns: int
) -> list[Book]:
    """Return the bookings that make sums which were realised before this ledger began a part of it (slots 17).

    Positions that were open then are in the ledger with their fees; what is closed was paid elsewhere.
    """
    rows = {f"slot{slot_id}": (totals_of(state), _open_fees(state)) for slot_id, state in states.items()}
    rows["retired"] = (retired.totals, 0.0)
    return [
        Book(strategy, OPENING, f"{pair}/{subject}", _opening(subject, totals, open_fees, day_loss), now_ns)
        for subject, (totals, open_fees) in rows.items()
    ]


def _opening(subject: str, totals: Totals, open_fees: float, day_loss: float) -> dict[str, Scalar]:
    closed_fees = totals.fees_usd - open_fees
    return {
        "subject": subject,
        "profit": totals.profit_usd,
        "settled": totals.settled_usd,
        "loss": totals.loss_usd,
        "round_trips": totals.round_trips,
        "booked": closed_fees,
        "unpaid": closed_fees,
        "day_loss": day_loss if subject == "retired" else 0.0,
    }


class PnlAudit:
    """What the last audit found; times in ns, differences in USD (round trips: a count)."""

    def __init__(self) -> None:
        self.checked_ns: int | None = None
        self.compared = 0
        self.worst = 0.0
        self.differences: list[dict[str, Any]] = []

    @property
    def ok(self) -> bool | None:
        """Whether it agreed; None before the first audit."""
        return None if self.checked_ns is None else not self.differences

    def compare(
        self, states: Mapping[int, SlotState], retired: RetiredSlots, day_loss: float, sums: Sums, now_ns: int
    ) -> None:
        """Compare every running sum with the ledger's, and remember what does not agree."""
        rows = [row for slot_id, state in states.items() for row in _slot_rows(f"slot{slot_id}", state, sums)]
        rows += _rows("retired", retired.totals, 0.0, 0.0, _together(sums, retired.slot_ids))
        rows.append((_ACCOUNT, "today_realized_loss", day_loss, sums.get(_ACCOUNT, {}).get("day_loss", 0.0)))
        self.checked_ns, self.compared = now_ns, len(rows)
        self.worst = max(abs(state - ledger) for _, _, state, ledger in rows)
        self.differences = [
            {"subject": subject, "name": name, "state": state, "ledger": ledger, "difference": state - ledger}
            for subject, name, state, ledger in rows
            if not abs(state - ledger) <= TOLERANCE
        ]

    def status(self) -> dict[str, Any]:
        """Return the block `pnl_audit` of the status."""
        return {
            "ok": self.ok,
            "checked_at": None if self.checked_ns is None else self.checked_ns / 1e9,
            "compared": self.compared,
            "worst_difference": self.worst,
            "tolerance": TOLERANCE,
            "differences": self.differences[:_SHOWN],
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "checked_ns": self.checked_ns,
            "compared": self.compared,
            "worst": self.worst,
            "differences": list(self.differences),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.checked_ns, self.compared = state["checked_ns"], state["compared"]
        self.worst, self.differences = state["worst"], list(state["differences"])


_Row = tuple[str, str, float, float]


def _together(sums: Sums, slot_ids: list[int]) -> Sums:
    parts = [sums.get(subject, {}) for subject in ("retired", *(f"slot{slot_id}" for slot_id in slot_ids))]
    names = dict.fromkeys(name for part in parts for name in part)
    return {"retired": {name: fsum(part.get(name, 0.0) for part in parts) for name in names}}


def _slot_rows(subject: str, state: SlotState, sums: Sums) -> list[_Row]:
    records: list[Order | Recovery] = [*state.orders, *state.cancelling, *state.recovery_orders]
    running = fsum(record.executed_fee for record in records)
    return _rows(subject, totals_of(state), _open_fees(state), running, sums)


def _rows(subject: str, totals: Totals, open_fees: float, running_fees: float, sums: Sums) -> list[_Row]:
    """Pair each figure of the state with the ledger's: open positions' fees are booked later, part fills are paid."""
    told = sums.get(subject, {})
    paid = totals.fees_usd + running_fees - told.get("unpaid", 0.0)
    return [
        (subject, "profit", totals.profit_usd, told.get("profit", 0.0)),
        (subject, "settled", totals.settled_usd, told.get("settled", 0.0)),
        (subject, "loss", totals.loss_usd, told.get("loss", 0.0)),
        (subject, "round_trips", float(totals.round_trips), told.get("round_trips", 0.0)),
        (subject, "fees_booked", totals.fees_usd - open_fees, told.get("booked", 0.0)),
        (subject, "fees_paid", paid, told.get("fees_paid", 0.0)),
    ]


def _open_fees(state: SlotState) -> float:
    """Return the entry fees of what is still held: exits, recoveries and dust."""
    held: list[Order | Recovery] = [*state.orders, *state.recovery_orders]
    return fsum([*(record.entry_fee for record in held), state.a.dust.fee, state.b.dust.fee])


def _number(value: Scalar) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
