"""`millrace rules review` and `discover`: rows that must not trade, what is proposed, and a person's word on either.

Decisions are kept in a file of their own, written whole and durably, with who and when. Nothing but `--approve` with a
name and a note makes anything tradable.
"""

import argparse
from typing import TYPE_CHECKING, Any

from millrace.cli.rules_file import read_packed
from millrace.cli.terms import FAILED, OK, Grammar, UsageError, json_text, load, settings_flags

if TYPE_CHECKING:
    from millrace.strategies.arb.mapping.approvals import Decisions
    from millrace.strategies.arb.mapping.records import Finding, MappingMap
    from millrace.strategies.arb.mapping.watch import MappingWatch

PROFILE = "default"
"""The settings that hold where nobody says otherwise."""
_SHOWN = 40
"""Findings and proposals that are printed for a person; --json has them all."""
_WORDS = {"approve": "approved", "reject": "rejected", "revoke": "revoked"}


def grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the two actions with their flags."""
    review = actions.add_parser("review", help="what of a mapping is blocked and why, what is proposed; decide on it")
    review.add_argument("--map", action="append", default=[], metavar="FILE", help="a mapping (CSV); may be repeated")
    review.add_argument("--proposals", metavar="FILE", help="the file of proposals and decisions")
    review.add_argument("--data", action="append", default=[], metavar="FILE", help="venue metadata: compare the words")
    for word in _WORDS:
        review.add_argument(f"--{word}", metavar="ID", help=f"{word} a proposal, or a row of the mapping")
    review.add_argument("--by", metavar="NAME", help="who decides")
    review.add_argument("--note", metavar="TEXT", help="why")
    settings_flags(review)
    discover = actions.add_parser("discover", help="look in recorded prices for markets that hang together; propose")
    discover.add_argument("--prices", required=True, metavar="FILE", help="snapshots of prices (parquet)")
    discover.add_argument("--proposals", required=True, metavar="FILE", help="the file that takes the proposals")
    discover.add_argument("--minutes", type=int, metavar="N", help="minutes between two looks (default: as set)")
    settings_flags(discover)


def review(given: argparse.Namespace) -> int:
    """List what is wrong and what waits for a decision, or take one."""
    from millrace.strategies.arb.mapping.approvals import with_approvals
    from millrace.strategies.arb.mapping.records import Severity

    mapping, decisions = _mapping(given.map), _decisions(given.proposals)
    words = [word for word in _WORDS if getattr(given, word)]
    if words:
        decisions = _decide(given, words, mapping, decisions)
    watch = _watch(given, with_approvals(mapping, decisions.mappings))
    findings = watch.findings()
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    said = _said(watch, findings, decisions)
    print(json_text({"errors": errors, **said}) if given.json else "\n".join(_lines(said, findings, errors)))
    return FAILED if errors else OK


def discover(given: argparse.Namespace) -> int:
    """Add what recorded prices and titles suggest to the file of proposals."""
    from pathlib import Path
    from time import time_ns

    import msgspec

    from millrace.research.arb_data.price_history import price_history
    from millrace.strategies.arb.discovery.book import ProposalBook
    from millrace.strategies.arb.discovery.find import discover as find

    if given.minutes is not None and given.minutes < 1:
        raise UsageError("--minutes is at least 1")
    facts, prices = price_history(Path(given.prices))
    decisions, now_ns = _decisions(given.proposals), time_ns()
    settings = load(given, PROFILE).arb.discovery
    if given.minutes:
        settings = msgspec.structs.replace(settings, sample_sec=given.minutes * 60)
    book = ProposalBook(decisions.proposals, settings)
    found = find(facts, prices, {}, settings, book.known(now_ns))
    taken = book.take(found, now_ns)
    _write(given.proposals, msgspec.structs.replace(decisions, proposals=tuple(book)))
    if given.json:
        print(json_text({"markets": len(facts), "proposed": taken, "found": list(found)}))
    else:
        print(f"{len(facts)} markets, {taken} new proposals in {given.proposals}; none counts until it is approved")
        print("\n".join(_proposal_line(each) for each in found[:_SHOWN]))
    return OK


def _decide(given: argparse.Namespace, words: list[str], mapping: "MappingMap", decisions: "Decisions") -> "Decisions":
    """Take one decision and write it; raises OperatorError when it cannot be meant."""
    from time import time_ns

    import msgspec

    from millrace.core.failure import OperatorError
    from millrace.strategies.arb.discovery.book import ProposalBook
    from millrace.strategies.arb.discovery.records import State

    if len(words) > 1 or not (given.proposals and given.by and given.note):
        raise UsageError(
            "decide one thing: --approve ID --by NAME --note TEXT --proposals FILE (or --reject, --revoke)"
        )
    word, name = words[0], getattr(given, words[0])
    book = ProposalBook(decisions.proposals)
    if book.get(name) is not None:
        book.decide(name, State(_WORDS[word]), given.by, given.note, time_ns())
        decisions = msgspec.structs.replace(decisions, proposals=tuple(book))
    elif any(row.group_id == name for row in mapping.rows):
        approval = _approval(given, word == "approve", name, mapping)
        decisions = msgspec.structs.replace(decisions, mappings=decisions.mappings | {name: approval})
    else:
        raise OperatorError(f"{name} is neither a proposal of {given.proposals} nor a row of a --map that was given")
    _write(given.proposals, decisions)
    return decisions


def _approval(given: argparse.Namespace, approved: bool, name: str, mapping: "MappingMap") -> Any:
    """Return a person's word on a row, with the words of the venues as they are now where --data shows them."""
    from time import time_ns

    from millrace.core.failure import OperatorError
    from millrace.strategies.arb.mapping.approvals import Approval, refs_of

    rows = [row for row in mapping.rows if row.group_id == name]
    if len(rows) > 1:
        raise OperatorError(f"{name}: {len(rows)} rows have this group id; give each its own before one is approved")
    shown = next((pair.comparison for pair in _watch(given, mapping).pairs() if pair.row.group_id == name), None)
    if approved and len(rows[0].refs) > 2:  # noqa: PLR2004  the drift of three texts has no single figure
        shown = None
    return Approval(
        approved=approved,
        by=given.by,
        note=given.note,
        at_ns=time_ns(),
        refs=refs_of(rows[0]),
        rules_hash=shown.rules_hash if shown else "",
        similarity=shown.similarity if shown else None,
    )


