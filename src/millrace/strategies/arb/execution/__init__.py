"""How a basket's legs follow each other and how one that comes out uneven is put right (arb 11)."""
