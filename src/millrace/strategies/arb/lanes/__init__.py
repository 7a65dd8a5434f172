"""Detection: every basket of the fixed lanes, screened in bulk or by the one quote that changed, then priced exactly.

A lane knows which baskets a rule makes and what they pay at least; none of them searches. The universe resolves all
rules to arrays once, so that a quote touches the baskets that contain its market and never the rest (arb 18).
"""
