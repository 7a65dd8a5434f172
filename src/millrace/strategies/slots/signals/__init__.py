"""What closed bars and recent prices say: direction, momentum gate, bands, profit target (slots 5.4, 12)."""
