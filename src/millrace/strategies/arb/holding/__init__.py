"""When what is held is left before it pays, and for which reason (arb 12)."""
