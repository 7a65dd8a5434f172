"""An operator reaches a running demo through its folder, and the journal shows what was asked (runtime 2.24)."""

from pathlib import Path

import pytest

from millrace.config.load import load_settings
from millrace.core.failure import WorldError
from millrace.shell.clock import WallClock
from millrace.shell.mailbox import Answer, Mailbox, Request, _put, ask
from millrace.world.demo import Demo
from millrace.world.replay import replay

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


def test_an_unreadable_request_is_answered_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "1.request.json").write_bytes(b"{")
    assert Mailbox(tmp_path).take() == []
    assert [path.name for path in folder.iterdir()] == ["1.answer.json"]


def test_nobody_there_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="nobody answers"):
        ask(tmp_path, "pause", {}, WallClock(), SECOND_NS // 10)
    assert list((tmp_path / "control").iterdir()) == []
