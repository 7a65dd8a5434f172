"""Names that are derived, never drawn: intent keys and client order ids.

The same intent gives the same id in any process (runtime 2.15 rule 1), which is what makes a resend after a crash
recognisable. One format for every venue (design section 5.4): platform 4 + installation 4 + strategy 1 + 23 hex
digits of a hash of the intent key, 32 hex digits in all, which venues accept as a UUID without dashes.
"""

from hashlib import blake2b
from typing import NamedTuple

from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId

PLATFORM_TAG = "311a"
"""Marks an order as one of this platform at any venue."""
_HASH_DIGITS = 23
_LANE_AND_FAMILY = 2


class SubPosition(NamedTuple):
    """The part of a position that one leg owns: strategy, instrument, group (slot or basket), leg.

    The group may open with a lane, or a lane and a family: `slot7`, `parity/basket3`, `cross/EVENT/basket4`. So every
    order, fill and ledger row says which lane and family it belongs to, and nothing needs a table of them.
    """

    strategy: str
    instrument: InstrumentId
    group: str
    leg: str

    @property
    def lane(self) -> str:
        """The lane that traded it; a strategy that names none is one lane of its own name."""
        lane, slash, _ = self.group.partition("/")
        return lane if slash else self.strategy

    @property
    def family(self) -> str:
        """The markets that stand or fall together with it; by default the same symbol at whatever venue."""
        return self.group.split("/", 2)[1] if self.names_family else self.instrument.symbol

    @property
    def names_family(self) -> bool:
        """Whether the group names a family, and it is not just the instrument alone."""
        return self.group.count("/") >= _LANE_AND_FAMILY


def installation_tag(name: str) -> str:
    """Four hex digits that tell this installation's orders from another's."""
    return blake2b(name.encode(), digest_size=2).hexdigest()


class ClientIds:
    """Derives client order ids for one installation; strategies are numbered by their place in the configuration."""

    def __init__(self, installation: str, strategies: tuple[str, ...]) -> None:
        if len(strategies) > 16:  # noqa: PLR2004  one hex digit names the strategy
            raise OperatorError("at most 16 strategies fit one installation's order ids; remove some")
        tag = installation_tag(installation)
        self.prefix = PLATFORM_TAG + tag
        self._prefixes = {name: f"{self.prefix}{place:x}" for place, name in enumerate(strategies)}

    def client_id(self, strategy: str, key: str) -> str:
        """Return the 32-digit id of an intent key of one strategy."""
        return self._prefixes[strategy] + blake2b(key.encode(), digest_size=12).hexdigest()[:_HASH_DIGITS]

    def ours(self, client_id: str) -> bool:
        """Tell whether an id at a venue is of this installation; everything else is foreign and never touched."""
        return client_id.startswith(self.prefix)
