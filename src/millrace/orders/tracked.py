"""One order of ours as the table keeps it: the terms that hold, those that are asked for, and what it has executed.

It changes in place, for an order moves with every piece of news; whoever asks the table is given a copy that does not.
What may follow a state is in `orders/states.py`, what news do to an order in `orders/table.py`.
"""

import msgspec

from millrace.core.commands import OrderState, OrderUpdate, Place
from millrace.core.events import RejectReason
from millrace.core.instrument import Lots, Money
from millrace.core.order_truth import OpenOrder, Terms


class TrackedOrder(msgspec.Struct, gc=False):
    """One order and its progress; `cancel_out` while a cancel is on its way.

    `place` has the terms that the venue confirmed, `first` those of the intent once they differ. `wanted` are the terms
    of amend number `revision` until it is answered; the larger of both counts meanwhile. `done` is the last amend that
    the venue confirmed, and `told` counts what was learnt of the terms, last at `terms_ns`.
    """

    client_id: str
    place: Place
    state: OrderState
    venue_order_id: str = ""
    cum_lots: Lots = 0
    cum_cost: Money = 0
    cum_fee: Money = 0
    cancel_out: bool = False
    made_ns: int = 0
    first: Place | None = None
    wanted: Terms | None = None
    revision: int = 0
    done: int = 0
    told: int = 0
    terms_ns: int = 0

    @property
    def most(self) -> Lots:
        """Lots that it may fill in all."""
        return self.place.lots if self.wanted is None else max(self.place.lots, self.wanted.lots)

    @property
    def rest(self) -> Lots:
        """Lots that may still fill."""
        return max(self.most - self.cum_lots, 0)

    @property
    def totals(self) -> tuple[Lots, Money, Money]:
        """Lots, cost and fee executed so far."""
        return self.cum_lots, self.cum_cost, self.cum_fee

    def described(self) -> OpenOrder:
        """Return it as guards, strategies and the executor may see it."""
        names = (self.client_id, self.place, self.state, self.venue_order_id)
        amend = (self.revision, self.wanted, self.terms_ns)
        return OpenOrder(*names, *self.totals, self.cancel_out, self.made_ns, *amend)

    def update(
        self,
        previous: OrderState,
        added: tuple[Lots, Money, Money],
        reject: RejectReason | None,
        text: str,
        ts_ns: int,
    ) -> OrderUpdate:
        """Return what a piece of news changed: the state before it, and the lots, cost and fee that it added."""
        return OrderUpdate(self.client_id, self.place, self.state, previous, *added, *self.totals, reject, text, ts_ns)
