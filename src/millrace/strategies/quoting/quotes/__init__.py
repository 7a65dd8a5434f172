"""Orders of a symbol: what is wanted against what rests, how much may leave, and what is taken back at once."""
