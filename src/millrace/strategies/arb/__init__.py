"""The arbitrage desk on prediction markets: lanes that find baskets, proofs of what they pay, sizing, execution.

Nothing here assumes a payout. A basket is worth its floor, the least that it pays in any world that the rules permit,
and everything downstream, edge, size and risk, uses the floor alone (arb 0).
"""
