"""Where each symbol stands: trading, banned after a long loss, on probation, or left out by the operator.

A ban needs a loss that lasted, with enough samples in that time; one bad sample bans nobody. It ends by itself: in a
probation of little size, which lasts until there is something to judge, and a repeat is banned for twice as long. What
the operator lists is kept apart from what the desk finds, so that neither can lose the other's entry (quoting 7).
"""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from millrace.strategies.quoting.scoreboard.board import SymbolScore
from millrace.strategies.quoting.settings_growth import AllocatorSettings

MINUTE_MS = 60_000
_FORGIVEN_MS = 24 * 60 * MINUTE_MS
"""After so long without a ban the next one is a first one again."""


class Phase(StrEnum):
    """What a symbol may do."""

    ACTIVE = "active"
    PROBATION = "probation"
    BANNED = "banned"
    BLACKLISTED = "blacklisted"
    NOT_LISTED = "not_listed"

    @property
    def quotes(self) -> bool:
        """Whether new quotes may be made; the others are drained."""
        return self in {Phase.ACTIVE, Phase.PROBATION}

    @property
    def is_operators(self) -> bool:
        """Whether the configuration says it."""
        return self in {Phase.BLACKLISTED, Phase.NOT_LISTED}


class Standing(msgspec.Struct, frozen=True):
    """One symbol between two rebalances; times are ms.

    `weight` None: none was given yet. `moving`: a change was begun and is walked to its end. `apart` counts rebalances
    in a row that the target was away on one side, with its sign, without a move. `until_ms` ends a ban or a probation.
    `breach_ms` is since when the loss lasts, `breach_samples` how many samples there were then, or when a probation
    began. `floor_ms` is since when the weight is the least one, `probe_until_ms` ends a trial. `behind_ms` is since
    when the score is below the peers'; after two hours of that, `recovering` counts the rebalances in which the score
    is level with them and the weight is not.
    """

    phase: Phase = Phase.ACTIVE
    weight: float | None = None
    target: float = 1.0
    moving: bool = False
    apart: int = 0
    until_ms: int = 0
    bans: int = 0
    freed_ms: int = 0
    breach_ms: int | None = None
    breach_samples: int = 0
    floor_ms: int | None = None
    probe_until_ms: int = 0
    behind_ms: int | None = None
    recovering: int = 0


def judged(standing: Standing, symbol: str, score: SymbolScore, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Return where a symbol stands now, by the operator's lists and by its own results."""
    listed = listed_phase(symbol, settings)
    if listed is not None:
        return standing if standing.phase is listed else replace(standing, phase=listed, weight=None, moving=False)
    if standing.phase.is_operators:
        standing = Standing(bans=standing.bans, freed_ms=standing.freed_ms)
    if not settings.bans:
        return standing
    if standing.phase is Phase.BANNED:
        return _on_probation(standing, score, now_ms, settings) if now_ms >= standing.until_ms else standing
    if standing.phase is Phase.PROBATION:
        return _after_probation(standing, score, now_ms, settings) if now_ms >= standing.until_ms else standing
    return _watched(standing, score, now_ms, settings)


def listed_phase(symbol: str, settings: AllocatorSettings) -> Phase | None:
    """Return what the operator's lists make of a symbol, None where they leave it alone."""
    if settings.whitelist and symbol not in settings.whitelist.split():
        return Phase.NOT_LISTED
    return Phase.BLACKLISTED if symbol in settings.blacklist.split() else None


def _watched(standing: Standing, score: SymbolScore, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Follow how long an active symbol loses, and ban it when that was long enough."""
    net = score.net_bps
    if net is None or net > settings.auto_blacklist_clear_bps:
        return standing if standing.breach_ms is None else replace(standing, breach_ms=None)
    if net >= settings.auto_blacklist_net_bps:
        return standing
    if standing.breach_ms is None:
        return replace(standing, breach_ms=now_ms, breach_samples=score.net_samples)
    lasted = now_ms - standing.breach_ms >= settings.auto_blacklist_window_min * MINUTE_MS
    if lasted and score.net_samples - standing.breach_samples >= settings.auto_blacklist_samples:
        return banned(standing, now_ms, settings)
    return standing


def banned(standing: Standing, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Return a symbol that is banned from now on, twice as long for each repeat."""
    repeats = standing.bans if now_ms - standing.freed_ms < _FORGIVEN_MS else 0
    minutes = settings.ban_max_min
    if repeats < settings.ban_max_min.bit_length():
        minutes = min(minutes, settings.ban_min << repeats)
    until_ms = now_ms + minutes * MINUTE_MS
    return Standing(phase=Phase.BANNED, until_ms=until_ms, bans=repeats + 1, freed_ms=until_ms)


def _on_probation(standing: Standing, score: SymbolScore, now_ms: int, settings: AllocatorSettings) -> Standing:
    return replace(
        standing,
        phase=Phase.PROBATION,
        weight=settings.probation_weight,
        until_ms=now_ms + settings.probation_min * MINUTE_MS,
        breach_samples=score.net_samples,
    )


def _after_probation(standing: Standing, score: SymbolScore, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Judge a probation by what it brought; one that brought nothing goes on, or no quiet symbol would ever return."""
    if score.net_bps is None or score.net_samples == standing.breach_samples:
        return replace(standing, until_ms=now_ms + settings.probation_min * MINUTE_MS)
    if score.net_bps > settings.reinstate_net_bps:
        return freed(standing, now_ms, settings)
    return banned(standing, now_ms, settings)


def freed(standing: Standing, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Return a symbol that trades again, at the weight of one reinstated and on its way to what it earns."""
    return Standing(weight=settings.reinstated_weight, moving=True, bans=standing.bans, freed_ms=now_ms)
