"""What a place in a queue is worth: the chance that our turn comes before the price leaves, against being run over.

An order at the back of a better price may be worth less than one that has waited at a worse one (quoting 4.5, after
Moallemi and Yuan). The chances follow from two calibrated rates: how fast trades eat a queue, and how often the middle
moves away; while nobody has measured them the queue stage asks percentiles instead.
"""

from math import exp

from millrace.core.instrument import Lots
from millrace.strategies.quoting.settings import QueueSettings


def fill_chance(ahead: Lots, lots_per_sec: float, moves_per_sec: float) -> float:
    """Return the chance that `ahead` lots trade before the middle moves away, which it does at random times."""
    return exp(-moves_per_sec * ahead / lots_per_sec)


def place_value_bps(ahead: Lots, edge_bps: float, lots_per_sec: float, cfg: QueueSettings) -> float:
    """Return what an order earns in the mean, in bps of its size, with `ahead` lots before it and `edge_bps` a fill.

    When the middle moves first, it moves through the order with the share `adverse_share`, and the fill loses.
    """
    chance = fill_chance(ahead, lots_per_sec, cfg.moves_per_sec)
    return chance * edge_bps - (1.0 - chance) * cfg.adverse_share * cfg.adverse_loss_bps
