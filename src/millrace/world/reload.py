"""Settings changed while the program runs: judged, shown, applied as one event, and read back from what is in use.

Whoever asks names keys and values; all others stay as they are in force. Nothing happens unless everything can: the
values must load by the rules of a start, each knob must allow it in flight, and the parts must take their old state
under the new settings, which is tried on copies before the event. The answer does not repeat what was asked: it looks
into the parts that trade (runtime 1.4, 2.24; the reference answered ok while its finder kept the old values).
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from millrace.config.in_flight import in_flight, in_flight_text, strategy_of, tightens
from millrace.config.knobs import KNOBS
from millrace.config.load import load_settings
from millrace.config.parse import UnusableError, from_switch
from millrace.config.patch import REPLACED, read_asked
from millrace.config.settings import Settings
from millrace.core.commands import OK, REFUSED, Reply
from millrace.core.engine import Engine
from millrace.core.events import Scalar
from millrace.core.failure import OperatorError
from millrace.shell.mailbox import RELOAD, Request
from millrace.strategies.quoting.settings import SYMBOL_SECTIONS
from millrace.world.assemble import executor_terms
from millrace.world.folder.run_folder import Run
from millrace.world.in_use import in_use
from millrace.world.remake import remade

DRY_RUN: Final = "dry_run"
"""The one word beside keys: show what would change, and change nothing."""
UNUSABLE: Final = 422
"""The code of an answer to values that no program could use; 400 is one that this one cannot take now."""
BROKEN: Final = 500
"""The code of an answer that found another value in use than the one in force: a bug."""
_OVERRIDES: Final = "quoting.overrides"
_PREFIX: Final = "quoting_"


class Change(NamedTuple):
    """One knob that differs, and why it cannot in flight; "" when it can."""

    key: str
    before: Scalar
    after: Scalar
    against: str

    def __str__(self) -> str:
        """Return it as a line for people."""
        return f"{self.key}: {self.before} -> {self.after}" + (f"  REFUSED: {self.against}" if self.against else "")


def reload(run: Run, asked: Request) -> Reply:
    """Do what a request to change settings says, or refuse all of it; `dry_run` only says what it would do."""
    values = dict(asked.args)
    try:
        dry_run = _is_dry(values.pop(DRY_RUN, False))
        settings = changed_settings(run.settings, values)
    except OperatorError as error:
        return _reply(run, asked, UNUSABLE, f"nothing was changed: {error}", run.settings)
    changes = changes_of(run.settings, settings, run.program.engine)
    if not changes:
        return _reply(run, asked, OK, "nothing to change, all of that is in force", settings)
    shown = "".join(f"\n  {change}" for change in changes)
    if any(change.against for change in changes):
        return _reply(run, asked, REFUSED, f"nothing was changed:{shown}", run.settings, changes)
    shown += "".join(f"\n  {notice.text}" for notice in settings.notices if notice.code in REPLACED)
    against = _refused_by_parts(run, settings)
    if against:
        return _reply(run, asked, UNUSABLE, f"nothing was changed: {against}", run.settings)
    if dry_run:
        return _reply(run, asked, OK, f"this would change, and can:{shown}", run.settings, changes)
    durable = run.apply(settings, tuple(change.key for change in changes), asked.name)
    wrong = misread(run, [change.key for change in changes])
    if wrong:
        text = f"a bug: other values are in use than those in force ({', '.join(wrong)}); start the program again"
        return _reply(run, asked, BROKEN, text, settings, changes)
    later = "" if durable else "; the journal cannot be written now, so it is lost if the program dies before it can"
    return _reply(run, asked, OK, f"in force{later}:{shown}", settings, changes)


def _is_dry(word: Scalar) -> bool:
    """Return what the word beside the keys says; one that says neither yes nor no is refused, not taken for a no."""
    try:
        return from_switch(str(word))
    except UnusableError as error:
        raise OperatorError(f"{DRY_RUN} must be {error}, not {word!r}") from None


def _refused_by_parts(run: Run, settings: Settings) -> str:
    """Return why parts cannot go on under settings, tried on copies: neither step nor shell may fail after the event.

    An event in the journal is stepped again at each start, so what it breaks once it breaks for ever.
    """
    try:
        remade(run.program, run.settings, settings)
        executor_terms(settings, run.program)
    except OperatorError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  nothing was changed yet, and the program must not end of a trial
        return f"a part of the program fails under these settings ({type(error).__name__}: {error})"
    return ""


def changed_settings(settings: Settings, values: Mapping[str, Scalar]) -> Settings:
    """Return settings with other values of some keys, every rule between knobs applied.

    Raises OperatorError for a key or value that cannot be used, and for one that a rule would replace by another:
    whoever changes a program that trades is not given what he did not ask for. Other knobs may have to follow.
    """
    wanted = read_asked(values)
    stays = {key: value for key, value in settings.flat().items() if key not in wanted and value is not None}
    found = load_settings(overrides={**stays, **wanted})
    against = [notice.text for notice in found.notices if notice.code in REPLACED and notice.key in wanted]
    if against:
        raise OperatorError("what a start would replace cannot be asked for: " + "; ".join(against))
    return found


def changes_of(before: Settings, after: Settings, engine: Engine) -> list[Change]:
    """Return what differs, with what stands against each change now."""
    was, now = before.flat(), after.flat()
    keys = [key for key in was if was[key] != now[key]]
    loosened = {_OVERRIDES: _loosened(before, after)}
    return [
        Change(key, was[key], now[key], loosened.get(key) or _against(key, was[key], now[key], engine)) for key in keys
    ]


def _loosened(before: Settings, after: Settings) -> str:
    """Return which caps of single symbols other overrides would loosen, "" for none: a detour is no permission."""
    caps = [
        (section, name)
        for section, _, name in (key.removeprefix(_PREFIX).partition(".") for key in KNOBS if key.startswith(_PREFIX))
        if section in SYMBOL_SECTIONS and in_flight(f"{_PREFIX}{section}.{name}") == "tighten"
    ]
    found = []
    for symbol in sorted({one.symbol for one in (*before.quoting.overrides, *after.quoting.overrides)}):
        was, now = before.quoting.for_symbol(symbol), after.quoting.for_symbol(symbol)
        for section, name in caps:
            old, new = getattr(getattr(was, section), name), getattr(getattr(now, section), name)
            if old != new and not tightens(old, new):
                found.append(f"{symbol}:{section}.{name} {old} -> {new}")
    return f"{', '.join(found)} {in_flight_text(f'{_PREFIX}risk_guards.daily_loss')}" if found else ""


def _against(key: str, before: Scalar, after: Scalar, engine: Engine) -> str:
    rule = in_flight(key)
    if rule == "always" or (rule == "tighten" and tightens(before, after)):
        return ""
    if rule == "when_flat":
        name = strategy_of(key)
        held = sum(position.strategy == name for position in engine.positions())
        orders = sum(order.place.position.strategy == name for order in engine.unfinished())
        if not held and not orders:
            return ""
        return f"{in_flight_text(key)}; it has {held} positions and {orders} orders"
    return in_flight_text(key)


def misread(run: Run, keys: list[str]) -> list[str]:
    """Return the keys of which a part in use holds another value than the one in force."""
    found, wanted = in_use(run.program), run.settings.flat()
    return [key for key in keys if key in found and found[key] != wanted[key]]


def _reply(
    run: Run, asked: Request, code: int, text: str, settings: Settings, changes: list[Change] | None = None
) -> Reply:
    """Return the answer; its data are what is in force now, read from the parts where they hold it."""
    found, wanted = in_use(run.program), settings.flat()
    data: dict[str, Any] = {
        "config": run.settings.digest,
        "changes": {
            one.key: {"before": one.before, "after": one.after, "against": one.against} for one in changes or ()
        },
        "in_use": {one.key: found.get(one.key, wanted[one.key]) for one in changes or ()},
    }
    now_ns = run.simulation.now_ns
    return Reply(asked.name, RELOAD, code, f"{text}\nconfiguration {run.settings.digest}", data, now_ns)
