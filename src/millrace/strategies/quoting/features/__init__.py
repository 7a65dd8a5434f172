"""What is known of one symbol: reducers over its own events, one snapshot of them each time a tick asks (quoting 3)."""
