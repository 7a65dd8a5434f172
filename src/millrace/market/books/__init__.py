"""Order books of instruments: kept exact, verified, and served only while they are known to be the venue's."""
