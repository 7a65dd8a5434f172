"""How much memory a tick leaves behind: nothing. Run as a program, `python tests/quoting_memory.py 1000000` says so.

What is counted are the blocks that the interpreter has handed out, after a collection, once the tick is warm and again
at the end. The market repeats, the orders and the state of each symbol go on.
"""

import gc
import sys

from millrace.shell.tick_times import CPU_CLOCK, TickTimes
from millrace.strategies.quoting.pipeline import tick
from quoting_load import symbols

WARM_UP, REPEATS = 32_000, 400
"""The last traces and golden traces fill their places within the warm-up."""


def blocks_left(ticks: int, count: int = 10) -> int:
    """Return how many blocks more are in use after so many ticks of a program's life than after its first ones."""
    many = symbols(count)
    probe = TickTimes(CPU_CLOCK)
    seen = [[] for _ in many]
    for one, features in zip(many, seen, strict=True):
        for _ in range(REPEATS):
            features.append(one.features())
            one.take(tick(features[-1], one.state, one.config, probe))
    before = done = 0
    while done < ticks:
        for one, features in zip(many, seen, strict=True):
            for given in features:
                one.state = tick(given, one.state, one.config, probe).state
        done += count * REPEATS
        if not before and done >= WARM_UP:
            gc.collect()
            before = sys.getallocatedblocks()
    gc.collect()
    return sys.getallocatedblocks() - before


if __name__ == "__main__":
    sys.stdout.write(f"{blocks_left(int(sys.argv[1]))} blocks\n")
