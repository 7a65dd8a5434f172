"""How a person reaches a running program on the same machine: a folder of requests and answers.

A request is a small file put in place whole; the program takes it between two steps, gives it to the core as an event,
and writes the answer after the core has acted. Nothing listens on a network, a request survives a restart of the
program, and whoever may write to the run's folder may ask: stopping must be easy (runtime 2.17 rule 2). What takes the
venue's answer is answered twice, at once and when it is done; the second answer is written only while somebody waits.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from millrace.core.clock import Clock
from millrace.core.commands import REFUSED
from millrace.core.events import Scalar
from millrace.core.failure import WorldError
from millrace.core.permission import Restriction

RESTRICTIONS = "restrictions"
"""The request that asks for nothing but what stands."""
STATUS = "status"
"""The request that asks for nothing but what there is to see."""
RELOAD = "reload"
"""The request that changes settings; its event names the settings then in force, not what was asked."""
_FOLDER = "control"
_REQUEST, _ANSWER = ".request.json", ".answer.json"
_LOOK_NS = 50_000_000


class Request(msgspec.Struct, frozen=True):
    """What somebody asks the program to do; the name ties the answer to it."""

    name: str
    action: str
    args: dict[str, Scalar] = {}


class Answer(msgspec.Struct, frozen=True):
    """What came of a request, and everything that restricts trading: read back from the core after the step.

    `code` speaks HTTP, `data` says the message to machines; not `final`, another answer follows.
    """

    ok: bool
    message: str
    code: int = REFUSED
    final: bool = True
    data: dict[str, Any] = {}
    mode: str = ""
    reasons: tuple[str, ...] = ()
    restrictions: tuple[Restriction, ...] = ()


class Mailbox:
    """The program's end."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / _FOLDER

    def take(self) -> list[Request]:
        """Return the waiting requests, oldest first, and remove them; one that cannot be read is answered so."""
        found: list[Request] = []
        if not self._folder.is_dir():
            return found
        for path in sorted(self._folder.glob(f"*{_REQUEST}")):
            name = path.name.removesuffix(_REQUEST)
            try:
                request = msgspec.json.decode(path.read_bytes(), type=Request)
                msgspec.msgpack.encode(request.args)  # what the journal cannot hold may not come in
                path.unlink()
            except (msgspec.DecodeError, OSError, OverflowError) as error:
                with suppress(OSError):
                    path.unlink()
                self.answer(name, Answer(ok=False, message=f"the request cannot be read: {error}"))
                continue
            found.append(msgspec.structs.replace(request, name=name))
        return found

    def answer(self, name: str, answer: Answer) -> None:
        """Put an answer where the asker looks for it; that it cannot be told, on a full disk, stops no program."""
        with suppress(WorldError):
            _put(self._folder / f"{name}{_ANSWER}", answer)

    def follow(self, name: str, answer: Answer) -> None:
        """Put a later answer in place of the first, which lies there while the asker waits for more."""
        if (self._folder / f"{name}{_ANSWER}").exists():
            self.answer(name, answer)


def ask(run_folder: Path, action: str, args: dict[str, Scalar], clock: Clock, patience_ns: int) -> Answer:
    """Put a request and wait for its final answer; one that is not final counts when time is up.

    Raises WorldError when nobody answers in time.
    """
    folder = run_folder / _FOLDER
    name = f"{clock.now_ns():020}-{os.getpid()}"
    _put(folder / f"{name}{_REQUEST}", Request(name, action, args))
    answer = folder / f"{name}{_ANSWER}"
    end_ns = clock.now_ns() + patience_ns
    read: Answer | None = None
    while clock.now_ns() < end_ns and (read is None or not read.final):
        if answer.exists():
            read = msgspec.json.decode(answer.read_bytes(), type=Answer)
        if read is None or not read.final:
            clock.sleep_until(clock.now_ns() + _LOOK_NS)
    answer.unlink(missing_ok=True)
    if read is not None:
        return read
    (folder / f"{name}{_REQUEST}").unlink(missing_ok=True)
    raise WorldError(f"nobody answers in {run_folder}: no program runs there, or it is stuck; nothing was changed")


def _put(path: Path, content: Request | Answer) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".tmp")
        scratch.write_bytes(msgspec.json.encode(content))
        scratch.replace(path)
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror or error}") from error
