"""`millrace config explain`: where each setting comes from, its bounds and its meaning.

Secrets are shown as set or unset.
"""

import argparse

from millrace.cli.terms import OK, Grammar, json_text, load, settings_flags


def grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add what can be asked of the configuration."""
    explain = actions.add_parser("explain", help="where a setting's value comes from, its bounds and its meaning")
    explain.add_argument("key", metavar="KEY", nargs="?", help="e.g. slots.entry_pct or PAIR_ENTRY_PCT; none: all")
    settings_flags(explain)


def run(given: argparse.Namespace) -> int:
    """Print where settings come from."""
    from millrace.config.explain import explain as explain_one
    from millrace.config.explain import explain_all, explain_lines, explain_text

    settings = load(given, "default")
    found = [explain_one(settings, given.key)] if given.key else explain_all(settings)
    if given.json:
        print(json_text(found[0] if given.key else found))
    else:
        print(explain_text(found[0]) if given.key else explain_lines(found))
    return OK
