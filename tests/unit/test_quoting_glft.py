"""The inventory model against its origins, its calibration against a market that is known, and in the pipeline (4.2)."""

from math import exp, log, sqrt

import msgspec
import numpy as np
import pytest

from millrace.core.failure import WorldError
from millrace.strategies.quoting.calibration import Intensity, aversion_for_limit, fitted_intensity
from millrace.strategies.quoting.glft import GlftModel, half_distances
from millrace.strategies.quoting.model import SkewReason, SpreadReason
from quoting_tick import LIVE, TERMS, features, ticked

MODEL = GlftModel(fills_per_sec=0.5, decay_per_bps=0.4, aversion=0.02)
VOL = 0.8


def test_the_formula_of_the_contract() -> None:
    fills, decay, aversion = MODEL
    lean = sqrt(VOL**2 * aversion / (2 * decay * fills) * (1 + aversion / decay) ** (1 + decay / aversion))
    for held in (-3.0, 0.0, 2.5):
        bid, ask = half_distances(MODEL, held, VOL)
        assert bid == pytest.approx(log(1 + aversion / decay) / aversion + (2 * held + 1) / 2 * lean, rel=1e-12)
        assert ask == pytest.approx(log(1 + aversion / decay) / aversion - (2 * held - 1) / 2 * lean, rel=1e-12)


def test_avellaneda_and_stoikov_at_their_end_of_day() -> None:
    """Oracle: r = mid - q g s^2 (T-t) and total = g s^2 (T-t) + (2/g) ln(1+g/k); at T both models ask for the same."""
    _, decay, aversion = MODEL

    def stoikov(held: float, left: float) -> tuple[float, float]:
        total = aversion * VOL**2 * left + 2 / aversion * log(1 + aversion / decay)
        shift = held * aversion * VOL**2 * left
        return total / 2 + shift, total / 2 - shift

    assert half_distances(MODEL, 2.0, 0.0) == pytest.approx(stoikov(2.0, 0.0), rel=1e-12)
    for held in (-4.0, 1.0, 3.0):
        ours, theirs = half_distances(MODEL, held, VOL), stoikov(held, 10.0)
        assert (ours[0] > ours[1]) == (theirs[0] > theirs[1]) == (held > 0)
        assert sum(ours) == pytest.approx(sum(half_distances(MODEL, 0.0, VOL)), rel=1e-12), "width knows no inventory"


def test_the_stationary_problem_solved_as_a_matrix() -> None:
    """Oracle: the quotes follow from the ground state of the model's matrix, of which the formula is the limit."""
    fills, decay, aversion = MODEL
    most = 60
    held = np.arange(-most, most + 1)
    coupling = fills * (1 + aversion / decay) ** (-(1 + decay / aversion))
    matrix = np.diag(decay * aversion / 2 * VOL**2 * held.astype(float) ** 2)
    matrix -= coupling * (np.eye(len(held), k=1) + np.eye(len(held), k=-1))
    ground = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    base = log(1 + aversion / decay) / aversion
    for q in (-2, 0, 1, 3):
        here = q + most
        bid, ask = half_distances(MODEL, q, VOL)
        assert bid == pytest.approx(base + log(ground[here] / ground[here + 1]) / decay, rel=0.03)
        assert ask == pytest.approx(base + log(ground[here] / ground[here - 1]) / decay, rel=0.03)


def test_a_known_market_is_found_again() -> None:
    distances = [0.5 * n for n in range(12)]
    fills = [round(3_600 * 0.7 * exp(-0.6 * d)) for d in distances]
    found = fitted_intensity(distances, fills, 3_600.0)
    assert found.fills_per_sec == pytest.approx(0.7, rel=0.01)
    assert found.decay_per_bps == pytest.approx(0.6, rel=0.01)
    assert found.r_squared > 0.999


