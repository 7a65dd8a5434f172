"""The arbitrage desk in a program: its markets and venues, its quotes, its scans, its runs over recordings.

What every program has stands beside this folder; here is only what a desk adds.
"""
