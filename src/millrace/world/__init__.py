"""The assembled program in one process under one seed: engine, executor, simulated clock and venues."""
