"""What a person must hear about the rules when the desk starts: claims that deny each other, and entries not taken.

Rules that contradict each other are a page, for one of them is wrong and money would follow it; what was merely not
taken is one line with its reasons (arb 1, 5).
"""

from collections import Counter

from millrace.core.commands import Alert, Severity
from millrace.strategies.arb.rules.file_format import Reason
from millrace.strategies.arb.rules.joint import Joint
from millrace.strategies.arb.rules.records import RuleSet

_MOST_TOLD = 20
"""Contradictions told one by one at a start; `millrace rules load` lists all."""


def rule_alerts(rules: RuleSet, now_ns: int) -> list[Alert]:
    """Return a page for each contradiction, the first ones, and a word about entries that were not taken."""
    severe = [made for made in rules.rejected if made.reason in set(Reason) and Reason(made.reason).severe]
    texts = [f"{made.group_id} {made.text}" for made in severe]
    texts += [clash.text for clash in Joint(rules).contradictions()]
    told = [Alert(Severity.PAGE, "rules_contradict", text, now_ns) for text in texts[:_MOST_TOLD]]
    others = Counter(str(made.reason) for made in rules.rejected if made not in severe)
    if others:
        counted = ", ".join(f"{number} {reason}" for reason, number in others.most_common())
        text = f"{sum(others.values())} entries of the rules are not used: {counted}; millrace rules load says more"
        told.append(Alert(Severity.WARN, "rules_rejected", text, now_ns))
    return told
