"""The exposure limits asked once more when orders leave: by a guard that believes nobody's plan, only orders and fills.

The desk claims capital when it plans; here the same limits (`exposure`) are looked at with what is really open: the
cost of every position, and what unfinished orders may still spend. Whatever was forgotten, claimed twice or sent past
the desk meets them here, and a fill without its other legs counts in full (arb 11.7, 16).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from millrace.core.commands import OrderUpdate, Place, Side, Style
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots
from millrace.core.permission import ReasonCode
from millrace.core.strategy import Interest
from millrace.risk.exposure import Claim, Exposure, ExposureSettings, MarketClaim, Nano
from millrace.risk.profit import by_name, in_dollars


class _Held(msgspec.Struct, gc=False):
    """One sub-position: open lots and what they cost, fees included."""

    position: SubPosition
    lots: Lots
    nano: Nano


class _Saved(msgspec.Struct):
    held: list[_Held]


class ExposureGuard:
    """A `Guard` over outcomes of binary markets; of a program without any it sees nothing."""

    name = "exposure"

    def __init__(
        self, instruments: Sequence[Instrument], settings: ExposureSettings, categories: Mapping[InstrumentId, str]
    ) -> None:
        outcomes = [instrument for instrument in instruments if instrument.binary is not None]
        self._instruments = by_name(outcomes)
        self.settings = settings
        self._categories = dict(categories)
        self._held: dict[SubPosition, _Held] = {}
        self.reads: tuple[type, ...] = (OrderUpdate,) if outcomes else ()

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Book fills and endings of positions; a part that is sold or paid out takes its share of the cost along."""
        del view
        if not isinstance(seen, OrderUpdate) or not (seen.d_lots or seen.d_cost or seen.d_fee):
            return []
        place = seen.place
        instrument = self._instruments.get(str(place.instrument))
        if instrument is None:
            return []
        held = self._held.get(place.position) or _Held(place.position, 0, 0)
        if place.side is Side.BUY:
            held.lots += seen.d_lots
            held.nano += in_dollars(seen.d_cost + seen.d_fee, instrument)
        elif held.lots > 0:
            left = max(held.lots - seen.d_lots, 0)
            held.nano = held.nano * left // held.lots
            held.lots = left
        if held.lots > 0:
            self._held[place.position] = held
        else:
            self._held.pop(place.position, None)
        return []

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to orders with which their basket, all of it that is open or under way, would pass a limit."""
        new = [place for place in places if str(place.instrument) in self._instruments and place.side is Side.BUY]
        if not new:
            return ()
        spent = self._open(view, frozenset(place.key for place in new))
        wanted = _name(new[0].position)
        for place in new:
            self._add(spent, place.position, self._worst(place, place.lots))
        claims = {name: self._claim(name, markets) for name, markets in spent.items()}
        exposure = Exposure(self.settings)
        for name, claim in claims.items():
            if name != wanted:
                exposure.claim(claim)
        return (ReasonCode.EXPOSURE_LIMIT.value,) if exposure.objections(claims[wanted]) else ()

    def _open(self, view: GuardView, but: frozenset[str] = frozenset()) -> dict[str, dict[InstrumentId, Nano]]:
        spent: dict[str, dict[InstrumentId, Nano]] = {}
        for held in self._held.values():
            self._add(spent, held.position, held.nano)
        for order in view.unfinished():
            place = order.place
            if place.side is Side.BUY and str(place.instrument) in self._instruments and place.key not in but:
                self._add(spent, place.position, self._worst(place, place.lots - order.cum_lots))
        return spent

    def _add(self, spent: dict[str, dict[InstrumentId, Nano]], position: SubPosition, nano: Nano) -> None:
        terms = self._instruments[str(position.instrument)].binary
        assert terms is not None  # noqa: S101  only outcomes are known here
        markets = spent.setdefault(_name(position), {})
        markets[terms.market] = markets.get(terms.market, 0) + nano

    def _worst(self, place: Place, lots: Lots) -> Nano:
        instrument = self._instruments[str(place.instrument)]
        fee = instrument.most_fee(place.limit_ticks, lots, may_take=place.style is not Style.POST_ONLY)
        return in_dollars(instrument.cost(place.limit_ticks, lots) + fee, instrument)

    def _claim(self, name: str, markets: dict[InstrumentId, Nano]) -> Claim:
        _, group = name.split(":", 1)
        lane, _, rest = group.partition("/")
        family = rest.partition("/")[0]
        rows = tuple(
            MarketClaim(market.venue, market.symbol, self._categories.get(market, ""), nano)
            for market, nano in markets.items()
        )
        return Claim(name, lane, family, "", rows)

    def interest(self) -> Interest:
        """Return that time and prices change nothing here."""
        return Interest()

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return capital at risk by venue, in dollars, and how many baskets hold it."""
        spent = self._open(view)
        venues: dict[str, Nano] = {}
        for markets in spent.values():
            for market, nano in markets.items():
                venues[market.venue] = venues.get(market.venue, 0) + nano
        return {"baskets": len(spent), "usd": {venue: venues[venue] / 1e9 for venue in sorted(venues)}}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(list(self._held.values())))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._held = {held.position: held for held in msgspec.convert(state, _Saved).held}


def _name(position: SubPosition) -> str:
    return f"{position.strategy}:{position.group}"
