"""Readers of what was recorded of prediction markets: books, quotes, prices, and what venues say of their markets."""
