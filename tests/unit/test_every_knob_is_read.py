"""No inert settings: every knob that may be set has code that reads it (runtime W2, issue: "knobs that have a reader")."""

import re

import pytest

from millrace.config.knobs import KNOBS
from source_tree import read_tree

READERS = "\n".join(
    module.path.read_text()
    for module in read_tree().values()
    if module.folder != "config" and not module.name.endswith(".settings")
)
SETTINGS = "\n".join(module.path.read_text() for module in read_tree().values() if module.name.endswith(".settings"))


@pytest.mark.parametrize("key", [key for key, knob in KNOBS.items() if knob.available and "." in key])
def test_a_knob_that_may_be_set_is_read(key: str) -> None:
    field = key.partition(".")[2]
    handed_on = re.search(rf"self\.{field}\b", SETTINGS)
    assert handed_on or re.search(rf"\.{field}\b", READERS), f"{key} is accepted and nothing reads it"
