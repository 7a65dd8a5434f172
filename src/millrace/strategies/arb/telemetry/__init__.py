"""What the desk writes down for people and reports: its decisions, the lives and the ends of its baskets."""
