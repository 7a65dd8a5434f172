"""Knobs of what the arbitrage desk believes of markets on several venues: mappings, and dependencies that it finds.

Confidences, the fallback switch and the edge that is too good stand with the gates (`knobs_arb_decide`), which ask for
them too, so that no figure has two names.
"""

from millrace.config.knob import ArbRow, Knob, arb_knobs
from millrace.strategies.arb.discovery.records import DiscoverySettings
from millrace.strategies.arb.mapping.settings import MappingSettings

_MAPPING: tuple[ArbRow, ...] = (
    ("strict_signals", "", "agreeing signals that a strict mapping needs beside a person", "14.2", 1, 4),
    ("review_confidence", "", "a review below this takes a mapping away", "14.5", 0, 1),
    ("stale_sec", "s", "a mapping that was not compared for so long does not trade", "14.2", 60, None),
    ("verify_sec", "s", "how often the desk compares what it knows of the venues' words", "14.2", 10, 3_600),
    ("text_similarity", "", "least similarity of two titles", "14.1", 0, 1),
    ("runner_up_gap", "", "a second choice that is nearer than this makes a pair ambiguous", "14.1", 0, 1),
    ("rare_word", "markets", "a word that more markets of a venue have is not looked up", "14.1", 1, None),
    ("close_within_sec", "s", "mapped markets close within so long of each other", "14.2", 0, None),
    ("overlap_share", "", "or are open together for this share of their time", "14.2", 0, 1),
    ("paired_mids", "samples", "paired prices from which coherence is judged", "14.2", 2, 64),
    ("paired_sec", "s", "time that the paired prices span at least", "14.2", 0, 3_600),
    ("coherent_gap", "USD", "median gap up to which two prices are coherent", "14.2", 0, 1),
    ("correlation", "", "least correlation once a price has moved", "14.2", -1, 1),
    ("moved", "USD", "a price that moved further has moved", "14.2", 0, 1),
    ("blocked_gap", "USD", "median gap above which a mapping is blocked", "14.3", 0, 1),
    ("blocked_edge", "USD", "edge that blocks a mapping when it stands", "14.3", 0, 1),
    ("blocked_edge_sec", "s", "how long it has to stand", "14.3", 0, None),
    ("drift", "", "loss of similarity since the approval that blocks", "14.3", 0, 1),
    ("unlisted_sec", "s", "a market that is not listed for so long does not trade", "14.3", 0, None),
    ("unlisted_error_sec", "s", "and is an error after so long", "14.3", 0, None),
    ("sample_sec", "s", "time between two samples of paired prices", "14.2", 1, 3_600),
    ("mid_age_sec", "s", "an older price is not paired", "14.2", 1, None),
)
_DISCOVERY: tuple[ArbRow, ...] = (
    ("text", "", "least Jaccard of two titles", "15", 0, 1),
    ("correlation", "", "least correlation of price changes", "15", 0, 1),
    ("points", "samples", "changes from which a correlation counts", "15", 2, None),
    ("changes", "samples", "of these, how many differ from zero in both prices", "15", 1, None),
    ("combined", "", "least score: half words, half movement", "15", 0, 1),
    ("most", "proposals", "proposals of one run at most", "15", 1, 1_000),
    ("rare_word", "markets", "a word that more markets have does not bring two together", "15", 1, None),
    ("rejected_days", "d", "a rejected pair is not proposed again for so long", "15", 0, None),
    ("paper_observations", "looks", "looks on paper before an approved proposal trades", "15", 1, None),
    ("sample_sec", "s", "time between two points of the common clock", "15", 1, None),
    ("same_price", "USD", "slack of prices when a relation is guessed or watched", "15", 0, 1),
)
MAPPING_KNOBS: tuple[Knob, ...] = (
    *arb_knobs("arb_mapping", MappingSettings(), _MAPPING),
    *arb_knobs("arb_discovery", DiscoverySettings(), _DISCOVERY),
)
