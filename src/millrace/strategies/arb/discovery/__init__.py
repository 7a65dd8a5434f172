"""Dependencies between markets that nobody has written down: found, proposed with evidence, decided by a person."""
