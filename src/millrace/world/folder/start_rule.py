"""What a person says about a start that the files cannot explain by themselves (design section 5.5).

A missing ledger is not a first start, nor is an empty one while the venue holds orders with our tag: the program
refuses both, because a wrong guess places orders twice. Two words let it go on. `adopt`: this is the run that it was;
the ledger is made anew from the journal, which holds every fact that was ever committed to it, and the venue's orders
are accepted. `first start`: this is new; what lies there is put aside and nothing is deleted. The venue is not ours to
put aside.
"""

from enum import StrEnum
from pathlib import Path
from typing import Final

from millrace.config.settings import Settings
from millrace.core.commands import Command
from millrace.core.events import Event, Operator
from millrace.core.failure import OperatorError, WorldError
from millrace.core.ledger import LedgerStore
from millrace.core.recovery_events import Reconciled
from millrace.risk.reconciliation import ACCEPT
from millrace.shell.disk import RealDisk
from millrace.shell.journal import has_segments, read_journal
from millrace.shell.lease import FolderLease
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.shell.manifest import Manifest, read_manifest
from millrace.world.premises import LEDGER
from millrace.world.simulation import Simulation

_BATCH: Final = 1_000
_OURS: Final = ("journal-*.mrj", "segments.json", "manifest.json", "snapshot-*.mrs", "handover.json*", f"{LEDGER}*")


class StartRule(StrEnum):
    """Continue what is whole and refuse the rest, or what a person said instead."""

    CONTINUE = "continue"
    ADOPT = "adopt"
    FIRST_START = "first start"


def prepare(folder: Path, settings: Settings, rule: StartRule) -> str:
    """Make the folder such that a run can begin as the person said; returns what was done, "" for nothing.

    Call it before the folder's `Run`. Raises WorldError when the folder is in use, the journal is damaged or there is
    nothing to adopt, OperatorError for a first start whose order ids would come again.
    """
    if rule is StartRule.CONTINUE or not folder.is_dir():
        return ""
    lease = FolderLease(folder)
    try:
        return _adopt(folder) if rule is StartRule.ADOPT else _put_aside(folder, settings)
    finally:
        lease.close()


def _adopt(folder: Path) -> str:
    has_ledger = (folder / LEDGER).exists()
    if has_ledger and not has_segments(folder):
        raise WorldError(
            f"{folder} holds a ledger and no journal: without it the strategies' state is lost and there is nothing to"
            " adopt. Restore it; or clear the venue and put the rest aside with --first-start"
        )
    if has_ledger or not has_segments(folder):
        return ""
    _move(folder, [f"{LEDGER}*"])  # an old write-ahead log would be taken for the new file's
    draft = folder / f"rebuilt-{LEDGER}"
    for path in folder.glob(f"{draft.name}*"):  # of an adoption that was killed
        path.unlink()
    ledger = SqliteLedger(draft, create=True)
    try:
        batch: list[Command] = []
        for step in read_journal(folder):
            batch += step.commands or []
            if len(batch) >= _BATCH:
                ledger.commit(batch)
                batch.clear()
        ledger.commit(batch)
        text = f"the ledger was made anew from the journal: {len(ledger.orders())} orders, {ledger.fills()} fills"
    finally:
        ledger.close()
    draft.replace(folder / LEDGER)
    RealDisk().sync_folder(folder)
    return text


def _put_aside(folder: Path, settings: Settings) -> str:
    before = _manifest(folder)
    name = settings.run.installation
    if before is not None and before.config.get("run.installation") == name:
        raise OperatorError(
            f"{folder} holds a run of the installation {name!r}; a new one of that name would use its order ids again."
            " Name it anew with --set run.installation=NAME: what the old one has at the venue is then left alone"
        )
    aside = _move(folder, list(_OURS))
    return "" if aside is None else f"first start: the files of an earlier run are kept in {aside.name}"


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except WorldError:
        return None  # it goes aside with the rest


def _move(folder: Path, patterns: list[str]) -> Path | None:
    """Move files into a new folder beside them; returns it, None when there was nothing to move."""
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if not found:
        return None
    number = 1
    while (aside := folder / f"aside-{number}").exists():
        number += 1
    aside.mkdir()
    for path in found:
        path.replace(aside / path.name)
    RealDisk().sync_folder(aside)
    RealDisk().sync_folder(folder)
    return aside


class Strangers:
    """Watches what a start finds at the venue, and then asks whether the person knew of it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._orphans: tuple[str, ...] = ()
        self._watching = True
        simulation.sequencer.listen(self._step)

    def _step(self, event: Event, commands: list[Command]) -> None:
        del commands
        if self._watching and isinstance(event, Reconciled):
            self._orphans = event.orphans

    def settle(self, ledger: LedgerStore, rule: StartRule, *, said_before: bool) -> None:
        """Accept the venue's orders as ours when the person adopts; refuse them beside a ledger without any order.

        Beside a ledger with orders they restrict and are told (`risk.reconciliation`), and do not stop a start.
        """
        self._watching = False
        if rule is StartRule.ADOPT:
            for order in self._orphans:
                args = {"order": order, "operator": "--adopt", "reason": "accepted at the start"}
                self._simulation.feed_event(Operator(ACCEPT, dict(args), self._simulation.now_ns))
        elif self._orphans and rule is StartRule.CONTINUE and not said_before and not ledger.orders():
            raise WorldError(
                f"the venue holds {len(self._orphans)} orders with our tag and the ledger none, the first"
                f" {self._orphans[0]}: this is not a first start. Restore journal and ledger; or accept the orders with"
                " --adopt; or say with --first-start, best under another run.installation, that this run is new"
            )
