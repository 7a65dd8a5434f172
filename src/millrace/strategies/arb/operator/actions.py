"""What an operator may ask of the desk: look at it, stop and start lanes, say that an exposure was seen (arb 11.5, 13).

Every request is an event in the journal. Its arguments are read by one set of rules before anything happens, and the
reply is a command of the same step.
"""

from typing import TYPE_CHECKING, Literal

import msgspec

from millrace.core.commands import Intent, Lift, Post
from millrace.core.events import Operator
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.requests import DeskAction, NoArguments, accepted, operate_desk, refused
from millrace.core.strategy import View
from millrace.strategies.arb.economics.diagnostics import diagnose
from millrace.strategies.arb.model import LANES
from millrace.strategies.arb.outcomes import lane_stop, safe_mode
from millrace.strategies.arb.scanning import COMBO

if TYPE_CHECKING:
    from millrace.strategies.arb.strategy import ArbDesk

LaneName = Literal["intra", "cross", "parity", "bucket", "event_tree", "implication", "combo"]


class OneLane(msgspec.Struct, frozen=True):
    """A lane by its name, and why."""

    lane: LaneName
    reason: str = "operator"


class OneMarket(msgspec.Struct, frozen=True):
    """A market, venue:id."""

    market: str


class Acknowledge(msgspec.Struct, frozen=True):
    """Who has seen the exposure, and what was found."""

    operator: str
    reason: str


class Fallback(msgspec.Struct, frozen=True):
    """Whether the fallback tier is stopped, and why."""

    stopped: bool
    reason: str = "operator"


class OneMapping(msgspec.Struct, frozen=True):
    """A mapped pair by its id, who decides, and why."""

    mapping: str
    operator: str
    reason: str


def operate(desk: "ArbDesk", event: Operator, view: View) -> list[Intent]:
    """Carry out one request; requests that are not the desk's are left alone."""
    return operate_desk(ACTIONS, desk.name, desk, event, view)


def _status(desk: "ArbDesk", asked: Operator, _: NoArguments, view: View) -> list[Intent]:
    data = desk.status(view)
    text = f"{len(data['baskets'])} baskets open, {desk.trading.opened} opened, {desk.trading.rejected} rejected"
    return [accepted(asked, text, data)]


def _market(desk: "ArbDesk", asked: Operator, wanted: OneMarket, view: View) -> list[Intent]:
    try:
        market = InstrumentId.parse(wanted.market)
    except OperatorError as error:
        return [refused(asked, str(error))]
    quote = view.book(market)
    if quote is None:
        return [refused(asked, f"{market} has no verified quote; markets are named venue:id")]
    fact = desk.judge.fact(market)
    moved = fact is not None and desk.judge.moves.moved(market, fact.tick, view.now_ns)
    against = sorted(reason.value for reason in view.tradable(market))
    data = {
        "against": against, "age_sec": (view.now_ns - quote.ts_ns) / 1e9, "just_moved": moved,
        **diagnose(quote).shown(),
    }  # fmt: skip
    said = ", ".join(against) or "tradable"
    return [accepted(asked, f"{market}: {said}", data)]


def _pause_lane(desk: "ArbDesk", asked: Operator, wanted: OneLane, view: View) -> list[Intent]:
    scope = Scope(ScopeKind.LANE, wanted.lane)
    name = f"{desk.name}/pause/{wanted.lane}"
    posted = Restriction(
        name, scope, Level.REDUCE_ONLY, ReasonCode.OPERATOR_PAUSE, wanted.reason, desk.name, view.now_ns
    )
    return [Post(posted), accepted(asked, f"{wanted.lane} opens nothing; repairs and exits go on")]


def _resume_lane(desk: "ArbDesk", asked: Operator, wanted: OneLane, view: View) -> list[Intent]:
    stops = (f"{desk.name}/pause/{wanted.lane}", lane_stop(desk.name, wanted.lane, "", 0).id)
    lifts: list[Intent] = [Lift(name, f"resumed by the operator: {wanted.reason}", view.now_ns) for name in stops]
    if wanted.lane == "bucket":
        desk.judge.buckets_back()
    elif wanted.lane == COMBO:
        desk.scans.resume()
    return [*lifts, accepted(asked, f"{wanted.lane} may open baskets again")]


