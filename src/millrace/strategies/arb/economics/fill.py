"""How likely one leg fills: as taker from what the book shows, as maker from what trades and who stands before us.

A taker's chance falls with the quote's age and its spread; a half-life is a half-life. A maker fills only after the
queue before it has been eaten, so more size at our level means a lower chance, never a higher one (arb 7.2, 7.3).
"""

from math import exp, log

from millrace.strategies.arb.economics.settings import EconomicsSettings

_LN2 = log(2)


def taker_fill(
    contracts: float,
    available: float,
    age_sec: float,
    spread: float,
    settings: EconomicsSettings,
    *,
    turned_elsewhere: bool = False,
) -> float:
    """Return the chance that a taker leg fills whole (arb 7.2).

    `available` are the contracts up to the limit, `spread` dollars. `turned_elsewhere`: the price is the other
    outcome's bid turned over, on a venue whose two books are not one.
    """
    if contracts <= 0 or available <= 0:
        return 0.0
    depth = min(1.0, available / (contracts * settings.queue_depth_factor))
    fresh = exp(-_LN2 * max(age_sec, 0.0) / settings.fill_half_life_sec)
    tight = max(1 - settings.spread_weight * max(spread, 0.0), settings.spread_floor)
    return depth * fresh * tight * (1 - settings.transform_penalty if turned_elsewhere else 1.0)


def maker_fill(
    contracts: float,
    queue_ahead: float,
    horizon_sec: float,
    arrival_per_min: float | None,
    settings: EconomicsSettings,
    *,
    age_sec: float = 0.0,
    burst: float = 1.0,
) -> float:
    """Return the chance that a resting order fills whole within the horizon (arb 7.3).

    `burst` is the mean of squared trade sizes over the mean size: contracts that come one by one (1) are Poisson's,
    larger trades a gamma variable of the same mean and variance.

    `queue_ahead` are the contracts that stand before us, at our price or a better one; `arrival_per_min` the contracts
    that trade at or through our price in a minute, None when unknown. What is known fades with the half-life of queue
    information towards the prior; while the order travels nothing fills.
    """
    if contracts <= 0:
        return 0.0
    from scipy.special import gammainc, gammaincc  # noqa: PLC0415  see joint_fill

    prior = settings.arrival_prior_per_min
    weight = exp(-_LN2 * (max(age_sec, 0.0) + settings.latency_sec) / settings.queue_half_life_sec)
    rate = prior if arrival_per_min is None else weight * arrival_per_min + (1 - weight) * prior
    volume = rate * max(horizon_sec - settings.latency_sec, 0.0) / 60
    ahead = queue_ahead * settings.queue_kept_share
    if volume <= 0:
        return 0.0
    if burst > 1:
        return float(gammaincc(volume / burst, (ahead + contracts) / burst))
    return float(gammainc(ahead + contracts, volume))
