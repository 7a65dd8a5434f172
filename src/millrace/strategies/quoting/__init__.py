"""The quote desk: six pure stages that turn a symbol's features into orders, and what decides how much each earns."""
