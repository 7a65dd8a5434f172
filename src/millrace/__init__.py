"""Millrace: one trading engine, three strategies."""

__version__ = "0.1.0"
