"""What a person or a dashboard sees of the grid, and what it watches of itself (slots 15, 16, 18)."""
