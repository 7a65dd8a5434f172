"""Snapshots of a grid in and out, of ours and of the old bot (slots 17)."""
