"""The six stages of a tick, each a pure function of what it reads."""
