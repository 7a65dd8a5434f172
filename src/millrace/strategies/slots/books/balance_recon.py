"""Does the account hold what the grid says it earned? Growth of the balances against booked and open profit (7.7).

Everything is measured in base units at one price, so that a move of the price alone is neither growth nor drift. A
drift that lasts means money that the grid does not know of: a deposit nobody told it, a fill it missed, a fee it
misjudged. Fees of positions that are still open count as drift until they are booked; they are far below the threshold.
"""

from typing import Any, Literal

import msgspec
from msgspec import structs

from millrace.strategies.slots.reducer.model import SlotState

ReconStatus = Literal["OK", "DRIFT", "NO_PRICE", "NO_BALANCE"]
CHECK_NS = 300 * 1_000_000_000
"""The watch looks at most once in so long, when balances are reported."""
_LASTING = 2


class Holdings(msgspec.Struct, frozen=True, gc=False):
    """Quote money in USD and base units, free and held together; None while the venue has not reported."""

    usd: float | None
    base: float | None


class Baseline(msgspec.Struct, frozen=True, gc=False):
    """What the account held when the grid first saw price and balances, moved by what came and went since."""

    usd: float
    base: float
    price: float
    ts_ns: int

    def base_eq(self, price: float) -> float:
        """Return the whole in base units at a price."""
        return self.base + self.usd / price


class BalanceRecon(msgspec.Struct, frozen=True, kw_only=True):
    """The status object `balance_recon`; amounts in base units, `drift_usd` at the baseline's price.

    `drift` is the contract's figure; `explained` of it is the inventory residue of write-offs (slots 11.3), and the
    status judges the rest, `unexplained_pct`.
    """

    status: ReconStatus | None = None
    threshold_pct: float
    baseline_usd: float | None = None
    baseline_base: float | None = None
    baseline_price: float | None = None
    baseline_ts_ns: int | None = None
    baseline_eq: float | None = None
    current_eq: float | None = None
    growth: float | None = None
    bot_pnl: float | None = None
    drift: float | None = None
    drift_pct: float | None = None
    drift_usd: float | None = None
    explained: float | None = None
    unexplained_pct: float | None = None


def balance_recon(
    baseline: Baseline | None,
    now: Holdings,
    price: float,
    pnl_usd: float,
    threshold_pct: float,
    explained_usd: float = 0.0,
) -> BalanceRecon:
    """Compare growth since the baseline with the profit `pnl_usd`, booked and open, at `price` (0: none).

    `explained_usd` is by how much the account may exceed that profit for a reason that we know.
    """
    if baseline is None:
        return BalanceRecon(threshold_pct=threshold_pct)
    known = BalanceRecon(
        threshold_pct=threshold_pct,
        baseline_usd=baseline.usd,
        baseline_base=baseline.base,
        baseline_price=baseline.price,
        baseline_ts_ns=baseline.ts_ns,
    )
    if price <= 0.0:
        return structs.replace(known, status="NO_PRICE")
    opening = baseline.base_eq(price)
    if now.usd is None or now.base is None or opening <= 0.0:
        return structs.replace(known, status="NO_BALANCE")
    current = now.base + now.usd / price
    growth, pnl = current - opening, pnl_usd / price
    explained = explained_usd / price
    unexplained_pct = (growth - pnl - explained) / opening * 100.0
    return structs.replace(
        known,
        status="OK" if abs(unexplained_pct) <= threshold_pct else "DRIFT",
        baseline_eq=opening,
        current_eq=current,
        growth=growth,
        bot_pnl=pnl,
        drift=growth - pnl,
        drift_pct=(growth - pnl) / opening * 100.0,
        drift_usd=(growth - pnl) * baseline.price,
        explained=explained,
        unexplained_pct=unexplained_pct,
    )


def unrealised_usd(state: SlotState, mark: float) -> float:
    """Return the open profit of exits, recoveries, dust and part fills at the mark; 0 without a price (slots 7.4)."""
    if mark <= 0.0:
        return 0.0
    total = 0.0
    for record in state.waiting_exits():
        sign = -1.0 if record.side == "buy" else 1.0
        rest = record.volume - record.executed_volume
        total += sign * (mark * rest + record.executed_cost - record.entry_price * record.volume)
    for order in (*state.orders, *state.cancelling):
        if order.role == "entry":
            sign = 1.0 if order.side == "buy" else -1.0
            total += sign * (mark * order.executed_volume - order.executed_cost)
    short, long = state.a.dust, state.b.dust
    return total + (short.cost - mark * short.volume) + (mark * long.volume - long.cost)


class BalanceWatch:
    """The baseline, and whether a drift has lasted; `flows` counts deposits and withdrawals that were told."""

    def __init__(self) -> None:
        self.baseline: Baseline | None = None
        self.flows = 0
        self.told = False
        self._due_ns = 0
        self._drifts = 0

    def capture(self, now: Holdings, price: float, ts_ns: int, earned_usd: float) -> None:
        """Take the first good balance as the baseline; later ones change nothing.

        Slots that were handed over had earned something by then, which is in the balance and is no growth of it.
        """
        if self.baseline is None and price > 0.0 and now.usd is not None and now.base is not None:
            self.baseline = Baseline(now.usd - earned_usd, now.base, price, ts_ns)

    def flow(self, usd: float, base: float) -> None:
        """Move the baseline by money that came in (+) or left (-) by other hands than the grid's."""
        self.flows += 1
        if self.baseline is not None:
            old = self.baseline
            self.baseline = structs.replace(old, usd=old.usd + usd, base=old.base + base)

    def is_due(self, now_ns: int) -> bool:
        """Tell whether it is time to look again."""
        return self.baseline is not None and now_ns >= self._due_ns

    def look(self, found: BalanceRecon, now_ns: int) -> bool:
        """Take what a look found; True when the operator must be told that it drifts, or does no more.

        Balances and fills do not come at one moment, so a drift counts when two looks in a row found it.
        """
        self._due_ns = now_ns + CHECK_NS
        self._drifts = self._drifts + 1 if found.status == "DRIFT" else 0
        drifts = self._drifts >= _LASTING if not self.told else self._drifts > 0
        changed, self.told = drifts != self.told, drifts
        return changed

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        baseline = None if self.baseline is None else msgspec.to_builtins(self.baseline)
        return {
            "baseline": baseline,
            "flows": self.flows,
            "told": self.told,
            "due_ns": self._due_ns,
            "drifts": self._drifts,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.baseline = msgspec.convert(state["baseline"], Baseline | None)
        self.flows, self.told = state["flows"], state["told"]
        self._due_ns, self._drifts = state["due_ns"], state["drifts"]
