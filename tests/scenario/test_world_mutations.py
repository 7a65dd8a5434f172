"""Each promise broken on purpose: a fault world finds it, within two hundred seeds (issue 3, step f).

MILLRACE_MUTATION_SEEDS says how many seeds each may take; the first one tried is the one that is known to find it.
"""

import os

import pytest

from millrace.world.faults.simtest import live
from world_mutations import MUTATIONS, Mutation

SEEDS = int(os.environ.get("MILLRACE_MUTATION_SEEDS", "200"))
HOURS = 1.0


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.__name__ for mutation in MUTATIONS])
def test_a_world_finds_it(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    known, oracles = MUTATIONS[mutation]
    assert live(known, HOURS).violations == (), "it must be the mutation that is found"
    mutation(monkeypatch)
    found: set[str] = set()
    for seed in (known, *range(SEEDS)):
        found = {violation.oracle for violation in live(seed, HOURS).violations}
        if found:
            break
    assert found & oracles, f"{mutation.__doc__} Found: {found or 'nothing'}"
