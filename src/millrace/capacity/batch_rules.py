"""What a venue takes in one call: how many orders, new terms or cancels together, and what they cost of the budget.

A batch saves requests and keeps together what was decided together; it is no way around a venue's pace, for most venues
charge each item. So what is said here is read in two places: by whoever joins calls, and by whoever pays for them.
Nothing here is an error: a venue of which nothing is known takes one thing at a time.
"""

from msgspec import Struct

from millrace.core.instrument import InstrumentId


class OpBatch(Struct, frozen=True, gc=False):
    """One kind of call: at most `most` items of it together, `per_call` of which cost what a single call costs."""

    most: int = 1
    per_call: int = 1


_ALONE = OpBatch()


class BatchRules(Struct, frozen=True, gc=False):
    """What one venue takes together; with `one_market` the orders of a batch are all of one instrument."""

    place: OpBatch = _ALONE
    amend: OpBatch = _ALONE
    cancel: OpBatch = _ALONE
    one_market: bool = False

    def within(self, most: int, *, cancels: bool, orders: bool) -> "BatchRules":
        """Return what of it a desk uses that joins at most so many, and cancels, or orders and new terms, or both."""
        return BatchRules(
            place=_within(self.place, most) if orders else _ALONE,
            amend=_within(self.amend, most) if orders else _ALONE,
            cancel=_within(self.cancel, most) if cancels else _ALONE,
            one_market=self.one_market,
        )

    def group(self, op: str, instrument: InstrumentId) -> tuple[str, InstrumentId | None]:
        """Return what the items of one batch share: cancels always have their market in common (quoting 4.6)."""
        return op, instrument if self.one_market or op == "cancel" else None

    def of(self, op: str) -> OpBatch:
        """Return the rule of "place", "amend" or "cancel"."""
        return self.place if op == "place" else self.amend if op == "amend" else self.cancel


SINGLE_CALLS = BatchRules()
"""A venue that takes one thing at a time."""


def _within(rule: OpBatch, most: int) -> OpBatch:
    return OpBatch(min(rule.most, most), rule.per_call)
