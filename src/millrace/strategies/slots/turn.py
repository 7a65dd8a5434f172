"""One call of the strategy: the view it was shown, the time and price of that moment, and the intents so far.

Funds and open orders are read from the view less what this turn has asked for already, so that many slots placing at
once share one balance honestly (slots 4.2 rule 6).
"""

from millrace.core.commands import Intent, Side
from millrace.core.instrument import Instrument, Lots, Money, Ticks
from millrace.core.permission import Standing
from millrace.core.strategy import View

_SECOND = 1e9
_NO_LIMIT = 2**31


class Turn:
    """Everything a rule may read while it runs. `now` is float seconds, `price` USD per unit (0: none seen yet).

    `calls_left` is how many calls a loop may still add to those on their way; news are not held to it.
    """

    __slots__ = (
        "base_reserved", "calls_left", "instrument", "market", "now", "now_ns", "out", "placed", "price",
        "quote_reserved", "stale", "standing", "ticks", "view",
    )  # fmt: skip

    def __init__(self, view: View, strategy: str, instrument: Instrument, stale_ns: int) -> None:
        self.view = view
        self.instrument = instrument
        self.market = view.market(instrument.id)
        self.now_ns = view.now_ns
        self.now = view.now_ns / _SECOND
        self.ticks: Ticks = self.market.last_ticks
        self.price = instrument.price(self.ticks)
        self.stale = self.ticks <= 0 or view.now_ns - self.market.last_ts_ns > stale_ns
        self.standing: Standing = view.standing(strategy, instrument.id)
        self.out: list[Intent] = []
        self.placed = 0
        self.calls_left = _NO_LIMIT
        self.base_reserved: Money = 0
        self.quote_reserved: Money = 0

    @property
    def open_orders(self) -> int:
        """Orders live or in flight, with those of this turn."""
        return self.view.live_orders(self.instrument.id) + self.placed

    def free_base(self) -> Money | None:
        """Free base money; None while the venue has not reported."""
        free = self.view.free(self.instrument.id.venue, self.instrument.base)
        return None if free is None else free - self.base_reserved

    def free_quote(self) -> Money | None:
        """Free quote money; None while the venue has not reported."""
        free = self.view.free(self.instrument.id.venue, self.instrument.quote)
        return None if free is None else free - self.quote_reserved

    def reserve(self, side: Side, ticks: Ticks, lots: Lots) -> bool:
        """Take the money of an order from this turn's funds; False, and nothing taken, when there is too little."""
        if side is Side.SELL:
            base = self.instrument.base_amount(lots)
            free = self.free_base()
            if free is None or free < base:
                return False
            self.base_reserved += base
        else:
            cost = self.instrument.cost(ticks, lots)
            cost += self.instrument.fee(cost, maker=True)
            free = self.free_quote()
            if free is None or free < cost:
                return False
            self.quote_reserved += cost
        self.placed += 1
        self.calls_left -= 1
        return True
