"""`millrace rules load` and `generate`: what a rules file supports, and a file proposed from venues' metadata.

Both only read and write files. What is generated lacks approvals on purpose: a person fills them in, entry by entry,
and `load` then says what each label supports.
"""

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from millrace.cli.terms import FAILED, OK, Grammar, json_text

if TYPE_CHECKING:
    from pathlib import Path

    from millrace.core.instrument import InstrumentId
    from millrace.strategies.arb.mapping.records import MappingRow
    from millrace.strategies.arb.model import MarketFacts
    from millrace.strategies.arb.rules.joint import Contradiction
    from millrace.strategies.arb.rules.records import RuleSet

_SHOWN = 40
"""Rejections and events that are printed for a person; the counts and --json have them all."""


def grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the two actions with their flags."""
    load = actions.add_parser("load", help="what a rules file supports, and which entries are rejected, and why")
    load.add_argument("file", metavar="FILE", help="a rules file (JSON), packed with gzip or not")
    load.add_argument("--data", action="append", default=[], metavar="FILE", help="venue metadata; may be repeated")
    load.add_argument("--json", action="store_true", help="print one JSON object")
    generate = actions.add_parser("generate", help="propose rules from venue metadata; none is active until approved")
    generate.add_argument("--data", action="append", default=[], metavar="FILE", help="venue metadata; may be repeated")
    generate.add_argument("--map", action="append", default=[], metavar="FILE", help="a mapping (CSV); may be repeated")
    generate.add_argument("--out", metavar="FILE", help="write the proposals there; an existing file is kept")
    generate.add_argument("--json", action="store_true", help="print one JSON object")


def load(given: argparse.Namespace) -> int:
    """Read a rules file and say what is taken, what is not, and what the labels support."""
    from pathlib import Path
    from time import time_ns

    from millrace.research.arb_data.metadata import read_metadata
    from millrace.strategies.arb.rules.constraints import propositions_of, rules_of
    from millrace.strategies.arb.rules.joint import Joint
    from millrace.strategies.arb.rules.load import parse_rules

    data, now_ns = read_packed(Path(given.file)), time_ns()
    rules = parse_rules(data, given.file, now_ns)
    known: dict[InstrumentId, MarketFacts] = {}
    if given.data:
        spoken = {taken.market for rule in rules_of(rules) for taken in propositions_of(rule)}
        known = read_metadata(Path(name) for name in given.data).of(sorted(spoken))
        rules = parse_rules(data, given.file, now_ns, known)
    clashes = Joint(rules).contradictions()
    denied = {fact.market for fact in known.values() if fact.mutually_exclusive is False}
    said = _said(rules, clashes)
    said["buckets_denied_by_exchange"] = sum(
        any(taken.market in denied for taken in rule.members) for rule in rules.buckets
    )
    print(json_text(said) if given.json else "\n".join(_load_lines(given.file, rules, clashes, said)))
    return FAILED if rules.rejected or clashes else OK


def generate(given: argparse.Namespace) -> int:
    """Propose rules from metadata and say of each event why it has none."""
    from datetime import UTC, datetime
    from hashlib import sha256
    from pathlib import Path

    import msgspec

    from millrace.core.failure import OperatorError
    from millrace.research.arb_data.metadata import read_metadata
    from millrace.strategies.arb.rules.generate import generate as propose
    from millrace.strategies.arb.rules.generate import reasons

    if not given.data:
        raise OperatorError("rules generate needs --data FILE, metadata of a venue; it may be repeated")
    paths = [Path(name) for name in given.data]
    digest = sha256(b"".join(sha256(path.read_bytes()).digest() for path in paths if path.is_file())).hexdigest()
    rows, blocked = _mapping([Path(name) for name in given.map])
    found = propose(
        read_metadata(paths).facts,
        rows,
        blocked,
        generated_at=f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}",
        source_hash=digest,
    )
    if given.out:
        _write_new(Path(given.out), msgspec.json.format(msgspec.json.encode(found.document), indent=2))
    document = found.document
    counts = {
        "buckets": dict(Counter(entry.label for entry in document.mutually_exclusive_buckets)),
        "trees": len(document.event_trees),
        "ladders": len(document.implications),
        "implications": sum(len(entry.chain) - 1 for entry in document.implications),
        "pairs": len(document.cross_market_parity_checks),
    }
    against = dict(reasons(found).most_common())
    skipped = dict(Counter(f"{skip.kind} {skip.reason}" for skip in found.skipped).most_common())
    if given.json:
        events = [event._asdict() for event in found.events]
        rest = {"skipped": [skip._asdict() for skip in found.skipped], "events": events}
        print(json_text({"proposed": counts, "no_bucket": against, "not_proposed": skipped, **rest}))
        return OK
    print(f"{len(found.events)} events; proposed: {_counted(counts)}; none is active until approved")
    print("\n".join(f"{number:>7}  no bucket: {reason}" for reason, number in against.items()))
    print("\n".join(f"{number:>7}  not proposed: {reason}" for reason, number in skipped.items()))
    return OK


def read_packed(path: "Path") -> bytes:
    """Read a file, packed with gzip or not; raises OperatorError when that cannot be done."""
    import gzip

    from millrace.core.failure import OperatorError

    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError) as error:
        raise OperatorError(f"{path}: cannot be read ({error})") from error


def _mapping(paths: "list[Path]") -> "tuple[tuple[MappingRow, ...], set[str]]":
    """Return the rows of mapping files, and the groups that their checks block."""
    from millrace.core.failure import OperatorError
    from millrace.strategies.arb.mapping.load import parse_map
    from millrace.strategies.arb.mapping.qa import blocked_groups, check_rows
    from millrace.strategies.arb.mapping.records import joined

    try:
        found = joined(tuple(parse_map(read_packed(path).decode(), str(path)) for path in paths))
    except UnicodeDecodeError as error:
        raise OperatorError(f"--map: a mapping is UTF-8 text ({error})") from error
    return found.rows, blocked_groups(check_rows(found))


def _write_new(path: "Path", data: bytes) -> None:
    from millrace.core.failure import OperatorError

    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise OperatorError(f"--out {path} is there already and may hold approvals; name another file") from error
    except OSError as error:
        raise OperatorError(f"--out {path} cannot be written ({error})") from error


def _said(rules: "RuleSet", clashes: "tuple[Contradiction, ...]") -> dict[str, Any]:
    """Return the counts: what was taken, which baskets have a floor, what was rejected."""
    from millrace.core.instrument import Outcome
    from millrace.strategies.arb.rules.floors import bucket_bounds, tree_bounds

    buckets = [[bucket_bounds(rule, len(rule.members), side).floor for side in Outcome] for rule in rules.buckets]
    trees = [[tree_bounds(rule, len(rule.children), side).floor for side in Outcome] for rule in rules.trees]
    return {
        "version": rules.version,
        "buckets": dict(Counter(rule.label.value for rule in rules.buckets)),
        "trees": len(rules.trees),
        "ladders": len(rules.implications),
        "pairs": dict(Counter(rule.tier.value for rule in rules.pairs)),
        "baskets_with_a_floor": {
            "bucket_all_yes": sum(yes > 0 for yes, _ in buckets),
            "bucket_all_no": sum(no > 0 for _, no in buckets),
            "tree_parent_yes_children_no": sum(yes > 0 for yes, _ in trees),
            "tree_parent_no_children_yes": sum(no > 0 for _, no in trees),
            "ladder_steps": sum(len(rule.chain) - 1 for rule in rules.implications),
        },
        "rejected": dict(Counter(rejection.reason for rejection in rules.rejected)),
        "rejections": [rejection._asdict() for rejection in rules.rejected],
        "contradictions": [{"rules": clash.groups, "markets": list(map(str, clash.markets))} for clash in clashes],
    }


def _load_lines(file: str, rules: "RuleSet", clashes: "tuple[Contradiction, ...]", said: dict[str, Any]) -> list[str]:
    taken = {name: said[name] for name in ("buckets", "trees", "ladders", "pairs")}
    from millrace.strategies.arb.rules.file_format import Reason

    lines = [
        f"{file}: version {rules.version}",
        f"taken: {_counted(taken)}",
        f"baskets with a floor: {_counted(said['baskets_with_a_floor'])}",
        f"buckets that the exchange denies to be exclusive: {said['buckets_denied_by_exchange']}",
        f"rejected: {_counted(said['rejected']) or 'none'}",
    ]
    lines += [f"CONTRADICTION  {clash.text}" for clash in clashes]
    first = sorted(rules.rejected, key=lambda made: not Reason(made.reason).severe)[:_SHOWN]
    lines += [f"{made.reason:<24} {made.section} {made.group_id}: {made.text}" for made in first]
    if len(rules.rejected) > _SHOWN:
        lines.append(f"... and {len(rules.rejected) - _SHOWN} more; --json lists all")
    return lines


def _counted(counts: dict[str, Any]) -> str:
    """Return counts in one line: `3 trees, 2 buckets (1 exhaustive, 1 unknown)`."""
    words = []
    for name, value in counts.items():
        if isinstance(value, dict):
            inner = f" ({_counted(value)})" if value else ""
            words.append(f"{sum(value.values())} {name}{inner}")
        else:
            words.append(f"{value} {name}")
    return ", ".join(words)
