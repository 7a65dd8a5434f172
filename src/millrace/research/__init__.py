"""Offline work: reading recordings, and saying what a run showed."""
