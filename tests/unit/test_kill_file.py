"""The kill file as the program sees it: cheap to ask, read again when it changes, and a kill whatever is wrong with it."""

import os
from pathlib import Path

import pytest

from millrace.core.kill import HeldKills, KillOrder, read_scope
from millrace.core.permission import Level, ReasonCode, Restriction
from millrace.core.trouble_events import KillSource
from millrace.risk.board import RestrictionBoard
from millrace.shell.kill_file import KillFiles, KillWatch, kills_of_environment, write_kill


def scopes(files: KillFiles) -> list[str]:
    return [str(order.scope) for order in files.standing()]


def test_a_touch_is_enough_and_changes_are_seen(tmp_path: Path) -> None:
    files = KillFiles(tmp_path / "KILL", tmp_path / "elsewhere" / "KILL")
    assert files.standing() == ()
    (tmp_path / "KILL").touch()
    assert scopes(files) == ["global"]
    (tmp_path / "KILL").write_text("venue:kraken\nlane:slots flatten\n")
    assert scopes(files) == ["venue:kraken", "lane:slots"]
    assert [order.flatten for order in files.standing()] == [False, True]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "KILL").write_text("strategy:slots")
    assert scopes(files) == ["venue:kraken", "lane:slots", "strategy:slots"]
    (tmp_path / "KILL").unlink()
    assert scopes(files) == ["strategy:slots"]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "KILL").touch()
    files = KillFiles(tmp_path / "KILL")
    first = files.standing()
    monkeypatch.setattr(Path, "open", None)
    assert files.standing() == first


def test_what_cannot_be_read_kills_everything(tmp_path: Path) -> None:
    path = tmp_path / "KILL"
    files = KillFiles(path)
    path.write_bytes(b"venue:\xff")
    assert scopes(files) == ["global"]
    path.write_text("lane:x\n" * 20_000)
    assert scopes(files) == ["global"]
    path.unlink()
    path.mkdir()
    assert scopes(files) == ["global"]
    path.rmdir()
    path.symlink_to(path)
    assert scopes(files) == ["global"], "a path that cannot even be asked about"


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser reads everything")
def test_a_file_of_somebody_else_kills_too(tmp_path: Path) -> None:
    path = tmp_path / "KILL"
    path.write_text("lane:x")
    path.chmod(0)
    assert scopes(KillFiles(path)) == ["global"]


def test_the_environment() -> None:
    assert kills_of_environment({}) == kills_of_environment({"MILLRACE_KILL": " "}) == ()
    (order,) = kills_of_environment({"MILLRACE_KILL": "strategy:slots flatten"})
    assert (order.source, str(order.scope), order.flatten) == (KillSource.ENVIRONMENT, "strategy:slots", True)
    assert [str(order.scope) for order in kills_of_environment({"MILLRACE_KILL": "1"})] == ["global"]


def test_the_core_is_told_once_and_again_when_it_was_cleared_too_early() -> None:
    scope = read_scope("venue:kraken")
    assert scope is not None
    order = KillOrder(KillSource.FILE, scope, False, "KILL")
    at_start = KillOrder(KillSource.ENVIRONMENT, scope, True, "MILLRACE_KILL")
    file, board = HeldKills(), RestrictionBoard()
    watch = KillWatch(file, (at_start,))
    (told,) = watch.look(board, 5)
    assert (told.source, told.scope, told.flatten_orders, told.ts_ns) == (KillSource.ENVIRONMENT, scope, True, 5)
    assert watch.look(board, 6) == [], "the environment counts at the start only"
    file.orders = (order,)
    assert len(watch.look(board, 7)) == 1
    board.post(Restriction(order.restriction_id, scope, Level.HALT, ReasonCode.KILL_SWITCH, "", "stops", 7))
    assert watch.look(board, 8) == []
    board.lift(order.restriction_id)
    assert len(watch.look(board, 9)) == 1
    board.post(Restriction(order.restriction_id, scope, Level.HALT, ReasonCode.KILL_SWITCH, "", "stops", 9))
    file.orders = (KillOrder(KillSource.FILE, scope, True, "KILL"),)
    assert [request.flatten_orders for request in watch.look(board, 10)] == [True]


def test_writing_never_makes_a_kill_less(tmp_path: Path) -> None:
    files = KillFiles(tmp_path / "KILL")
    write_kill(tmp_path, ("venue:kraken",))
    write_kill(tmp_path, ("lane:x flatten",))
    assert scopes(files) == ["venue:kraken", "lane:x"]
    (tmp_path / "KILL").write_text("\n")
    write_kill(tmp_path, ("lane:x",))
    assert scopes(files) == ["global", "lane:x"]
