"""A simulated venue of binary markets, and universes of linked markets to trade there."""
