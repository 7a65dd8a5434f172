"""What binds the desk in one run over a recording: rules, a mapping, people's decisions, and what came of each.

The files are read and checked whole before anything is traded. A claim that could not be in force would otherwise show
only as trades that never happened, so the report says of each how long it was in force, and why not longer.
"""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from millrace.core.failure import OperatorError
from millrace.research.arb_report import Bound
from millrace.strategies.arb.discovery.book import rule_id
from millrace.strategies.arb.discovery.records import Proposal, State
from millrace.strategies.arb.mapping.approvals import NO_DECISIONS, Decisions, parse_decisions, refs_of
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.mapping.records import NO_MAP, MappingMap
from millrace.strategies.arb.model import Tier
from millrace.strategies.arb.rules.load import parse_rules
from millrace.strategies.arb.rules.records import NO_RULES, RuleSet
from millrace.strategies.arb.strategy import ArbDesk

_VERSION_DIGITS = 16


class RuleFiles(NamedTuple):
    """The files that a person names for a run; None where there is none."""

    rules: Path | None = None
    mapping: Path | None = None
    decisions: Path | None = None


class Claims(NamedTuple):
    """What stands in those files, and the hash of each by its name; `table` is the mapping file's text."""

    rules: RuleSet
    table: bytes
    mapping: MappingMap
    decisions: Decisions
    versions: dict[str, str]


def read_claims(files: RuleFiles, now_ns: int) -> Claims:
    """Read what binds a run; raises OperatorError that names the file, and the line where there is one."""
    versions: dict[str, str] = {}

    def read(path: Path) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise OperatorError(f"{path}: cannot be read ({error.strerror})") from error
        versions[str(path)] = sha256(data).hexdigest()[:_VERSION_DIGITS]
        return data

    rules, mapping, decisions, table = NO_RULES, NO_MAP, NO_DECISIONS, b""
    if files.rules is not None:
        rules = parse_rules(read(files.rules), str(files.rules), now_ns)
    if files.mapping is not None:
        table = read(files.mapping)
        try:
            mapping = parse_map(table.decode(), str(files.mapping))
        except UnicodeDecodeError as error:
            line = table.count(b"\n", 0, error.start) + 1
            raise OperatorError(f"{files.mapping}:{line}: is no UTF-8 text; write the mapping as CSV") from error
    if files.decisions is not None:
        decisions = parse_decisions(read(files.decisions), str(files.decisions))
    return Claims(rules, table, mapping, decisions, versions)


class BoundDesk:
    """Looks at a desk now and then, and says in the end what was in force, and what was not and why."""

    def __init__(self, desk: ArbDesk, claims: Claims) -> None:
        self._desk = desk
        self._claims = claims
        self._markets = {facts.market for facts in desk.facts}
        self._claimed = sorted(rule.group_id for rule in desk.mappings.watch.known())
        self._claimed += [rule_id(each) for each in desk.mappings.proposals if self._is_here(each)]
        self._looks = 0
        self._in_force: Counter[str] = Counter()

    def look(self) -> None:
        """Count which of the mapped and proposed rules are in force at this moment."""
        self._looks += 1
        self._in_force.update(set(self._claimed) - self._desk.mappings.blocked)

    def report(self) -> Bound:
        """Return the versions, the share of the looks at which each rule was in force, and what was held against it."""
        mappings = self._desk.mappings
        return Bound(
            files=self._claims.versions,
            version=self._desk.rules.version,
            in_force={name: self._in_force[name] / (self._looks or 1) for name in self._claimed},
            proposals={state: count for state, count in mappings.status()["proposals"].items() if count},
            blocked=(*self._against_rules(), *self._against_mappings(), *self._against_proposals()),
        )

    def _is_here(self, each: Proposal) -> bool:
        return {each.left.market, each.right.market} <= self._markets

    def _against_rules(self) -> Iterator[str]:
        for each in self._desk.rules.rejected:
            yield f"{each.section} {each.group_id}: {each.reason}: {each.text}"

    def _against_mappings(self) -> Iterator[str]:
        words = self._claims.decisions.mappings
        rows = {row.group_id: row for row in self._claims.mapping.rows}
        for name in sorted(words):
            if name not in rows:
                yield f"{name}: decided by {words[name].by}, but no row of a mapping file has this group id"
            elif not words[name].approved:
                yield f"{name}: revoked by {words[name].by}: {words[name].note}"
            elif words[name].refs != refs_of(rows[name]):
                yield f"{name}: the row was edited since {words[name].by} approved it; read it and approve it again"
        yield from (found.text for found in self._desk.mappings.watch.findings())
        for pair in self._desk.mappings.watch.pairs():
            standing = pair.standing
            if standing is not None and standing.tier is not Tier.STRICT and standing.doubts:
                yield f"{pair.pair_id}: {standing.tier}, as {', '.join(standing.doubts)}"

    def _against_proposals(self) -> Iterator[str]:
        needed = self._desk.mappings.proposals.settings.paper_observations
        for each in self._desk.mappings.proposals:
            name = rule_id(each)
            if not self._is_here(each):
                yield f"{name}: names a market that is not in this recording"
            elif each.state is State.APPROVED:
                yield f"{name}: approved by {each.by}, on paper: {each.observations} of {needed} looks"
            elif each.state is State.PROPOSED:
                yield f"{name}: proposed, and approved by nobody"
            elif each.state is not State.ACTIVE:
                yield f"{name}: {each.state} by {each.by}: {each.note}"
