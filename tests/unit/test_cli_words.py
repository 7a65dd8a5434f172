"""The command line's grammar where argparse alone would refuse what a person writes."""

import pytest

from millrace.cli import _parsed
from millrace.cli.terms import UsageError
from millrace.risk.reconciliation import ACCEPT, ADJUST


@pytest.mark.parametrize(
    "words",
    [
        ["ask", "clear", "--dir", "x", "id=1", "operator=ann"],
        ["ask", "clear", "id=1", "--dir", "x", "operator=ann"],
        ["ask", "--dir", "x", "clear", "id=1", "operator=ann"],
    ],
)
def test_the_flags_of_ask_may_stand_anywhere(words: list[str]) -> None:
    given = _parsed(words)
    assert (given.action, given.args, given.dir) == ("clear", ["id=1", "operator=ann"], "x")


@pytest.mark.parametrize("words", [["ask", "clear", "--dri", "x"], ["demo", "now"], ["replay", "a", "b"]])
def test_what_nobody_knows_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="unrecognized arguments"):
        _parsed(words)


@pytest.mark.parametrize("action", [ACCEPT, ADJUST])
def test_the_words_that_an_alert_tells_to_ask_can_be_asked(action: str) -> None:
    assert _parsed(["ask", action, "operator=ann"]).action == action
