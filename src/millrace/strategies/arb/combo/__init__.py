"""The lane that nobody has: the best basket over all rules that bind a set of markets, with a proof that is checked.

It reports and does not trade. What a solver finds counts for nothing until integers have proved it again.
"""
