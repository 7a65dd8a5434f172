"""One slot as a pure function of its state and an event: what it places, cancels and books (slots 1 to 3, 6)."""
