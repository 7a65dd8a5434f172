"""How large an order is: pure statistics and arithmetic, in floats, rounded later by whoever places the order."""
