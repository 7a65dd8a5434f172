"""A seeded venue and a seeded market in process, and market data as columns. No I/O; imports the pure folders only."""
