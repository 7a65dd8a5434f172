"""Makes those parts of a running core anew that read what changed in the settings, with the state of the old ones.

Nobody goes through a part and mends what it took from its settings: a copy that was forgotten would trade by the old
value and say the new one. A part is made as at a start and takes the state as at a start, so what a change in flight
does is what a start with the new settings would do. What the whole core is built on (instruments, books, the firewall,
kept histories) no part can exchange; such a change needs a start.
"""

from collections.abc import Mapping
from typing import NamedTuple

from millrace.config.settings import Settings
from millrace.core.guard import Guard
from millrace.core.strategy import Strategy
from millrace.risk.latency_guard import LatencyGuard
from millrace.strategies.arb.strategy import ArbDesk
from millrace.strategies.quoting.strategy import QuoteDesk
from millrace.strategies.slots.strategy import SlotGrid
from millrace.world.arb.desk import build_desk
from millrace.world.assemble import (
    Program,
    build_slots,
    exposure_guard,
    latency_guard,
    stop_guards,
    traded_instrument,
)
from millrace.world.quoting.desk import build_quotes


class Remade(NamedTuple):
    """New parts that have the state of those with the same name; None and nothing where one stays."""

    slots: SlotGrid | None
    desk: ArbDesk | None
    quotes: QuoteDesk | None
    guards: tuple[Guard, ...]


def can_remake(before: Settings, after: Settings) -> bool:
    """Tell whether only parts read what differs; else the whole core must be built again, at a start."""
    return (
        before.firewall == after.firewall
        and traded_instrument(before) == traded_instrument(after)
        and (before.run.seed, before.run.installation) == (after.run.seed, after.run.installation)
        and (before.slots.enabled, before.slots.poll_interval_sec, before.slots.stale_price_max_age_sec)
        == (after.slots.enabled, after.slots.poll_interval_sec, after.slots.stale_price_max_age_sec)
        and (before.arb.enabled, before.prediction) == (after.arb.enabled, after.prediction)
        and _market(before) == _market(after)
    )


def _market(settings: Settings) -> Mapping[str, object]:
    """Return what the quote desk's symbols and venue are made of; the desk reads the rest of that record itself."""
    own = {"overrides", "min_tick_ms", "look_ms", "profile"}
    chosen = settings.quote_desk
    return {name: getattr(chosen, name) for name in chosen.__struct_fields__ if name not in own}


def remade(program: Program, before: Settings, after: Settings) -> Remade:
    """Return the parts that read what differs, made anew; nothing of the program changes.

    Raises OperatorError for settings that a part refuses.
    """
    engine, outcomes = program.engine, program.outcomes
    slots = build_slots(after) if before.slots != after.slots else None
    desk = build_desk(after)[0] if before.arb != after.arb else None
    differs = (before.quoting, before.quote_desk) != (after.quoting, after.quote_desk)
    quotes = build_quotes(after)[0] if differs else None
    guards: tuple[Guard, ...] = stop_guards(after, program.instruments) if before.stops != after.stops else ()
    if before.slo != after.slo:
        guards = (*guards, latency_guard(after, outcomes))
    if before.arb.exposure != after.arb.exposure:
        guards = (*guards, exposure_guard(after, outcomes, desk or program.desk))
    olds: dict[str, Strategy] = {old.name: old for old in engine.strategies}
    for part in (slots, desk, quotes):
        if part is not None:
            part.restore(olds[part.name].snapshot())
    guarded = {guard.name: guard for guard in engine.guards}
    for guard in guards:
        guard.restore(guarded[guard.name].snapshot())
    return Remade(slots, desk, quotes, guards)


def put_in(program: Program, new: Remade) -> None:
    """Have the program go on with these parts; probes look at the new ones as they did at the old."""
    if new.quotes is not None and program.quotes is not None:
        new.quotes.probe, new.quotes.legacy_probe = program.quotes.probe, program.quotes.legacy_probe
    program.slots = new.slots or program.slots
    program.desk = new.desk or program.desk
    program.quotes = new.quotes or program.quotes
    guards = {guard.name: guard for guard in new.guards}
    for guard in new.guards:
        if isinstance(guard, LatencyGuard):
            program.latency = guard
    strategies: dict[str, Strategy] = {one.name: one for one in (new.slots, new.desk, new.quotes) if one is not None}
    engine = program.engine
    engine.go_on_with(
        [strategies.get(one.name, one) for one in engine.strategies],
        [guards.get(one.name, one) for one in engine.guards],
    )
