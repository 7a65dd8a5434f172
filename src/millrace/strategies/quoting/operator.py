"""What an operator may ask of the quote desk: look at it, pause and resume a symbol, see its positions.

Every request is an event in the journal; its arguments are read by one set of rules before anything happens, and the
reply is a command of the same step.
"""

from typing import TYPE_CHECKING

import msgspec

from millrace.core.commands import Intent, Lift, Post
from millrace.core.events import Operator
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.requests import DeskAction, NoArguments, accepted, operate_desk, refused
from millrace.core.strategy import View
from millrace.strategies.quoting.rollout.ramp import steps

if TYPE_CHECKING:
    from millrace.strategies.quoting.quoted import QuotedSymbol
    from millrace.strategies.quoting.strategy import QuoteDesk


class OneSymbol(msgspec.Struct, frozen=True):
    """A symbol by its name, BTC/USDT, and why."""

    symbol: str
    reason: str = "operator"


class RampStep(msgspec.Struct, frozen=True):
    """A step of the ramp in percent of the symbols, and why."""

    pct: int
    reason: str = "operator"


def operate(desk: "QuoteDesk", event: Operator, view: View) -> list[Intent]:
    """Carry out one request; requests that are not the desk's are left alone."""
    return operate_desk(ACTIONS, desk.name, desk, event, view)


def _found(desk: "QuoteDesk", symbol: str) -> "QuotedSymbol | None":
    names = (one for one in desk.symbols.values() if symbol in {one.symbol, str(one.instrument.id)})
    return next(names, None)


def _not_quoted(desk: "QuoteDesk", asked: Operator, symbol: str) -> list[Intent]:
    known = ", ".join(one.symbol for one in desk.symbols.values())
    return [refused(asked, f"the desk does not quote {symbol}; it quotes {known}")]


def _status(desk: "QuoteDesk", asked: Operator, _: NoArguments, view: View) -> list[Intent]:
    data = desk.status(view)
    text = f"{data['quoting']} of {len(data['symbols'])} symbols quoted, {data['fills']} fills"
    return [accepted(asked, text, data)]


def _positions(desk: "QuoteDesk", asked: Operator, _: NoArguments, view: View) -> list[Intent]:
    held = {
        one.symbol: lots * one.terms.lot_unit for one in desk.symbols.values() if (lots := view.position(one.position))
    }
    return [accepted(asked, f"{len(held)} symbols with a position", {"positions": held})]


def _pause(desk: "QuoteDesk", asked: Operator, wanted: OneSymbol, view: View) -> list[Intent]:
    one = _found(desk, wanted.symbol)
    if one is None:
        return _not_quoted(desk, asked, wanted.symbol)
    scope = Scope(ScopeKind.MARKET, str(one.instrument.id))
    posted = Restriction(
        _pause_id(desk, one), scope, Level.REDUCE_ONLY, ReasonCode.OPERATOR_PAUSE, wanted.reason, desk.name, view.now_ns
    )
    desk.look_at(one)
    return [Post(posted), accepted(asked, f"{one.symbol} quotes only what closes its position")]


def _resume(desk: "QuoteDesk", asked: Operator, wanted: OneSymbol, view: View) -> list[Intent]:
    one = _found(desk, wanted.symbol)
    if one is None:
        return _not_quoted(desk, asked, wanted.symbol)
    desk.look_at(one)
    lift = Lift(_pause_id(desk, one), f"resumed by the operator: {wanted.reason}", view.now_ns)
    return [lift, accepted(asked, f"{one.symbol} is quoted again")]


def _clear_ban(desk: "QuoteDesk", asked: Operator, wanted: OneSymbol, view: View) -> list[Intent]:
    one = _found(desk, wanted.symbol)
    if one is None:
        return _not_quoted(desk, asked, wanted.symbol)
    if not desk.growth.clear(one.symbol, view.now_ns // 1_000_000):
        return [refused(asked, f"{one.symbol} is neither banned nor on probation; quoting_status shows who is")]
    desk.look_at(one)
    return [accepted(asked, f"{one.symbol} has its ban ended: {wanted.reason}")]


def _ramp(desk: "QuoteDesk", asked: Operator, wanted: RampStep, _: View) -> list[Intent]:
    known = steps(desk.settings.rollout)
    if not desk.ramp.enabled:
        return [refused(asked, "the pipeline is switched off (quoting_pipeline.enabled); the frozen quoter quotes all")]
    if wanted.pct not in known:
        return [refused(asked, f"{wanted.pct} % is no step of the ramp; its steps are {', '.join(map(str, known))}")]
    if wanted.pct != desk.ramp.pct:
        desk.go_to(wanted.pct)
    return [accepted(asked, f"{wanted.pct} % of the symbols are on the pipeline: {wanted.reason}", desk.ramp.shown())]


def _pause_id(desk: "QuoteDesk", symbol: "QuotedSymbol") -> str:
    return f"{desk.name}/pause/{symbol.symbol}"


ACTIONS: dict[str, DeskAction["QuoteDesk"]] = {
    "quoting_status": DeskAction(NoArguments, _status, "show the quote desk's symbols"),
    "quoting_ramp": DeskAction(RampStep, _ramp, "move a share of the symbols to the pipeline: pct= reason="),
    "quoting_positions": DeskAction(NoArguments, _positions, "show what the quote desk holds of each symbol"),
    "pause_symbol": DeskAction(OneSymbol, _pause, "let a symbol only close its position: symbol= reason="),
    "resume_symbol": DeskAction(OneSymbol, _resume, "quote a paused symbol again: symbol="),
    "clear_ban": DeskAction(OneSymbol, _clear_ban, "end the ban of a symbol that lost too long: symbol= reason="),
}
"""Everything that may be asked of the quote desk, by name."""
