"""How large an entry is: base, layers, shares of free money, rebalancing, floor (slots 8, 13)."""
