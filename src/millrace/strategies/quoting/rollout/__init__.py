"""How symbols move from the frozen quoter to the pipeline, step by step, and back at once when a gate says so."""
