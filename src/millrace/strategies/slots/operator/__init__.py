"""What an operator may ask of a running grid (slots 9, 10, 18)."""
