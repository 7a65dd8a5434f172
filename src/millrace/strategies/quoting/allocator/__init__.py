"""How much each symbol may do: weights from scores, who is left out, and whether all of it is fair (quoting 7)."""
