"""Releasing exits that wait for too long: gates, one release from cancel to booking, tiers (slots 11)."""
