"""What the combination lane finds: different sizes of many outcomes, and the certificate of what they pay together.

A find crosses a process border as plain values and is journaled, so it carries only what a check needs: what to buy,
how much of it, and the proof. Money is worked out again from the books by whoever reads it.
"""

from typing import Any, NamedTuple

import msgspec

from millrace.core.events import Scalar
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots, Outcome
from millrace.strategies.arb.model import Leg, NanoUsd, Proposition


class ComboLeg(NamedTuple):
    """What is bought of one outcome."""

    venue: str
    symbol: str
    outcome: Outcome
    lots: Lots

    @property
    def proposition(self) -> Proposition:
        """The proposition whose contracts are bought."""
        return Proposition(InstrumentId(self.venue, self.symbol), self.outcome)


class Weight(NamedTuple):
    """How much one side of a component's count weighs in a dual proof: `at_least` its lower side, else the upper."""

    which: int
    at_least: bool
    lots: Lots


class ComboFind(msgspec.Struct, frozen=True, kw_only=True):
    """A basket of the combination lane with its certificate.

    Without `weights` the proof is enumeration: all permitted worlds of the component are tried again. With them it is
    the dual bound: the weighted counts add up to the payout, whatever the world. `limited`: the solver stopped at its
    bound, so a better basket may exist. `claimed_nano` is what the solver's side thinks it earns at least.
    """

    rules: str
    legs: tuple[ComboLeg, ...]
    claimed_nano: NanoUsd
    weights: tuple[Weight, ...] = ()
    limited: bool = False

    def values(self) -> dict[str, Any]:
        """Return the find as builtins, as events carry it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def read(cls, values: dict[str, Any]) -> "ComboFind":
        """Read what `values` gave; raises msgspec.ValidationError for anything else."""
        return msgspec.convert(values, cls)


class ComboBasket(msgspec.Struct, frozen=True, kw_only=True):
    """A find that integers proved, at the books of now: `payout_lots` contracts win at least, whatever happens."""

    find: ComboFind
    legs: tuple[Leg, ...]
    payout_lots: Lots
    worlds: int
    cost_nano: NanoUsd
    fee_nano: NanoUsd

    @property
    def proof(self) -> str:
        """The kind of certificate."""
        return "dual bound" if self.find.weights else f"enumeration of {self.worlds} worlds"

    @property
    def net_nano(self) -> NanoUsd:
        """What it earns at least, after prices and fees."""
        return self.payout_lots * 1_000 - self.cost_nano - self.fee_nano

    @property
    def words(self) -> str:
        """Its legs in one line: contracts, outcome, worst price in dollars."""
        sizes = {leg.proposition: leg.lots / CONTRACT_LOTS for leg in self.find.legs}
        legs = ((leg.proposition, leg.limit_ticks / PAYOUT_TICKS) for leg in self.legs)
        return ", ".join(f"{sizes[taken]:g} {taken.instrument} at {price:g}" for taken, price in legs)

    def row(self) -> dict[str, Scalar]:
        """Return the find as one row of a report; money in nano-dollars."""
        return {
            "legs": self.words,
            "payout_nano": self.payout_lots * 1_000,
            "cost_nano": self.cost_nano,
            "fee_nano": self.fee_nano,
            "net_nano": self.net_nano,
            "proof": self.proof,
            "limited": self.find.limited,
            "rules": self.find.rules,
        }
