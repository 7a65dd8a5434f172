"""Measures how long orders take on their way and publishes what each evaluation found, for the guard to count.

A healthy run publishes nothing: an evaluation becomes an event when it breaches an SLO, when it is the first that does
not after one that did, and while a throttle is held. To a venue that holds one a question leaves each second, so that
its end can be measured although fewer orders go there. Times are those of the program; a simulated clock stands still
while the core works (runtime 2.11).
"""

from collections.abc import Callable
from typing import Final

from millrace.capacity.slo import (
    CORE,
    CORE_STEP,
    DETECT_ACK,
    DETECT_PLAN,
    EVERY_NS,
    LEAST_RECOVERY_SAMPLES,
    LEAST_SAMPLES,
    PLAN_SUBMIT,
    RECOVERY_NS,
    SUBMIT_ACK,
    WINDOW_NS,
    LatencyRing,
    SloTable,
)
from millrace.core.events import Measured
from millrace.core.instrument import InstrumentId
from millrace.core.probe import Stage
from millrace.risk.latency_guard import EVALUATED, FAILED
from millrace.shell.metrics import LabelledValue, Metrics
from millrace.shell.tick_times import StageHistogram
from millrace.shell.unanswered import Query, StatusAnswer
from millrace.shell.venue_calls import probe_id

_SECOND_NS: Final = 1_000_000_000
_NEVER_NS: Final = 2**63 - 1
_Key = tuple[str, str]


class LatencyWatch:
    """The figures of one program; `held` asks the guard which (venue, SLO) hold a throttle."""

    def __init__(self, slos: SloTable, held: Callable[[], frozenset[_Key]], metrics: Metrics | None = None) -> None:
        self._slos = slos
        self._held = held
        self._metrics = Metrics() if metrics is None else metrics
        self.requests: dict[tuple[str, str], StageHistogram] = {}
        self._rings: dict[_Key, LatencyRing] = {}
        self._bad: set[_Key] = set()
        self._was_held: frozenset[_Key] = frozenset()
        self._broken: set[str] = set()
        self._next_ns = 0
        self._looked_ns = 0
        self._throttled_ns: dict[str, int] = {}
        self._metrics.family("millrace_slo_breach", self._breach_rows)
        self._metrics.family("millrace_slo_throttle_seconds_total", self._throttle_rows)

    def follow(self, slos: SloTable, held: Callable[[], frozenset[_Key]]) -> None:
        """Judge by other limits from now on, and ask another guard what it holds; what was measured stays."""
        self._slos, self._held = slos, held

    @property
    def next_ns(self) -> int:
        """When `due` must be called next: at the next multiple of 5 s once there is something to judge."""
        return self._next_ns if self._rings or self._was_held or self._held() else _NEVER_NS

    # Taking

    def order(self, venue: str, stages: dict[Stage, int], now_ns: int) -> None:
        """Take an order's first answer: ns from its detection to each stage it passed, ACK being the answer.

        One of which a stage is not known is discarded and counted.
        """
        plan_ns, send_ns, ack_ns = (stages.get(stage) for stage in (Stage.PLAN, Stage.SEND, Stage.ACK))
        if plan_ns is None or send_ns is None or ack_ns is None or not venue:
            self._metrics.add("millrace_latency_discarded_total")
            return
        self._request(venue, "place", ack_ns - send_ns)
        self._take_all(venue, now_ns, plan_ns, send_ns - plan_ns, ack_ns - send_ns)

    def question(self, venue: str, waited_ns: int, took_ns: int, now_ns: int) -> None:
        """Take a question's round trip: it was planned when it was due, waited for its call, and was answered."""
        self._request(venue, "query", took_ns)
        self._take_all(venue, now_ns, 0, waited_ns, took_ns)

    def _request(self, venue: str, verb: str, took_ns: int) -> None:
        """Count a call's round trip by venue and verb, for those who look."""
        cell = self.requests.get((venue, verb))
        if cell is None:
            cell = self.requests[venue, verb] = StageHistogram()
        cell.add(took_ns)

    def core_step(self, took_ns: int, now_ns: int) -> None:
        """Take how long a step of the core took."""
        self._take(CORE, CORE_STEP, took_ns, now_ns)

    def _take_all(self, venue: str, now_ns: int, detect_plan_ns: int, plan_submit_ns: int, submit_ack_ns: int) -> None:
        whole_ns = detect_plan_ns + plan_submit_ns + submit_ack_ns
        for slo, value_ns in (
            (DETECT_PLAN, detect_plan_ns),
            (PLAN_SUBMIT, plan_submit_ns),
            (SUBMIT_ACK, submit_ack_ns),
            (DETECT_ACK, whole_ns),
        ):
            self._metrics.histogram("millrace_latency_seconds", stage=slo, venue=venue).add(value_ns)
            self._take(venue, slo, value_ns, now_ns)

    def _take(self, subject: str, slo: str, value_ns: int, now_ns: int) -> None:
        ring = self._rings.get((subject, slo))
        if ring is None:
            if self._slos.of(subject, slo) is None:
                return
            ring = self._rings[subject, slo] = LatencyRing()
            self._next_ns = max(self._next_ns, _after(now_ns))
        ring.add(now_ns, value_ns)

    # Publishing

    def due(self, now_ns: int) -> list[Measured]:
        """Evaluate, and return what must be published; what fails restricts its venue (runtime 2.11)."""
        held = self._held()
        # A throttle that a restored core brings along counts from the first look on.
        since_ns = max(0, now_ns - self._looked_ns) if self._looked_ns else 0
        for venue in {venue for venue, _ in held}:
            self._throttled_ns[venue] = self._throttled_ns.get(venue, 0) + since_ns
        found: list[Measured] = []
        for key in sorted({*self._rings, *held}):
            if key[0] in self._broken:
                continue
            try:
                found += self._judge(key, now_ns, is_held=key in held)
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001  whatever it is, trading goes on with less risk and a person is told
                self._broken.add(key[0])
                found.append(Measured(FAILED, key[0], 1.0, now_ns))
        self._was_held, self._looked_ns, self._next_ns = held, now_ns, _after(now_ns)
        return found

    def _judge(self, key: _Key, now_ns: int, *, is_held: bool) -> list[Measured]:
        """Judge one figure; what was before a throttle's end is not judged again."""
        subject, name = key
        ring, slo = self._rings.setdefault(key, LatencyRing()), self._slos.of(subject, name)
        if slo is None:
            return []
        if key in self._was_held and not is_held:
            ring.forget(now_ns - RECOVERY_NS)
        ring.forget(now_ns - WINDOW_NS)
        window_ns, least = (RECOVERY_NS, LEAST_RECOVERY_SAMPLES) if is_held else (WINDOW_NS, LEAST_SAMPLES)
        seconds = ring.percentile_s(slo.per_mille, now_ns, window_ns, least)
        if seconds is None:
            return []
        good, was_bad = slo.met_by(seconds), key in self._bad
        (self._bad.discard if good else self._bad.add)(key)
        return [Measured(f"{EVALUATED}{name}", subject, seconds, now_ns)] if is_held or was_bad or not good else []

    # Telling

    def throttled(self, venue: str) -> bool:
        """Tell whether a venue holds a throttle, so that it must be asked."""
        held = self._held()
        return bool(held) and any(subject == venue for subject, _ in held)

    def _breach_rows(self) -> list[LabelledValue]:
        return [({"slo": slo, "venue": venue}, float((venue, slo) in self._bad)) for venue, slo in sorted(self._rings)]

    def _throttle_rows(self) -> list[LabelledValue]:
        return [({"venue": venue}, took_ns / _SECOND_NS) for venue, took_ns in sorted(self._throttled_ns.items())]


