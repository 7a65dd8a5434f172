"""Prints by symbol the hash of all tick results of one made-up market, for each order of symbols and batch size.

It is run as a program of its own, so that hash seeds and versions of Python can differ: all of them must print the same.
"""

import json
import sys
from itertools import product
from random import Random

from quoting_load import hashes, symbols

BATCHES = (1, 10, 100)


def all_hashes(count: int, ticks: int) -> list[dict[str, str]]:
    """Return the hashes of each combination of three batch sizes and two orders of the symbols."""
    found = []
    for batch, shuffled in product(BATCHES, (False, True)):
        many = symbols(count)
        if shuffled:
            Random(3).shuffle(many)
        found.append(hashes(many, ticks, batch))
    return found


if __name__ == "__main__":
    json.dump(all_hashes(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
