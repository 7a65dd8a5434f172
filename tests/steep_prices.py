"""A firewall that takes every move of a spot price as it comes, for tests that let prices leap to make a point."""

from millrace.market.firewall_settings import FirewallSettings
from millrace.market.view import MarketView

ANY_MOVE = FirewallSettings(jump_spot_pct=1e9)


def steep_market() -> MarketView:
    """Return a market view whose prices may leap."""
    return MarketView(ANY_MOVE)
