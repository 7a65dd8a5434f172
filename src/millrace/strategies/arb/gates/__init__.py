"""What must hold before a plan may exist: every gate, every reason, in one fixed order."""
