"""Same fault, same response, every time: the guard that carries the playbooks out (runtime 2.20).

A playbook starts on what was measured and ends on what was measured. A deadline may start or escalate one, because
that is the safe side; only a new figure, news of a breaker or the like may end one. While a rung holds, what the book
posted is on the board: if somebody lifted it, it is posted again. Books do not know each other, so none waits for
another; where two of them restrict the same orders, the board takes the stricter.

An action that fails is followed by the next stronger one, up to a halt of everything, and both are told.
"""

from typing import Any, Final, NamedTuple

import msgspec

from millrace.core.book_events import BookNews
from millrace.core.commands import Alert, Book, Lift, OrderUpdate, Place, Post, Severity
from millrace.core.data_quality import Judged
from millrace.core.events import MarketPhase, MarketStatus, Operator, Timer
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.permission import Level, Recovery, Restriction, Scope, ScopeKind, scopes_of
from millrace.core.recovery_events import RecoveryBegan
from millrace.core.strategy import Interest
from millrace.risk.playbooks_facts import READ, Facts
from millrace.risk.playbooks_row import STALE_NS, Act, Action, Case, Playbook, Predicate, Rung
from millrace.risk.playbooks_rows import ROWS

_RECHECK_NS: Final = 10_000_000_000
"""How often an escalation whose time has come is looked at until its condition holds."""
_GRAVEST: Final = 3
_MISTAKES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a wrong row raises; anything else fails the guard, which halts everything."""
_HALT_ALL: Final = Action(Act.POST_RESTRICTION, lambda _: (Scope(ScopeKind.GLOBAL),), Level.HALT)
_QUIET: Final = Interest()


class _Run(msgspec.Struct):
    """One book on one subject; `began_ns` is None while no rung has held for its time.

    `since_ns` says of each rung since when it holds; `check_ns` of each escalation when it must be looked at, None once
    it was carried out. Recovery counts from `good_ns` to `seen_ns`, the last time that the book was seen recovered.
    """

    since_ns: list[int | None]
    check_ns: list[int | None]
    began_ns: int | None = None
    good_ns: int | None = None
    seen_ns: int = 0
    reached: list[int] = msgspec.field(default_factory=list)
    posted: list[Restriction] = msgspec.field(default_factory=list)
    puzzled: list[str] = msgspec.field(default_factory=list)
    actions: list[str] = msgspec.field(default_factory=list)


class _Tally(msgspec.Struct):
    """How often a book ended in each way, how long it stood in all, and what it did the last time."""

    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    stood_ns: int = 0
    last_actions: list[str] = msgspec.field(default_factory=list)


class _Saved(msgspec.Struct):
    facts: dict[str, Any]
    runs: list[tuple[str, str, _Run]]
    tallies: dict[str, _Tally]


class _Turn(NamedTuple):
    """What judging one book on one subject has in hand, and where its verdicts go."""

    book: Playbook
    case: Case
    run: _Run
    out: list[Verdict]

    def tell(self, severity: Severity, code: str, text: str) -> None:
        told = f"playbook {self.book.name} for {self.case.subject}: {text}"
        self.out.append(Alert(severity, code, told, self.case.now_ns))


class Playbooks:
    """Implements `core.guard.Guard`; the books are asked in order of severity, the gravest first."""

    name = "playbooks"
    reads: tuple[type, ...] = (*READ, Operator, RecoveryBegan, Timer)

    def __init__(self, books: tuple[Playbook, ...] = ROWS) -> None:
        self._facts = Facts()
        self._books = tuple(sorted(books, key=lambda book: -book.severity))
        self._by_name = {book.name: book for book in self._books}
        self._runs: dict[tuple[str, str], _Run] = {}
        self._tallies = {book.name: _Tally() for book in self._books}

    def figures_wanted(self) -> frozenset[tuple[str, str]]:
        """Return the (figure, subject) that books which stand judge by; to be published until they ended."""
        if not self._runs:
            return frozenset()
        standing = [key for key, run in self._runs.items() if run.began_ns is not None]
        return frozenset((figure, subject) for name, subject in standing for figure in self._by_name[name].figures)

    # The guard

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Judge every book by what is known now; time alone, or an operator's word, ends none that can measure."""
        if isinstance(seen, OrderUpdate | Judged | BookNews) or (not self._runs and isinstance(seen, Timer | Operator)):
            return []
        if isinstance(seen, RecoveryBegan):
            self._begin_anew(seen.venue)
        else:
            self._facts.take(seen)
        out: list[Verdict] = []
        if isinstance(seen, MarketStatus) and seen.phase is not MarketPhase.OPEN:
            self._again(str(seen.instrument), view.now_ns)
        measured = isinstance(seen, READ)
        for book in self._books:
            waiting = [subject for name, subject in self._runs if name == book.name]
            for subject in dict.fromkeys((*book.subjects(self._facts), *waiting)):
                self._judge(book, Case(self._facts, view, subject, view.now_ns), out, measured=measured)
        return out

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to nothing: playbooks speak through the board."""
        del places, view
        return ()

    def interest(self) -> Interest:
        """Return when a rung's time has run, or an escalation must be looked at."""
        due = [due_ns for (name, _), run in self._runs.items() for due_ns in _due(self._by_name[name], run)]
        return Interest(deadline_ns=min(due)) if due else _QUIET

    # One book on one subject

    def _judge(self, book: Playbook, case: Case, out: list[Verdict], *, measured: bool) -> None:
        key = (book.name, case.subject)
        run = self._runs.get(key) or _Run([None] * len(book.rungs), [None] * len(book.escalations))
        turn = _Turn(book, case, run, out)
        if run.began_ns is not None and book.recovered is None and not _stands(turn):
            self._end(turn, "operator")
            return
        for number, rung in enumerate(book.rungs):
            self._climb(turn, number, rung)
        if run.began_ns is None and not _holds(run):
            self._runs.pop(key, None)
            return
        self._runs[key] = run
        if run.began_ns is None:
            return
        self._escalate(turn)
        if measured and _has_recovered(turn):
            self._end(turn, "recovered")
        elif book.recovered is not None:
            _keep_posted(turn)

    def _climb(self, turn: _Turn, number: int, rung: Rung) -> None:
        """Carry a rung out when it has held for its time."""
        run, now_ns = turn.run, turn.case.now_ns
        answer = _ask(turn, rung.when, rung.why)
        unknown = answer is None and turn.book.severity >= _GRAVEST
        if not (answer or unknown):
            run.since_ns[number] = None
            return
        since_ns = run.since_ns[number]
        if since_ns is None:
            since_ns = run.since_ns[number] = now_ns
        if number in run.reached or (now_ns - since_ns < rung.for_ns and not unknown):
            return
        if run.began_ns is None:
            run.began_ns = now_ns
            run.check_ns = [now_ns + step.for_ns for step in turn.book.escalations]
        run.reached.append(number)
        _carry_out(turn, rung)

    def _escalate(self, turn: _Turn) -> None:
        """Carry out escalations whose time has come; looked at on a fixed beat, so that no other wake-up matters."""
        now_ns = turn.case.now_ns
        for number, step in enumerate(turn.book.escalations):
            due_ns = turn.run.check_ns[number]
            if due_ns is None or now_ns < due_ns:
                continue
            if _ask(turn, step.when, step.why) is False:
                turn.run.check_ns[number] = due_ns + ((now_ns - due_ns) // _RECHECK_NS + 1) * _RECHECK_NS
            else:
                turn.run.check_ns[number] = None
                _carry_out(turn, step)

    def _end(self, turn: _Turn, outcome: str) -> None:
        book, case, run, out = turn
        self._runs.pop((book.name, case.subject))
        self._count(book.name, run, outcome, case.now_ns)
        if outcome == "operator":
            self._facts.anomalies.pop(case.subject, None)  # it has been seen to; the venue may say it again
        for restriction_id in dict.fromkeys(restriction.id for restriction in run.posted):
            out.append(Lift(restriction_id, f"playbook {book.name}: {outcome}", case.now_ns))
        turn.tell(Severity.INFO, f"playbook_{book.name}_ended", outcome)

    def _count(self, name: str, run: _Run, outcome: str, now_ns: int) -> None:
        tally = self._tallies[name]
        tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
        tally.stood_ns += _stood_ns(run, now_ns)
        tally.last_actions = run.actions

    def _again(self, market: str, now_ns: int) -> None:
        """Let a venue's new word about a market start its book anew, so that it is acted on and paged again."""
        for book in self._books:
            run = self._runs.get((book.name, market))
            if run is not None and run.began_ns is not None and book.recovered is None:
                del self._runs[book.name, market]
                self._count(book.name, run, "repeated", now_ns)

    def _begin_anew(self, venue: str) -> None:
        """Forget what a program that ended had measured; what stands stays, and must be measured to have ended."""
        self._facts.begin_anew(venue)
        self._runs = {key: run for key, run in self._runs.items() if run.began_ns is not None}
        for run in self._runs.values():
            run.good_ns = None

    # State

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return per book what is active since when, how it ended so far, and what it did."""
        found: dict[str, Any] = {}
        for name, tally in self._tallies.items():
            active = {of: run for (book, of), run in self._runs.items() if book == name and run.began_ns is not None}
            stood_ns = tally.stood_ns + sum(_stood_ns(run, view.now_ns) for run in active.values())
            found[name] = {
                "millrace_playbook_active": len(active),
                "millrace_playbook_runs_total": dict(tally.outcomes),
                "millrace_playbook_seconds": stood_ns / 1e9,
                "active_since_ns": {subject: run.began_ns for subject, run in active.items()},
                "last_actions": [done for run in active.values() for done in run.actions] or list(tally.last_actions),
            }
        return found

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        runs = [(*key, run) for key, run in self._runs.items()]
        state: dict[str, Any] = msgspec.to_builtins(_Saved(self._facts.snapshot(), runs, self._tallies))
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError when it is none."""
        saved = msgspec.convert(state, _Saved)
        self._facts.restore(saved.facts)
        self._runs = {(name, subject): run for name, subject, run in saved.runs}
        self._tallies |= saved.tallies


def _holds(run: _Run) -> bool:
    return any(since_ns is not None for since_ns in run.since_ns)


def _stood_ns(run: _Run, now_ns: int) -> int:
    return 0 if run.began_ns is None else now_ns - run.began_ns


def _due(book: Playbook, run: _Run) -> list[int]:
    """Return the times at which a rung's time has run or an escalation must be looked at."""
    due = [due_ns for due_ns in run.check_ns if due_ns is not None]
    for number, rung in enumerate(book.rungs):
        since_ns = run.since_ns[number]
        if since_ns is not None and number not in run.reached:
            due.append(since_ns + rung.for_ns)
    return due


def _ask(turn: _Turn, predicate: Predicate, why: str) -> bool | None:
    """Return the predicate's answer; None, told once, when it cannot tell."""
    puzzled = turn.run.puzzled
    try:
        answer = bool(predicate(turn.case))
    except _MISTAKES as error:
        if why not in puzzled:
            puzzled.append(why)
            turn.tell(Severity.PAGE, "playbook_predicate_failed", f"cannot judge {why!r}: {type(error).__name__}")
        return None
    if why in puzzled:
        puzzled.remove(why)
    return answer


def _has_recovered(turn: _Turn) -> bool:
    """Tell whether measurements have shown the book recovered for its whole hold, without a gap in them."""
    book, case, run, _ = turn
    if book.recovered is None or _holds(run) or not _ask(turn, book.recovered, "recovered"):
        run.good_ns = None
        return False
    if run.good_ns is None or case.now_ns - run.seen_ns > STALE_NS:
        run.good_ns = case.now_ns
    run.seen_ns = case.now_ns
    return run.seen_ns - run.good_ns >= book.hold_ns


def _stands(turn: _Turn) -> bool:
    """Tell whether any of what the book posted is still on the board."""
    standing = {restriction.id for restriction in turn.case.view.restrictions()}
    return any(restriction.id in standing for restriction in turn.run.posted)


def _keep_posted(turn: _Turn) -> None:
    """Post again what somebody lifted while the book stands."""
    standing = {restriction.id: restriction.level for restriction in turn.case.view.restrictions()}
    posting = {verdict.restriction.id for verdict in turn.out if isinstance(verdict, Post)}
    for restriction in turn.run.posted:
        if restriction.id not in posting and standing.get(restriction.id, Level.OPEN) < restriction.level:
            turn.out.append(Post(restriction))


# Actions


def _carry_out(turn: _Turn, step: Rung) -> None:
    if not any(action.act is Act.PAGE for action in step.actions):
        turn.tell(Severity.WARN, f"playbook_{turn.book.name}", _reason(turn, step))
    for action in step.actions:
        wanted: Action | None = action
        while wanted is not None:
            wanted = _do(turn, step, wanted)


def _reason(turn: _Turn, step: Rung) -> str:
    about = turn.case.facts.about(turn.case.subject)
    return f"{step.why} ({about})" if about else step.why


def _do(turn: _Turn, step: Rung, action: Action) -> Action | None:
    """Carry an action out; returns the next stronger one when it failed."""
    said = f"{action.act.value} {action.level.name if action.level else action.mode}".rstrip()
    try:
        verdicts = _verdicts(turn, step, action)
    except _MISTAKES as error:
        if action == _HALT_ALL:
            raise  # nothing is stronger, but a guard that fails halts everything too
        turn.run.actions.append(f"{said}: failed")
        turn.tell(Severity.PAGE, "playbook_action_failed", f"{said}: {type(error).__name__}")
        if action.act is Act.POST_RESTRICTION and action.level < Level.HALT:
            return msgspec.structs.replace(action, level=Level.HALT, multiplier=1.0)
        return _HALT_ALL
    turn.run.actions.append(said)
    turn.run.posted += [verdict.restriction for verdict in verdicts if isinstance(verdict, Post)]
    turn.out.extend(verdicts)
    return None


def _verdicts(turn: _Turn, step: Rung, action: Action) -> list[Verdict]:
    book, case, run, _ = turn
    text = _reason(turn, step)
    if action.scopes is None:
        told = f"playbook {book.name} for {case.subject}: {text}"
        return [Alert(Severity.PAGE, f"playbook_{book.name}", told, case.now_ns)]
    scopes = action.scopes(case)
    if action.act is Act.SET_MODE:
        return [
            Book(
                position.strategy,
                action.mode,
                f"{position.instrument}/{position.group}/{position.leg}/{case.now_ns}",
                {"lots": lots, "why": text},
                case.now_ns,
            )
            for position, lots in case.view.positions().items()
            if any(scope in scopes for scope in scopes_of(position))
        ]
    wanted = [_restriction(turn, action, scope, text) for scope in scopes]
    have = {restriction.id: restriction.level for restriction in run.posted}
    return [Post(found) for found in wanted if have.get(found.id, Level.OPEN) < found.level]


def _restriction(turn: _Turn, action: Action, scope: Scope, text: str) -> Restriction:
    book, case = turn.book, turn.case
    return Restriction(
        id=f"playbook/{book.name}/{case.subject}/{scope}",
        scope=scope,
        level=action.level,
        reason=book.reason,
        text=text,
        posted_by=f"playbook {book.name}",
        posted_ns=case.now_ns,
        multiplier=action.multiplier,
        recovery=Recovery.OPERATOR if book.recovered is None else Recovery.AUTO,
    )
