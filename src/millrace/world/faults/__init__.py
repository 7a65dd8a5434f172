"""Simulated worlds that go wrong: what breaks, the premises it breaks, and who judges."""
