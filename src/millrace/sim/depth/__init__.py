"""Order books in depth: generated markets, and a venue at which our orders stand in their queues."""
