"""The command line's grammar where argparse alone would refuse what a person writes."""

import pytest

from millrace.cli import _parsed, main
from millrace.cli.ask import argument
from millrace.cli.terms import UsageError
from millrace.risk.reconciliation import ACCEPT, ADJUST
from millrace.world.catalogue import actions


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
    assert action in actions()


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("slot_id=3", 3),
        ("value=0.5", 0.5),
        ("confirm=true", True),
        ("reason=lunch", "lunch"),
        ("reason=a=b", "a=b"),
        ("reason=", ""),
        ("reason=null", "null"),
        ("id=1e", "1e"),
    ],
)
def test_a_word_of_ask_is_the_number_or_switch_that_it_looks_like_and_else_text(word: str, value: object) -> None:
    _, found = argument(word)
    assert (found, type(found)) == (value, type(value))


def test_ask_prints_the_one_list_of_actions_and_refuses_what_is_not_in_it(tmp_path, capsys) -> None:
    assert main(["ask", "actions"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(actions())
    assert main(["ask", "slep", "--dir", str(tmp_path)]) == 2
    assert "nothing answers to slep; there are pause, resume, " in capsys.readouterr().err
