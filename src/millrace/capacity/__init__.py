"""What limits how fast we may act: call budgets now; governor, poll scheduler and watchdogs join them. Pure."""