def _mapping(names: list[str]) -> "MappingMap":
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.strategies.arb.mapping.load import parse_map
    from millrace.strategies.arb.mapping.records import joined

    maps = []
    for name in names:
        try:
            maps.append(parse_map(read_packed(Path(name)).decode(), name))
        except UnicodeDecodeError as error:
            raise OperatorError(f"{name}: is no UTF-8 text; write the mapping as CSV") from error
    return joined(tuple(maps))


def _watch(given: argparse.Namespace, mapping: "MappingMap") -> "MappingWatch":
    """Return the mapping judged once: by its rows alone, or by the venues' words as well where they are given."""
    from pathlib import Path
    from time import time_ns

    from millrace.research.arb_data.metadata import read_metadata
    from millrace.strategies.arb.mapping.watch import MappingWatch

    watch = MappingWatch(mapping, (), load(given, PROFILE).arb.believed())
    if given.data:
        now_ns = time_ns()
        watch.verify(read_metadata(Path(name) for name in given.data).facts, now_ns)
        watch.cycle(now_ns)
    return watch


def _decisions(name: str | None) -> "Decisions":
    from pathlib import Path

    from millrace.strategies.arb.mapping.approvals import Decisions, parse_decisions

    if name is None or not Path(name).exists():
        return Decisions()
    return parse_decisions(Path(name).read_bytes(), name)


def _write(name: str, decisions: "Decisions") -> None:
    from pathlib import Path

    from millrace.shell.disk import RealDisk
    from millrace.strategies.arb.mapping.approvals import decisions_text

    RealDisk().replace(Path(name).resolve(), decisions_text(decisions))


def _said(watch: "MappingWatch", findings: "tuple[Finding, ...]", decisions: "Decisions") -> dict[str, Any]:
    from millrace.strategies.arb.mapping.qa import blocked_groups

    blocked = blocked_groups(findings)
    pairs = watch.pairs()
    passed = [pair for pair in pairs if not {pair.pair_id, pair.row.group_id} & blocked]
    return {
        "pairs": len(pairs),
        "pass": len(passed),
        "approved": sum(pair.row.approved for pair in passed),
        "findings": [finding._asdict() for finding in findings],
        "standings": {
            pair.pair_id: {"tier": pair.standing.tier, "doubts": pair.standing.doubts}
            for pair in pairs
            if pair.standing is not None
        },
        "proposals": [
            {"id": each.proposal_id, "expected_floor": each.expected_floor, "basket": each.basket, "proposal": each}
            for each in decisions.proposals
        ],
    }


def _lines(said: dict[str, Any], findings: "tuple[Finding, ...]", errors: int) -> list[str]:
    lines = [f"{said['pairs']} pairs, {said['pass']} pass, {said['approved']} of them approved; {errors} errors"]
    lines += [f"{finding.severity:<7} {finding.check:<18} {finding.text}" for finding in findings[:_SHOWN]]
    lines += [
        f"{name}: {standing['tier']} ({', '.join(standing['doubts'])})"
        for name, standing in list(said["standings"].items())[:_SHOWN]
        if standing["doubts"]
    ]
    lines += [_proposal_line(each["proposal"]) for each in said["proposals"][:_SHOWN]]
    hidden = sum(max(0, len(said[name]) - _SHOWN) for name in ("findings", "standings", "proposals"))
    return [*lines, f"... and {hidden} more; --json lists all"] if hidden else lines


def _proposal_line(each: Any) -> str:
    evidence = each.evidence
    return (
        f"{each.proposal_id} {each.state:<8} {each.relation:<10} {each.titles[0]} / {each.titles[1]} "
        f"(words {evidence.text:.2f}, correlation {evidence.correlation:+.2f} over {evidence.points})"
    )
