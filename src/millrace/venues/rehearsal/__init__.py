"""The rehearsal venue: the simulated exchange as a process of its own, spoken to over a socket."""
