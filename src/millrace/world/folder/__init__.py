"""A run on disk: what lies in its folder, and how it goes on from there after any end."""
