"""What the quote desk adds to a program: markets, feed, looks; what measures its ticks, and what moves its ramp."""
