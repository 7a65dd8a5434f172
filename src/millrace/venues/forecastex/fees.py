"""What ForecastEx contracts cost: nothing beyond the price.

The exchange earns its cent per matched pair inside the prices, YES and NO together at 1.01, and the broker takes no
commission; a fee on top would count it twice (arb 6). To be held against the first statements, as every schedule is.
"""

from millrace.core.fee_terms import FeeSchedule, FeeTerms

VENUE = "forecastex"
SCHEDULE = FeeSchedule(taker=FeeTerms(), source="broker pages and recorded prices, read 2026")
