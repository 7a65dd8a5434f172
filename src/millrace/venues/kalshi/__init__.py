"""Facts of Kalshi's markets."""
