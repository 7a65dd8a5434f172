"""Knobs of what the arbitrage desk decides with: economics of execution, stakes, gates, exposure (arb 7 to 10, 16).

A row names what a knob means, its unit and its limits; the default is that of the record which reads it, so a figure
stands in one place. Whatever is set, an overlay only shrinks a stake, and nothing loosens by itself.
"""

from collections.abc import Iterable

import msgspec

from millrace.config.knob import Knob, knob
from millrace.risk.exposure import ExposureSettings
from millrace.sizing.stake_settings import StakeSettings
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.gates.settings import GateSettings

_Row = tuple[str, str, str, str, float | None, float | None]
"""Name, unit, meaning, section of the contract, lowest and highest value."""

_ECONOMICS: tuple[_Row, ...] = (
    ("queue_depth_factor", "", "how many times the size the book must show for a taker to be sure", "7.2", 0.1, 10),
    ("fill_half_life_sec", "s", "age at which a quote is worth half to a taker", "7.2", 1, None),
    ("spread_weight", "", "how much of a taker's chance one dollar of spread costs", "7.2", 0, 10),
    ("spread_floor", "", "share of a taker's chance that the widest spread leaves", "7.2", 0, 1),
    ("transform_penalty", "", "what a turned bid costs a taker's chance where a venue has two books", "7.2", 0, 1),
    ("arrival_prior_per_min", "fills", "fills per minute and level where nobody knows", "7.3", 0, None),
    ("queue_half_life_sec", "s", "age at which what is known of a queue is worth half", "7.3", 0.1, None),
    ("latency_sec", "s", "how long an order travels", "7.3", 0, 60),
    ("queue_kept_share", "", "share of the queue ahead that does not cancel", "7.3", 0, 1),
    ("adverse_prior", "", "share of the half spread that a maker's fills lose until they are measured", "7.4", 0, 1),
    ("maker_spread", "USD", "a leg rests only in a spread of at least this", "7.5", 0, 1),
    ("maker_fill", "", "a leg rests only with at least this chance to fill", "7.5", 0, 1),
    ("max_adverse", "", "a leg does not rest above this score of adverse selection", "7.5", 0, 1),
    ("maker_advantage", "USD", "what a maker saves at least against the taker, fees counted", "7.5", 0, 1),
    ("allow_parallel_makers", "", "more than one maker leg of a basket may rest at a time", "7.6", None, None),
    ("correlation", "", "correlation of the fills of one venue's legs", "8.1", 0, 1),
    ("impact_factor", "USD", "impact per contract of taking the whole visible depth", "8.5", 0, 1),
    ("impact_exponent", "", "exponent of the impact curve", "8.5", 0.5, 2),
    ("depth_share", "", "share of a leg's visible depth that a basket takes at most", "9.10", 0.01, 1),
    ("least_depth", "contracts", "a leg that shows fewer is not traded", "8.5", 0, None),
    ("least_fills", "fills", "fills from which an impact curve is learned", "8.5", 2, None),
    ("prior_weight", "fills", "how many fills the prior of the impact weighs", "8.5", 0, None),
    ("hold_charge", "USD", "charge per naked contract beyond its fair value", "8.3", 0, 1),
    ("divergence_intra", "", "chance that one market's two sides pay against the proof", "4.7", 0, 1),
    ("divergence_structural", "", "the same for rules within one venue", "4.7", 0, 1),
    ("divergence_strict", "", "the same for strictly mapped markets of two venues", "4.7", 0, 1),
    ("divergence_fallback", "", "the same for fallback mappings", "4.7", 0, 1),
    ("lock_rate_per_year", "", "what locked capital costs in a year", "9.8", 0, 1),
    ("calibration_window", "baskets", "forecasts kept per group", "8.7", 10, 10_000),
    ("calibration_least", "baskets", "outcomes from which a group's calibration counts", "8.7", 2, 1_000),
    ("fill_bias_alert", "", "bias of fill chances that alerts", "8.7", 0, 1),
    ("slippage_bias_alert", "USD", "bias of slippage per contract that alerts", "8.7", 0, 1),
    ("pnl_bias_alert", "USD", "bias of profit per basket that alerts", "8.7", 0, None),
)
_STAKE: tuple[_Row, ...] = (
    ("kelly_share", "", "share of the growth-optimal stake that is used", "9.2", 0, 1),
    ("venue_cash_share", "", "share of a venue's cash that one basket may take there", "9.2", 0, 1),
    ("max_uncertainty", "", "relative error of the edge above which nothing is traded", "9.3", 0, None),
    ("least_confidence", "", "confidence below which nothing is traded", "9.3", 0, 1),
    ("uncertainty_mapped", "", "relative error of an edge between mapped markets", "9.3", 0, None),
    ("uncertainty_fallback", "", "the same for fallback mappings", "9.3", 0, None),
    ("uncertainty_unlabelled", "", "the same for rules without a label", "9.3", 0, None),
    ("uncertainty_age", "", "the same at the greatest age that is allowed", "9.3", 0, None),
    ("uncertainty_new", "", "the same of a lane without outcomes; falls with the root of their number", "9.3", 0, None),
    ("variance_share", "", "haircut per unit deviation of returns per dollar risked", "9.4", 0, None),
    ("variance_outcomes", "baskets", "outcomes that the deviation is taken of", "9.4", 2, 1_000),
    ("loss_share_low", "", "share of the bankroll that a basket without confidence may lose", "9.5", 0, 1),
    ("loss_share_high", "", "the same with full confidence", "9.5", 0, 1),
    ("loss_most_usd", "USD", "what one basket may lose at most", "9.5", 0, None),
    ("loss_least_usd", "USD", "a smaller budget is no trade", "9.5", 0, None),
    ("drawdown_trades", "baskets", "ended baskets after which a drawdown tier is left", "9.6", 1, None),
    ("drawdown_hours", "h", "hours after which a drawdown tier is left", "9.6", 0, None),
    ("lane_fraction", "", "share of the bankroll of a lane without outcomes", "9.7", 0, 1),
    ("lane_least", "", "least share of a lane that does not lose", "9.7", 0, 1),
    ("lane_most", "", "greatest share of a lane", "9.7", 0, 1),
    ("lane_outcomes", "baskets", "outcomes that a lane's score is made of", "9.7", 10, 10_000),
    ("lane_least_outcomes", "baskets", "outcomes below which a lane keeps its first share", "9.7", 2, None),
    ("lane_loser_outcomes", "baskets", "outcomes from which a lane may be found to lose", "9.7", 2, None),
    ("lane_smoothing", "", "weight of the newest score", "9.7", 0, 1),
    ("lane_mean_weight", "", "weight of steadiness in the score; the rest is the hit rate", "9.7", 0, 1),
    ("lock_per_hour", "", "second brake: share taken per hour of lock", "9.8", 0, 1),
    ("lock_most", "", "second brake: the most it takes", "9.8", 0, 1),
    ("lock_brake", "", "the second brake for locked capital is on", "9.8", None, None),
    ("longest_lock_hours", "h", "capital is not locked for longer", "9.8", 1, None),
    ("looks", "looks", "looks from which the median edge counts, before that the worst", "9.9", 1, 9),
    ("look_window_sec", "s", "how far back looks count", "9.9", 0.1, None),
    ("outlier_score", "", "modified z-score from which a look blocks", "9.9", 0, None),
    ("outlier_alert", "looks", "outliers in a row that alert", "9.9", 1, None),
    ("growth_per_look", "", "how much a size may grow from one look to the next", "9.9", 0, None),
    ("trade_usd", "USD", "cost of one basket at most", "9.11", 0, None),
    ("trade_contracts", "contracts", "size of one basket at most", "9.11", 0, None),
    ("cluster_share", "", "share of the bankroll that one cluster may hold", "9.11", 0, 1),
    ("cluster_penalty", "", "how much a full cluster takes of a stake", "9.11", 0, 1),
    ("fallback_size", "", "size of fallback trades against others", "14.2", 0, 1),
)
_GATES: tuple[_Row, ...] = (
    ("min_edge", "USD", "least net edge per dollar of floor", "10", None, 1),
    ("min_profit_usd", "USD", "least expected profit of a basket; 0 to discover", "9.11", None, None),
    ("min_fill", "", "least chance that all legs fill", "10", 0, 1),
    ("min_quality", "", "share of the edge that may be lost when something fills, as a negative number", "10", -10, 0),
    ("min_realized_usd", "USD", "least expected realized profit of a basket", "10", None, None),
    ("sanity_edge", "USD", "an edge per dollar of floor above this is presumed a mapping error", "4.8", 0, 1),
    ("micro_low", "USD", "prices below are micro-prices", "10", 0, 1),
    ("micro_high", "USD", "prices above are micro-prices", "10", 0, 1),
    ("micro_contracts", "contracts", "a micro-price with fewer contracts is not traded", "10", 0, None),
    ("moved_ticks", "ticks", "a price that moved further just now is not traded", "10", 0, None),
    ("moved_sec", "s", "how long ago just now is", "10", 0, None),
    ("quote_age_sec", "s", "greatest age of the oldest leg, whatever the firewall allows", "2.5", 0.1, None),
    ("strict_confidence", "", "least confidence of a strict mapping", "14.2", 0, 1),
    ("fallback_confidence", "", "least confidence of a fallback mapping", "14.2", 0, 1),
    ("fallback", "", "fallback mappings may trade", "14.2", None, None),
    ("bucket_legs", "legs", "most legs of a bucket; 0 without a limit", "10", 0, None),
    ("bucket_failures", "baskets", "failed buckets in a row that stop the lane for the session", "10", 1, None),
    ("near_tightens", "", "a resolution within 7 days tightens the thresholds", "9.13", None, None),
    ("far_loosens", "", "a resolution after 30 days loosens the thresholds", "9.13", None, None),
    ("ranking_seed", "", "seed of the draws that rank buckets", "10", 0, None),
    ("overrides", "", "lane by lane: LANE NAME VALUE ...; LANE NAME VALUE ...", "10", None, None),
)
_EXPOSURE: tuple[_Row, ...] = (
    ("total_usd", "USD", "capital at risk in all", "16", 0, None),
    ("venue_usd", "USD", "capital at risk at one venue", "16", 0, None),
    ("category_usd", "USD", "capital at risk in one category", "16", 0, None),
    ("market_usd", "USD", "capital at risk in one market", "16", 0, None),
    ("positions", "baskets", "open baskets in all", "16", 0, None),
    ("venue_share", "", "share of the total limit at one venue", "16", 0, 1),
    ("category_share", "", "share of the total limit in one category", "16", 0, 1),
    ("lane_positions", "baskets", "open baskets of one lane", "16", 0, None),
    ("family_positions", "baskets", "open baskets of one family", "16", 0, None),
    ("open_markets", "markets", "open markets at one venue", "16", 0, None),
    ("reserved_markets", "markets", "of these, so many are not for the intra lane", "16", 0, None),
    ("cluster_positions", "baskets", "open baskets of one cluster", "9.11", 0, None),
)


def _knobs(section: str, record: msgspec.Struct, rows: Iterable[_Row]) -> Iterable[Knob]:
    for name, unit, meaning, spec, low, high in rows:
        yield knob(
            f"{section}.{name}", "", getattr(record, name), unit, meaning, low=low, high=high, spec=f"arb {spec}"
        )


DECIDE_KNOBS: tuple[Knob, ...] = (
    *_knobs("arb_economics", EconomicsSettings(), _ECONOMICS),
    *_knobs("arb_stake", StakeSettings(), _STAKE),
    *_knobs("arb_gates", GateSettings(), _GATES),
    *_knobs("arb_exposure", ExposureSettings(), _EXPOSURE),
)