class Pulse:
    """Asks one venue a question a second while it holds a throttle, and times the answers."""

    def __init__(self, watch: LatencyWatch, instrument: InstrumentId) -> None:
        self._watch = watch
        self._instrument = instrument
        self._next_ns = 0
        self._due_ns: int | None = None
        self._left_ns: int | None = None

    @property
    def next_ns(self) -> int | None:
        """When the next question is due; None while none is."""
        return self._next_ns if self._watch.throttled(self._instrument.venue) else None

    def due(self, now_ns: int) -> list[Query]:
        """Return the question that is due now; one at a time is under way, and a lost one for two seconds."""
        if self.next_ns is None or now_ns < self._next_ns:
            return []
        waits_ns = None if self._due_ns is None else now_ns - self._due_ns
        self._next_ns = now_ns + _SECOND_NS
        if waits_ns is not None and waits_ns < 2 * _SECOND_NS:
            return []
        self._due_ns, self._left_ns = now_ns, None
        return [Query(self._instrument, probe_id(self._instrument.venue))]

    def left(self, now_ns: int) -> None:
        """Note that a question left."""
        if self._due_ns is not None and self._left_ns is None:
            self._left_ns = now_ns

    def answered(self, answer: StatusAnswer, now_ns: int) -> None:
        """Take the answer to a question; a refusal for pace is no measure."""
        due_ns, left_ns = self._due_ns, self._left_ns
        if due_ns is None or left_ns is None or answer.asked_ns < left_ns:
            return
        self._due_ns = self._left_ns = None
        if not answer.refused:
            self._watch.question(self._instrument.venue, left_ns - due_ns, now_ns - left_ns, now_ns)


def _after(now_ns: int) -> int:
    return (now_ns // EVERY_NS + 1) * EVERY_NS
