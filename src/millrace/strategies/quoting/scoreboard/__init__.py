"""How well each symbol pays: what its windows of time brought, averaged into one score (quoting 6)."""
