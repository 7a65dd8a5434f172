"""Trading strategies; each folder is one strategy and strategies do not import each other."""
