"""What is known of how markets' outcomes hang together: rules, their labels and proofs, the file, the generator.

A rule supports only what holds in the weakest reading of its label, and it says who vouches for each part (arb 4, 5).
"""
