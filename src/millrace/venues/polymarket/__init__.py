"""Facts of Polymarket's markets."""
