"""Vocabulary and kernel: events, commands, ids, exact money, the clock protocol, the step and the codec. Pure."""