def test_distances_with_many_fills_outweigh_those_with_few() -> None:
    """One fill far out where none was due must not bend the line."""
    distances = [0.0, 1.0, 2.0, 3.0, 20.0]
    fills = [round(100_000 * exp(-0.8 * d)) for d in distances[:4]] + [1]
    assert fitted_intensity(distances, fills, 1_000.0).decay_per_bps == pytest.approx(0.8, rel=0.02)


@pytest.mark.parametrize(
    ("fills", "seconds", "words"),
    [
        ([5, 0, 3], 10.0, "2 distances had fills"),
        ([5, 4, 3], 0.0, "count for longer"),
        ([3, 4, 5], 10.0, "do not get fewer"),
    ],
)
def test_counts_that_say_nothing_are_refused(fills, seconds, words) -> None:
    with pytest.raises(WorldError, match=words):
        fitted_intensity([1.0, 2.0, 3.0], fills, seconds)


def test_the_aversion_of_a_limit_puts_the_reducing_side_at_the_middle() -> None:
    intensity = Intensity(0.5, 0.4, 1.0)
    found = [aversion_for_limit(intensity, VOL, limit) for limit in (5.0, 10.0, 40.0)]
    assert found == sorted(found, reverse=True), "a smaller limit dislikes inventory more"
    for limit, aversion in zip((5.0, 10.0, 40.0), found, strict=True):
        _, ask = half_distances(GlftModel(0.5, 0.4, aversion), limit, VOL)
        assert ask == pytest.approx(0.0, abs=1e-9)
    for vol, limit in ((0.0, 5.0), (VOL, 0.5)):
        with pytest.raises(WorldError):
            aversion_for_limit(intensity, vol, limit)


def glft(**changes: float) -> object:
    spread = msgspec.structs.replace(
        LIVE.adaptive_spread, model="glft", glft_fills_per_sec=0.5, glft_decay_per_bps=0.4, glft_aversion=0.02,
        max_spread_bps=50.0, **changes,
    )  # fmt: skip
    return msgspec.structs.replace(LIVE, adaptive_spread=spread)


def test_the_model_replaces_spread_and_inventory_in_the_pipeline() -> None:
    """Base size 100 USDT at 0.1: 1,000 coins are one; long two of them, both prices lean down by two leans."""
    context = ticked(features(position=2_000, inventory_pct=2.0, vol_bps_sqrt_sec=VOL), config=glft()).context
    size = 100.0 / context.features.book.mid_price
    bid, ask = half_distances(MODEL, 2_000 / size, VOL)
    assert context.spread.reason is SpreadReason.GLFT
    assert context.spread.spread_bps == pytest.approx(bid + ask, rel=1e-9)
    lean = (bid - ask) / 2
    assert context.inventory.reason is SkewReason.SKEW
    assert context.inventory.bid_adjustment_bps == pytest.approx(-lean, rel=1e-9)
    assert context.inventory.ask_adjustment_bps == pytest.approx(-lean, rel=1e-9)
    assert context.inventory.bid_scale == pytest.approx(0.98)


def test_limits_and_the_fee_floor_hold_for_the_model_too() -> None:
    wide = ticked(features(vol_bps_sqrt_sec=VOL), config=glft(min_spread_bps=40.0)).context.spread
    assert wide.spread_bps == 40.0
    terms = msgspec.structs.replace(TERMS, maker_fee_bps=30.0)
    from quoting_tick import book

    floored = ticked(features(book(terms=terms), vol_bps_sqrt_sec=VOL), config=glft()).context.spread
    assert (floored.spread_bps, floored.floor_binding) == (pytest.approx(60.2), True)
    far = ticked(features(position=90_000, inventory_pct=9.0, vol_bps_sqrt_sec=8.0), config=glft()).context
    assert far.spread.half_ask_bps == 0.0, "never past the middle"
    assert far.spread.half_bid_bps == far.spread.spread_bps


def test_without_a_known_volatility_the_additive_width_is_quoted() -> None:
    assert ticked(features(vol_bps_sqrt_sec=None), config=glft()).context.spread.reason is SpreadReason.ADAPTIVE
