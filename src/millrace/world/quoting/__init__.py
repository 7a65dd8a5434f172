"""What the quote desk adds to a program: its markets, their feed, its knobs' way in, and how it looks in a terminal."""
