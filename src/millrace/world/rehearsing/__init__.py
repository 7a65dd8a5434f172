"""Program and simulated venue as two processes, killed and compared."""
