"""What playbooks may judge by: the newest published figure of each kind, and how breakers, storage and markets stand.

Only what came as an event is in here, so a replay judges alike. It is the state of the outside world as we last heard
of it, bounded by the number of venues, parts and markets, never by the number of events.
"""

from typing import Any, Final, NamedTuple

import msgspec

from millrace.core.events import Event, MarketPhase, MarketStatus, Measured
from millrace.core.recovery_events import Reconciled
from millrace.core.trouble_events import BreakerMoved, BreakerState, StorageRecovered, StorageTrouble
from millrace.risk.breakers import Endpoint

READ: Final = (Measured, BreakerMoved, MarketStatus, StorageTrouble, StorageRecovered, Reconciled)
"""The kinds of event that change a fact."""


STORAGE: Final = "storage"
"""The subject of what is published about ledger and disk."""


class Reading(NamedTuple):
    """A published figure and when it was taken."""

    value: float
    ts_ns: int


class _Saved(msgspec.Struct):
    readings: list[tuple[str, str, float, int]]
    breakers: list[tuple[str, str, BreakerState]]
    closed_ns: dict[str, int]
    reconciled_ns: dict[str, int]
    broken: dict[str, str]
    anomalies: dict[str, str]


class Facts:
    """The facts; `breakers` by venue and endpoint class, `broken` parts of the storage, `anomalies` by market.

    `closed_ns` is when a venue's last breaker closed, `reconciled_ns` when it last agreed with us in full; it has no
    entry for a venue that this program does not compare itself with (a recording played in memory).
    """

    def __init__(self) -> None:
        self.readings: dict[tuple[str, str], Reading] = {}
        self.breakers: dict[tuple[str, str], BreakerState] = {}
        self.closed_ns: dict[str, int] = {}
        self.reconciled_ns: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.anomalies: dict[str, str] = {}

    def take(self, event: Event) -> None:
        """Take one of the kinds in `READ`; others change nothing."""
        if isinstance(event, Measured):
            self.readings[event.name, event.subject] = Reading(event.value, event.ts_ns)
        elif isinstance(event, BreakerMoved):
            self.breakers[event.venue, event.endpoint] = event.state
            if event.state is BreakerState.CLOSED:
                self.closed_ns[event.venue] = event.ts_ns
        elif isinstance(event, MarketStatus):
            if event.phase is MarketPhase.OPEN:
                self.anomalies.pop(str(event.instrument), None)
            else:
                self.anomalies[str(event.instrument)] = f"{event.phase.value}: {event.text}"
        elif isinstance(event, StorageTrouble):
            self.broken[event.part] = event.text
        elif isinstance(event, StorageRecovered):
            self.broken.pop(event.part, None)
        elif isinstance(event, Reconciled) and not (event.orphans or event.weak):
            self.reconciled_ns[event.venue] = event.ts_ns

    def about(self, subject: str) -> str:
        """Return what is known of a venue, part or market, in a line for people."""
        known = [self.anomalies[subject]] if subject in self.anomalies else []
        known += list(self.broken.values()) if subject == STORAGE else []
        known += [f"breaker {name} {state.value}" for (venue, name), state in self.breakers.items() if venue == subject]
        known += [f"{name} {reading.value:g}" for (name, of), reading in self.readings.items() if of == subject]
        return ", ".join(known)

    def begin_anew(self, venue: str) -> None:
        """Forget what a program that ended had taken: what still holds is published again.

        Of the venue's breakers only that of orders goes on where it stood, until it says otherwise.
        """
        self.readings.clear()
        self.reconciled_ns.setdefault(venue, 0)
        for at, endpoint in list(self.breakers):
            if at == venue and endpoint != Endpoint.ORDERS:
                del self.breakers[at, endpoint]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(
            [(*key, *reading) for key, reading in self.readings.items()],
            [(*key, state) for key, state in self.breakers.items()],
            self.closed_ns,
            self.reconciled_ns,
            self.broken,
            self.anomalies,
        )
        state: dict[str, Any] = msgspec.to_builtins(saved)
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with the facts unchanged, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self.readings = {(name, subject): Reading(value, ts_ns) for name, subject, value, ts_ns in saved.readings}
        self.breakers = {(venue, endpoint): moved for venue, endpoint, moved in saved.breakers}
        self.closed_ns, self.reconciled_ns = saved.closed_ns, saved.reconciled_ns
        self.broken, self.anomalies = saved.broken, saved.anomalies
