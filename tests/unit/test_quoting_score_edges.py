"""What a window of a symbol brought, and how a ban and a probation end, to the last unit (quoting 6, 7)."""

import pytest
from msgspec.structs import replace

from millrace.strategies.quoting.allocator.standing import MINUTE_MS, Phase, Standing, banned, judged
from millrace.strategies.quoting.scoreboard.board import SymbolScore
from millrace.strategies.quoting.scoreboard.window import ScoreWindow
from millrace.strategies.quoting.settings_growth import AllocatorSettings

CFG = AllocatorSettings(enabled=True)
HOUR_MS = 60 * MINUTE_MS


def score(net_bps: float | None, samples: int = 40) -> SymbolScore:
    return SymbolScore(0.5, 0.5, samples, samples, samples, net_bps, None, None, None, None)


def test_each_window_that_trades_counts_what_came_since_the_last_one_that_did() -> None:
    """6: net over what was traded, winsorised at 50 bps; what a quiet window won or lost comes with the next trade."""
    window = ScoreWindow()
    told = [(1, 1_000), (3, 2_000), (-1, 2_000), (2, 3_000), (1_000, 4_000), (-1_000, 5_000)]
    found = [window.close(total, traded, 50.0).net_bps for total, traded in told]
    assert found == [pytest.approx(10.0), pytest.approx(20.0), None, pytest.approx(-10.0), 50.0, -50.0]


@pytest.mark.parametrize(("net_bps", "phase"), [(-2.0, Phase.BANNED), (-1.9, Phase.ACTIVE), (-2.1, Phase.BANNED)])
def test_a_probation_ends_well_above_minus_2_only(net_bps: float, phase: Phase) -> None:
    """7: reinstated at 0.3 if the probation's mean is above -2.0, else banned again, for twice as long."""
    standing = Standing(phase=Phase.PROBATION, weight=0.1, until_ms=HOUR_MS, bans=1, freed_ms=1, breach_samples=30)
    assert judged(standing, "S", score(net_bps), HOUR_MS - 1, CFG) is standing
    after = judged(standing, "S", score(net_bps), HOUR_MS, CFG)
    assert after.phase is phase
    if phase is Phase.ACTIVE:
        assert (after.weight, after.moving, after.bans) == (0.3, True, 1)
    else:
        assert (after.until_ms, after.bans) == (3 * HOUR_MS, 2)


@pytest.mark.parametrize("known", [score(None), score(5.0, samples=30)])
def test_a_probation_that_brought_nothing_goes_on(known: SymbolScore) -> None:
    standing = Standing(phase=Phase.PROBATION, weight=0.1, until_ms=HOUR_MS, bans=1, breach_samples=30)
    after = judged(standing, "S", known, HOUR_MS, CFG)
    assert after == replace(standing, until_ms=HOUR_MS + 15 * MINUTE_MS)


def test_bans_double_up_to_a_day_and_a_day_without_one_forgives() -> None:
    """7: 60 min, doubling per repeat to 24 h."""
    standing, hours = Standing(), []
    for _ in range(14):
        now_ms = standing.freed_ms
        standing = banned(standing, now_ms, CFG)
        hours.append((standing.until_ms - now_ms) / HOUR_MS)
    assert hours == [1, 2, 4, 8, 16] + [24] * 9
    soon, late = standing.freed_ms + 24 * HOUR_MS - 1, standing.freed_ms + 24 * HOUR_MS
    assert banned(standing, soon, CFG).until_ms == soon + 24 * HOUR_MS
    assert banned(standing, late, CFG).until_ms == late + HOUR_MS


def test_a_list_of_the_operators_is_kept_apart_from_bans() -> None:
    """7: static and automatic lists are separate sets; who leaves the list is where its own results put it."""
    listed = AllocatorSettings(enabled=True, blacklist="S")
    before = Standing(weight=1.4, bans=2, freed_ms=5)
    out = judged(before, "S", score(5.0), 0, listed)
    assert (out.phase, out.weight, out.bans) == (Phase.BLACKLISTED, None, 2)
    assert judged(out, "S", score(-99.0), HOUR_MS, listed) is out
    back = judged(out, "S", score(5.0), HOUR_MS, CFG)
    assert (back.phase, back.weight, back.bans, back.freed_ms) == (Phase.ACTIVE, None, 2, 5)
