"""Flags and one loop's part of showing figures to Prometheus: on a port of this machine, in a file, or not at all.

A text is written at most once a second of real time, between two steps of the program, because it costs milliseconds.
"""

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    from millrace.core.series import Family

    class Publish(Protocol):
        """Shows the figures as they are, at most once a second unless it must be `now`."""

        def __call__(self, *, now: bool = False) -> None:
            """Show them."""


_EVERY_NS = 1_000_000_000


def metrics_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags that say where figures are shown."""
    command.add_argument(
        "--metrics-port", type=int, metavar="PORT", help="serve http://127.0.0.1:PORT/metrics for Prometheus"
    )
    command.add_argument("--metrics-file", metavar="FILE", help="write the same text to a file each second")


@contextmanager
def published(given: argparse.Namespace, families: "Callable[[], Sequence[Family]]") -> "Iterator[Publish]":
    """Yield what is called each frame.

    Raises OperatorError for a port or a file that cannot be meant, WorldError when the port cannot be served.
    """
    if given.metrics_port is None and given.metrics_file is None:
        yield lambda *, now=False: None  # noqa: ARG005  nobody looks
        return
    import time
    from pathlib import Path

    from millrace.core.failure import OperatorError

    try:
        from millrace.web.exposition import text, write_text
        from millrace.web.metrics_server import MetricsServer
    except ModuleNotFoundError as error:
        raise OperatorError(f"showing metrics needs {error.name}; install millrace[metrics]") from error
    to_file = None if given.metrics_file is None else Path(given.metrics_file)
    if to_file is not None and (to_file.is_dir() or not to_file.parent.is_dir()):
        raise OperatorError(f"--metrics-file {to_file}: name a file in a folder that is there")
    server = None if given.metrics_port is None else MetricsServer(given.metrics_port)
    last_ns = time.monotonic_ns() - _EVERY_NS

    def publish(*, now: bool = False) -> None:
        nonlocal last_ns
        if time.monotonic_ns() - last_ns < _EVERY_NS and not now:
            return
        last_ns = time.monotonic_ns()
        found = families()
        if server is not None:
            server.publish(text(found))
        if to_file is not None:
            write_text(to_file, found)

    try:
        publish()
        yield publish
        publish(now=True)
    finally:
        if server is not None:
            server.close()
