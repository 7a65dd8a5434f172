"""Runs scans of lanes outside the step, in processes that are killed when they are late (runtime 2.10).

The fixed lanes need none of this: a quote moves the sums of its own baskets, which takes about 15 microseconds of a
step at any universe size, while handing 50,000 books to another process takes longer than looking at all of them. What
runs here is work whose time nobody can promise: the combination lane's integer programs. A deadline is real: a Python
thread cannot be stopped, a process can. So a scan that is late, that fails, or whose process dies contributes nothing,
the others do not notice, and what became of it is an event like any other.
"""

from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import msgspec

from millrace.core.binary_events import LaneScanned, LaneStatus
from millrace.core.clock import Clock
from millrace.core.commands import Scan
from millrace.shell.lane_worker import Answer, Order, work
from millrace.shell.metrics import Metrics

_ANSWERS, _ORDERS = msgspec.msgpack.Decoder(Answer), msgspec.msgpack.Encoder()
LATE = "not done within its budget"
_GIBI = 1 << 30
_SECOND = 1_000_000_000


class LaneRunnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many scans run at once, how long one may take, and what its process may use.

    `ready_ns` is for starting a process and for taking a new setup, which happens once per set of rules.
    """

    slots: int = 2
    soft_ns: int = 150_000_000
    hard_ns: int = 400_000_000
    ready_ns: int = 30 * _SECOND
    memory_bytes: int = _GIBI


class _Job(msgspec.Struct):
    scan: Scan
    setup: bytes
    version: bytes
    books: bytes


class _Worker:
    """One process, what it has been told, and until when it must answer."""

    def __init__(self, jobs: Mapping[str, str], settings: LaneRunnerSettings, now_ns: int) -> None:
        context = get_context("spawn")
        self.line, far = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=work, args=(far, dict(jobs), settings.memory_bytes), daemon=True, name="millrace-lane"
        )
        self.process.start()
        far.close()
        self.versions: dict[str, bytes] = {}
        self.job: _Job | None = None
        self.scanning = False
        self.began_ns = now_ns
        self.until_ns: int | None = now_ns + settings.ready_ns

    def tell(self, order: Order, now_ns: int, budget_ns: int) -> None:
        """Send an order that must be answered within its budget."""
        self.began_ns, self.until_ns = now_ns, now_ns + budget_ns
        self.scanning = order.books is not None
        self.line.send_bytes(_ORDERS.encode(order))


class LaneRunner:
    """The processes of one program. `jobs` name each lane's function as `module:function` (`lane_worker.Prepare`)."""

    def __init__(self, jobs: Mapping[str, str], settings: LaneRunnerSettings, clock: Clock, metrics: Metrics) -> None:
        self._jobs = dict(jobs)
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._waiting: deque[_Job] = deque()
        self._failed: list[LaneScanned] = []
        self._dying: list[_Worker] = []
        self._workers: list[_Worker] = []
        self._fill()

    def start(self, scan: Scan, setup: bytes, books: bytes) -> None:
        """Take a scan; it runs as soon as a process is free. `setup` is what its lane prepares from, once per text."""
        if scan.lane not in self._jobs:
            self._failed.append(self._event(scan, Answer(LaneStatus.FAILED, text="no such lane")))
            return
        self._waiting.append(_Job(scan, setup, blake2b(setup, digest_size=16).digest(), books))
        self._hand_out()

    @property
    def busy(self) -> bool:
        """Whether scans are running or waiting."""
        return bool(self._waiting or self._failed or any(worker.job for worker in self._workers))

    @property
    def idle(self) -> int:
        """How many processes are ready for a scan."""
        return sum(worker.job is None and worker.until_ns is None for worker in self._workers)

    def collect(self, wait_ns: int = 0) -> list[LaneScanned]:
        """Return the answers that have come, waiting at most `wait_ns` for the first; late scans are answered too."""
        found, self._failed = self._failed, []
        end_ns = self._clock.monotonic_ns() + wait_ns
        self._fill()
        while True:
            now_ns = self._clock.monotonic_ns()
            until = [worker.until_ns for worker in self._workers if worker.until_ns is not None]
            pause_ns = 0 if found else max(min([end_ns, *until]) - now_ns, 0)
            ready = wait([worker.line for worker in self._workers], pause_ns / _SECOND) if self._workers else []
            for worker in tuple(self._workers):
                if worker.line in ready:
                    found += self._heard(worker)
                elif worker.until_ns is not None and self._clock.monotonic_ns() >= worker.until_ns:
                    found += self._lost(worker, Answer(LaneStatus.LATE, text=LATE))
            self._dying = [worker for worker in self._dying if not _gone(worker)]
            self._hand_out()
            if found or self._clock.monotonic_ns() >= end_ns:
                return found

    def close(self) -> None:
        """End all processes; scans that run or wait are not answered any more."""
        for worker in [*self._workers, *self._dying]:
            worker.process.kill()
            worker.process.join()
            worker.line.close()
        self._workers, self._dying = [], []
        self._waiting.clear()

    def _hand_out(self) -> None:
        free = [worker for worker in self._workers if worker.job is None and worker.until_ns is None]
        while free and self._waiting:
            job = self._waiting.popleft()
            worker = next((one for one in free if one.versions.get(job.scan.lane) == job.version), free[0])
            free.remove(worker)
            worker.job = job
            self._tell(worker, job)

    def _tell(self, worker: _Worker, job: _Job) -> None:
        lane, now_ns = job.scan.lane, self._clock.monotonic_ns()
        try:
            if worker.versions.get(lane) != job.version:
                worker.versions[lane] = job.version
                worker.tell(Order(lane, setup=job.setup), now_ns, self._settings.ready_ns)
            else:
                worker.tell(Order(lane, books=job.books), now_ns, self._settings.hard_ns)
        except OSError:
            worker.until_ns = now_ns  # It died meanwhile; its line says so, or its time is up at once.

    def _heard(self, worker: _Worker) -> list[LaneScanned]:
        try:
            answer = _ANSWERS.decode(worker.line.recv_bytes())
        except (EOFError, OSError):
            return self._lost(worker, Answer(LaneStatus.FAILED, text="its process died"))
        job, worker.until_ns = worker.job, None
        if job is None:
            return []
        if not worker.scanning and answer.status is LaneStatus.DONE:
            self._tell(worker, job)
            return []
        if not worker.scanning:
            worker.versions.pop(job.scan.lane, None)
        worker.job = None
        if answer.took_ns > self._settings.hard_ns:
            answer = Answer(LaneStatus.LATE, text=LATE)
        return [self._event(job.scan, answer, self._clock.monotonic_ns() - worker.began_ns)]

    def _lost(self, worker: _Worker, answer: Answer) -> list[LaneScanned]:
        """End a process that is late or dead; its scan is answered with what became of it."""
        worker.process.kill()
        worker.line.close()
        self._workers.remove(worker)
        self._dying.append(worker)
        took_ns = self._clock.monotonic_ns() - worker.began_ns
        return [self._event(worker.job.scan, answer, took_ns)] if worker.job else []

    def _fill(self) -> None:
        """Start the processes that are missing; not while scans run, for it takes time in which they become late."""
        if any(worker.job for worker in self._workers) and not self._waiting:
            return
        while self._jobs and len(self._workers) < self._settings.slots:
            self._workers.append(_Worker(self._jobs, self._settings, self._clock.monotonic_ns()))

    def _event(self, scan: Scan, answer: Answer, took_ns: int = 0) -> LaneScanned:
        lane = scan.lane
        self._metrics.histogram("millrace_lane_scan_seconds", lane=lane).add(took_ns)
        if answer.status is LaneStatus.LATE:
            self._metrics.add("millrace_lane_timeouts_total", lane=lane)
        elif answer.status is LaneStatus.FAILED:
            self._metrics.add("millrace_lane_errors_total", lane=lane)
        elif took_ns > self._settings.soft_ns:
            self._metrics.add("millrace_lane_over_soft_budget_total", lane=lane)
        for _ in answer.found:
            self._metrics.add("millrace_lane_candidates_total", lane=lane)
        return LaneScanned(
            scan.strategy, lane, scan.scan, answer.status, answer.found, answer.text, self._clock.now_ns()
        )


def _gone(worker: _Worker) -> bool:
    if worker.process.exitcode is None:
        return False
    worker.process.join()
    return True
