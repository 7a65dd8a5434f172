"""Kraken spot."""
