"""The pages that say which test catches what name tests that exist (slots 23, 24, arb 20)."""

import re

import pytest

from source_tree import REPOSITORY

NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)`")
ROW = re.compile(r"^\| (?P<name>P\d+|W-\d+|[A-Z][^|]*) \|(?P<rest>.*)\|$", re.MULTILINE)
PAGES = ["slots-pitfalls.md", "slots-acceptance.md", "arb-pitfalls.md"]
PITFALLS = {
    "slots-pitfalls.md": {f"P{number}" for number in range(1, 38)},
    "arb-pitfalls.md": {f"W-{number:02}" for number in range(1, 43)},
}
ACCEPTED = {
    "Golden", "Sizer", "Reducer", "Sticky", "Non-sticky", "Release", "Partial", "Capacity", "DOGE", "Rebalancer",
    "Startup", "API", "Chaos",
}  # fmt: skip


def rows(page: str) -> dict[str, str]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return {match["name"]: match["rest"] for match in ROW.finditer(text)}


def missing(text: str) -> list[str]:
    """Return the tests named in a text that do not exist."""
    found = []
    for named in NAMED.finditer(text):
        path = REPOSITORY / named["file"]
        pattern = rf"^\s*(?:async )?(?:def|class) {named['test']}\b|^{named['test']} ="
        if not path.is_file() or not re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE):
            found.append(named[0])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_row_names_tests_that_exist(page):
    assert {name: wrong for name, rest in rows(page).items() if (wrong := missing(rest))} == {}
    assert [name for name, rest in rows(page).items() if not NAMED.search(rest)] == []


@pytest.mark.parametrize("page", PITFALLS)
def test_every_pitfall_has_a_row(page):
    assert rows(page).keys() == PITFALLS[page]


def test_every_line_of_the_acceptance_list_has_a_row():
    subjects = {name.split(":")[0].split(" ")[0] for name in rows("slots-acceptance.md")}
    assert subjects == ACCEPTED


def test_a_test_that_is_gone_is_noticed():
    gone = "`tests/unit/test_docs_name_tests.py::test_that_nobody_wrote` `tests/unit/test_nothing.py::test_a`"
    assert len(missing(gone)) == 2
    assert missing("`tests/unit/test_docs_name_tests.py::test_a_test_that_is_gone_is_noticed`") == []
