"""Millrace: one trading engine, three strategies.

The package itself holds nothing but its version; `millrace.cli` is the way in.
"""

__version__ = "0.1.0"
