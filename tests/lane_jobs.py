"""Jobs of lanes for the tests of the runner: they find, wait, raise, die, loop, and take memory."""

import os
import time

from millrace.shell.lane_worker import Scanning


def prepare(setup: bytes) -> Scanning:
    def scan(books: bytes):
        return ({"setup": setup.decode(), "books": books.decode(), "process": os.getpid()},)

    return scan


def sleeping(setup: bytes) -> Scanning:
    def scan(books: bytes):
        time.sleep(float(books))
        return ({"slept": float(books)},)

    return scan


def raising(setup: bytes) -> Scanning:
    def scan(books: bytes):
        raise ValueError("no such book")

    return scan


def dying(setup: bytes) -> Scanning:
    return lambda books: os._exit(3)


def looping(setup: bytes) -> Scanning:
    def scan(books: bytes):
        while True:
            pass

    return scan


def hoarding(setup: bytes) -> Scanning:
    return lambda books: ({"bytes": len(bytearray(2 << 30))},)


def refusing(setup: bytes) -> Scanning:
    raise ValueError("a setup that cannot be read")
