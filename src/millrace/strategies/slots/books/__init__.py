"""What the grid earned, holds and left behind, and whether that agrees with ledger and account (slots 7)."""