def _acknowledge(desk: "ArbDesk", asked: Operator, seen: Acknowledge, view: View) -> list[Intent]:
    thawed = [f"{one} and {other}" for one, other in desk.outcomes.frozen]
    desk.outcomes.frozen.clear()
    text = f"acknowledged by {seen.operator}: {seen.reason}"
    told = f"; {', '.join(thawed)} may be traded across again" if thawed else ""
    stops = [safe_mode(desk.name, "", 0).id, *(lane_stop(desk.name, lane.value, "", 0).id for lane in LANES)]
    lifts: list[Intent] = [Lift(stop, text, view.now_ns) for stop in stops]
    return [*lifts, accepted(asked, f"acknowledged{told}", {"thawed": thawed})]


def _quarantine(desk: "ArbDesk", asked: Operator, wanted: OneMapping, view: View) -> list[Intent]:
    if not desk.mappings.watch.quarantine(wanted.mapping, wanted.operator, wanted.reason):
        return [refused(asked, f"no mapped pair has the id {wanted.mapping}; arb_status lists what is wrong")]
    return [
        *desk.judge_mappings(view.now_ns),
        accepted(asked, f"{wanted.mapping} does not trade, and baskets on it are left, until it is released"),
    ]


def _release(desk: "ArbDesk", asked: Operator, wanted: OneMapping, view: View) -> list[Intent]:
    if not desk.mappings.watch.release(wanted.mapping):
        return [refused(asked, f"nothing is held against {wanted.mapping}")]
    return [
        *desk.judge_mappings(view.now_ns),
        accepted(asked, f"{wanted.mapping} is judged anew; its price samples begin again"),
    ]


def _fallback(desk: "ArbDesk", asked: Operator, wanted: Fallback, view: View) -> list[Intent]:
    desk.mappings.watch.stop_fallback(stopped=wanted.stopped)
    told = "fallback mappings open nothing" if wanted.stopped else "fallback mappings trade where the settings let them"
    return [*desk.judge_mappings(view.now_ns), accepted(asked, told)]


def _list_positions(desk: "ArbDesk", asked: Operator, _: NoArguments, view: View) -> list[Intent]:
    del view
    rows = [
        {"basket": life.key, "state": life.state.value, "market": str(leg.market), "outcome": leg.outcome.value,
         "held": leg.owned / 1e6, "other_held": leg.other_owned / 1e6, "paid_usd": leg.paid_nano / 1e9,
         "fees_usd": leg.fees_nano / 1e9}
        for life in desk.baskets.lives.values()
        for leg in life.legs
    ]  # fmt: skip
    return [accepted(asked, f"{len(rows)} legs", {"legs": rows})]


ACTIONS: dict[str, DeskAction["ArbDesk"]] = {
    "arb_status": DeskAction(NoArguments, _status, "what the desk holds, decided and earned"),
    "arb_positions": DeskAction(NoArguments, _list_positions, "every leg that the desk holds or works"),
    "arb_market": DeskAction(OneMarket, _market, "a market's quote and what is against it: market=venue:id"),
    "pause_lane": DeskAction(OneLane, _pause_lane, "open nothing in a lane: lane= reason="),
    "resume_lane": DeskAction(OneLane, _resume_lane, "let a lane open baskets again: lane="),
    "quarantine_mapping": DeskAction(OneMapping, _quarantine, "a pair is wrong: mapping= operator= reason="),
    "release_mapping": DeskAction(OneMapping, _release, "judge a quarantined pair anew: mapping= operator= reason="),
    "fallback": DeskAction(Fallback, _fallback, "stop fallback mappings, or let them trade: stopped="),
    "acknowledge": DeskAction(
        Acknowledge,
        _acknowledge,
        "an exposure was seen: leave safe mode, open its lane and venues again: operator= reason=",
    ),
}
"""Every action of the desk by its name."""
