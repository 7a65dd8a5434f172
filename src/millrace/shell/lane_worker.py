"""The process in which scans run: one that may be killed at any moment, and that may not take the machine's memory.

A scan's job is named, not handed over, and prepared once from what seldom changes, rules and markets; each scan then
brings only the books. Whatever a job raises is its answer. How long it took is measured
here, where nothing else waits; whether that was in time is for the parent to say, who kills a process that is not done
(runtime 2.10).
"""

import resource
import signal
from collections.abc import Callable, Mapping
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic_ns
from typing import Any

import msgspec

from millrace.core.binary_events import LaneStatus

Scanning = Callable[[bytes], tuple[dict[str, Any], ...]]
"""A prepared job: from books to what it found, as strict JSON."""
Prepare = Callable[[bytes], Scanning]
"""A job: from rules and markets to what scans them."""


class Order(msgspec.Struct, frozen=True):
    """What a worker is to do: take a lane's setup where `setup` is given, scan books where `books` is."""

    lane: str
    setup: bytes | None = None
    books: bytes | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of an order, and how long it took."""

    status: LaneStatus
    found: tuple[dict[str, Any], ...] = ()
    text: str = ""
    took_ns: int = 0


_ORDERS, _ANSWERS = msgspec.msgpack.Decoder(Order), msgspec.msgpack.Encoder()


def named(job: str) -> Prepare:
    """Return the function that `module:function` names."""
    module, _, function = job.partition(":")
    found: Prepare = getattr(import_module(module), function)
    return found


def work(orders: Connection, jobs: Mapping[str, str], memory_bytes: int) -> None:
    """Answer orders until the parent is gone; no more than `memory_bytes` beyond what the process begins with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    prepared: dict[str, Scanning] = {}
    orders.send_bytes(_ANSWERS.encode(Answer(LaneStatus.DONE)))
    while True:
        try:
            order = _ORDERS.decode(orders.recv_bytes())
        except EOFError:
            return
        orders.send_bytes(_ANSWERS.encode(_carried_out(order, jobs, prepared)))


def _carried_out(order: Order, jobs: Mapping[str, str], prepared: dict[str, Scanning]) -> Answer:
    try:
        if order.setup is not None:
            prepared[order.lane] = named(jobs[order.lane])(order.setup)
        began_ns = monotonic_ns()
        found = prepared[order.lane](order.books) if order.books is not None else ()
    except Exception as error:  # noqa: BLE001  whatever a job raises is its answer, and the program goes on
        return Answer(LaneStatus.FAILED, text=f"{type(error).__name__}: {error}"[:200])
    return Answer(LaneStatus.DONE, found, took_ns=monotonic_ns() - began_ns)
