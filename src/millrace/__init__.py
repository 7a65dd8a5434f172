"""Millrace: one trading engine, three strategies."""
