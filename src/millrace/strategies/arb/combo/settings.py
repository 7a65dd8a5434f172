"""Bounds of the combination lane: how large a component it takes, and how long a solver may think, in nodes.

There is no limit in seconds: the same question has the same answer on a slow machine (design section 5.9).
"""

import msgspec


class ComboSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The combination lane. `reporting` switches it on for reports; there is no switch that lets it trade.

    Each `every_sec` so many `components` are searched in turn: 16 of a generated universe take 0.03 s of a core. With
    `processes` that happens in a process of its own.

    `most_levels` of each outcome's book are read, `most_rounds` times worlds are added at most, `min_net_usd` is what
    a basket has to earn for sure to be reported. The solver stops at a basket within the share `gap` of the best one;
    with a gap of 0 a large component takes a hundred times as long to gain its last cents.
    """

    reporting: bool = True
    processes: bool = False
    every_sec: float = 60.0
    components: int = 16
    most_markets: int = 64
    most_levels: int = 10
    most_nodes: int = 100
    most_rounds: int = 60
    gap: float = 0.01
    min_net_usd: float = 0.01
    skew_sec: float = 2.0
