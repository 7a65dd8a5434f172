"""The sticky two-leg slot grid: model, pure reducer, and the rules around it."""
