"""How far back the reducers look, and how fine their grids are.

The defaults are the contract's (quoting 3); what the compat profile wants otherwise stands in `compat`. A window of
time slides on its grid, so that memory is bounded however fast events come.
"""

import msgspec


class FeatureSettings(msgspec.Struct, frozen=True):
    """Windows of the features; seconds and milliseconds as the names say.

    `book_levels` travel to the stages, `depth_levels` are looked at for depth and imbalance. A `latency_expiry_sec` of
    0 lets latencies never expire, which is the reference's way.
    """

    depth_levels: int = 5
    book_levels: int = 10
    vol_half_life_sec: int = 60
    vol_window_sec: int = 60
    stdev_mids: int = 20
    latency_samples: int = 100
    latency_expiry_sec: int = 60
    pnl_samples: int = 60
    pnl_window_min: int = 60
    taker_window_sec: int = 900
    trade_window_sec: int = 60

    @classmethod
    def compat(cls) -> "FeatureSettings":
        """Return what the golden vectors were made with."""
        return cls(latency_expiry_sec=0)
