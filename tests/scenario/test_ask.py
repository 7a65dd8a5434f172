"""An operator reaches a running demo through its folder, and the journal shows what was asked (runtime 2.24)."""

from pathlib import Path

import pytest

from millrace.config.load import load_settings
from millrace.core.failure import WorldError
from millrace.shell.clock import WallClock
from millrace.shell.mailbox import Answer, Mailbox, Request, _put, ask
from millrace.world.afterwards.replay import replay
from millrace.world.demo import Demo

SECOND_NS = 1_000_000_000


class Script:
    """Puts requests between the demo's frames and collects the answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "control"
        self.frames = 0
        self.asked: dict[str, tuple[str, dict]] = {}

    def request(self, action: str, **args: object) -> str:
        name = f"{len(self.asked):03}"
        self.asked[name] = (action, args)
        _put(self.folder / f"{name}.request.json", Request(name, action, args))
        return name

    def answer(self, name: str) -> Answer:
        import msgspec

        return msgspec.json.decode((self.folder / f"{name}.answer.json").read_bytes(), type=Answer)


def play(folder: Path, *requests: tuple[str, dict]) -> tuple[Demo, list[Answer]]:
    demo = Demo(load_settings(profile="demo", overrides={"slots.count": 4}), folder, WallClock())
    script = Script(folder)
    names: list[str] = []

    def show(frame) -> None:
        if frame.number <= len(requests):
            action, args = requests[frame.number - 1]
            names.append(script.request(action, **args))

    demo.play(2_000.0, 0.3 * len(requests), show)
    return demo, [script.answer(name) for name in names[:-1]]


def test_pause_resume_halt_and_replay(tmp_path: Path) -> None:
    demo, answers = play(
        tmp_path / "run",
        ("pause", {"reason": "lunch"}),
        ("set_entry_pct", {"value": 99.0}),
        ("resume", {}),
        ("halt", {}),
        ("clear", {"id": "kill/control/global", "operator": "ann", "reason": "over"}),
        ("add_slot", {}),
        ("pause", {}),
    )
    modes = [(answer.ok, answer.mode) for answer in answers]
    assert modes == [
        (True, "REDUCE_ONLY"),
        (False, "REDUCE_ONLY"),
        (True, "OPEN"),
        (True, "HALT"),
        (True, "OPEN"),
        (True, "OPEN"),
    ]
    assert len(demo.run.program.grid.grid.slots) == 5
    assert replay(tmp_path / "run").divergence is None


def test_an_answer_has_a_code_and_data_and_an_unknown_action_is_told_what_there_is(tmp_path: Path) -> None:
    _, answers = play(
        tmp_path / "run", ("add_slot", {}), ("add_slot", {"force": "perhaps"}), ("fly", {}), ("pause", {})
    )
    assert [answer.code for answer in answers] == [200, 400, 400]
    assert answers[0].data == {"slot_id": 5, "band": "normal"}
    assert answers[1].message == "force must be true or false (1, yes, on; 0, no, off), not 'perhaps'"
    assert answers[2].message.startswith("nothing here answers to fly; there are pause, resume, ")


def test_an_audit_and_a_removal_are_answered_when_ledger_and_venue_have_spoken(tmp_path: Path) -> None:
    demo, answers = play(
        tmp_path / "run",
        ("remove_slot", {"slot_id": 4, "confirm": True}),
        ("audit_pnl", {"now": True}),
        ("pause", {}),
        ("audit_pnl", {}),
        ("resume", {}),
    )
    removed, wrong, _, audited = answers
    assert (removed.ok, removed.final, removed.data) == (True, True, {"removed": [4], "slot_count": 3})
    assert (wrong.code, wrong.message) == (400, "audit_pnl knows no argument now; it takes none")
    assert (audited.ok, audited.final, audited.data["ok"]) == (True, True, True), audited.message
    assert audited.data["compared"] == 3 * 6 + 6 + 1
    assert list(demo.run.program.grid.grid.slots) == [1, 2, 3]
    assert demo.run.status()["pnl_audit"]["ok"] is True
    assert replay(tmp_path / "run").divergence is None


def test_a_later_answer_replaces_the_first_while_somebody_waits(tmp_path: Path) -> None:
    box, begun = Mailbox(tmp_path), Answer(ok=True, message="begun", code=200, final=False)
    patience_ns = SECOND_NS // 2

    class Program(WallClock):
        """Answers while the asker sleeps: at once that it has begun, and later that it is done."""

        def sleep_until(self, at_ns: int) -> None:
            for request in box.take():
                box.answer(request.name, begun)
                self.request = request.name
            if self.now_ns() > done_ns:
                box.follow(self.request, Answer(ok=True, message="done", code=200))
            super().sleep_until(at_ns)

    clock = Program()
    done_ns = clock.now_ns() + patience_ns // 4
    assert ask(tmp_path, "remove_slot", {}, clock, patience_ns).message == "done"
    done_ns = clock.now_ns() + 10 * patience_ns
    assert ask(tmp_path, "remove_slot", {}, clock, patience_ns) == begun
    box.follow(clock.request, begun)
    assert list((tmp_path / "control").iterdir()) == [], "nobody waits, so nothing is left"


def test_the_status_may_be_asked_for_and_is_no_event(tmp_path: Path) -> None:
    """slots 18: what GET /api/status will carry."""
    _, answers = play(tmp_path / "run", ("status", {}), ("pause", {}))
    data = answers[0].data
    assert answers[0].ok
    assert data["pair"] == "kraken:DOGE/USD"
    assert len(data["slots"]) == 4
    assert {"startup", "guards", "reconciliation"} <= data.keys()
    assert replay(tmp_path / "run").divergence is None


def test_an_unreadable_request_is_answered_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "1.request.json").write_bytes(b"{")
    assert Mailbox(tmp_path).take() == []
    assert [path.name for path in folder.iterdir()] == ["1.answer.json"]


def test_a_number_that_the_journal_cannot_hold_does_not_come_in(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "1.request.json").write_text(f'{{"name": "1", "action": "remove_slot", "args": {{"slot_id": {10**30}}}}}')
    assert Mailbox(tmp_path).take() == []
    assert [path.name for path in folder.iterdir()] == ["1.answer.json"]


def test_nobody_there_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="nobody answers"):
        ask(tmp_path, "pause", {}, WallClock(), SECOND_NS // 10)
    assert list((tmp_path / "control").iterdir()) == []
