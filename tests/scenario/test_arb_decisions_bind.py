"""`millrace backtest arb --decisions`: what a person approved binds the desk in a run, and nothing else does (arb 15)."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from millrace.cli import main
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.discovery.records import Evidence, Proposal
from millrace.strategies.arb.mapping.approvals import Decisions, decisions_text
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.records import Relation
from recorded_books import BEGAN, MARKET, write_session

SECOND = 10**9
MINUTE = 60 * SECOND
OTHER = MARKET.replace("-30", "-45")
STRONG, WEAK = (Proposition(InstrumentId("kalshi", name)) for name in (MARKET, OTHER))
FOUND = Proposal(
    relation=Relation.IMPLIES,
    left=STRONG,
    right=WEAK,
    evidence=Evidence(0.5, 0.8, 40, 0.65),
    titles=("above 81,100", "above 81,000"),
)
NAME = f"found_{FOUND.proposal_id}"
DEEP = 100
"""A bid far below the best one: its changes show that a book is alive, and move no price."""


def two_markets(folder: Path, edges: tuple[int, ...]) -> None:
    """Write an hour of two books; for ten seconds after half of each minute of `edges` the weaker claim is too cheap.

    NO of the stronger claim costs 59 cents, YES of the weaker 60, and 25 in between: together less than their dollar.
    """
    rows = []
    for market, yes, no in ((MARKET, 4_100, 5_700), (OTHER, 5_800, 4_000)):
        rows += [(0, "S", None, None, None, market)]
        rows += [(0, "L", side, price, 50_000, market) for side, price in (("yes", yes), ("yes", 2_400), ("no", no))]
    rows += [
        (place * 20 * SECOND + late, "D", "no", DEEP + 10 * (place % 2), 5, market)
        for place in range(1, 180)
        for late, market in ((1, MARKET), (2, OTHER))
    ]
    for minute in edges:
        at = minute * MINUTE + 30 * SECOND
        rows += [(at, "D", "no", 7_500, 50_000, OTHER), (at, "D", "yes", 5_800, -50_000, OTHER)]
        rows += [
            (at + place * SECOND // 2, "D", "no", DEEP + 20 + 10 * (place % 2), 5, market)
            for place in range(1, 20)
            for market in (MARKET, OTHER)
        ]
        rows += [
            (at + 10 * SECOND, "D", "no", 7_500, -50_000, OTHER),
            (at + 10 * SECOND, "D", "yes", 5_800, 50_000, OTHER),
        ]
    close = datetime.fromtimestamp(BEGAN // SECOND + 2 * 3_600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_session(folder, "one", sorted(rows, key=lambda row: row[0]), close=close)


def decided(file: Path, *words: str) -> None:
    """Write the proposal, and take each decision as a person would."""
    file.write_bytes(decisions_text(Decisions(proposals=(FOUND,))))
    for word in words:
        said = ("--by", "ann", "--note", "read both rules")
        assert main(["rules", "review", "--proposals", str(file), f"--{word}", FOUND.proposal_id, *said]) == 0


def run(capsys: pytest.CaptureFixture[str], data: Path, *words: object) -> dict:
    capsys.readouterr()
    assert main(["backtest", "arb", "--data", str(data), *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def candidates(found: dict) -> int:
    return found["trading"]["opened"] + sum(found["trading"]["rejected"].values())


@pytest.mark.parametrize(("edges", "binds"), [((20, 40), False), ((20, 55), True)])
def test_15_an_approved_rule_binds_after_its_fifty_looks_on_paper(tmp_path, capsys, edges, binds) -> None:
    two_markets(tmp_path, edges)
    file = tmp_path / "decisions.json"
    decided(file, "approve")
    found = run(capsys, tmp_path, "--decisions", file)
    assert (found["trading"]["opened"] > 0) is binds
    assert (candidates(found) > 0) is binds, "on paper it is not even a candidate"
    assert found["bound"]["proposals"] == {"active": 1}
    assert 0.05 < found["bound"]["in_force"][NAME] < 0.25
    assert found["bound"]["blocked"] == []
    assert list(found["bound"]["files"]) == [str(file)]


@pytest.mark.parametrize(
    ("words", "state", "why"),
    [
        ((), "proposed", "approved by nobody"),
        (("reject",), "rejected", "rejected by ann: read both rules"),
        (("approve", "revoke"), "revoked", "revoked by ann: read both rules"),
    ],
)
def test_15_what_nobody_stands_by_does_not_bind(tmp_path, capsys, words, state, why) -> None:
    two_markets(tmp_path, (55,))
    file = tmp_path / "decisions.json"
    decided(file, *words)
    found = run(capsys, tmp_path, "--decisions", file)
    assert candidates(found) == 0
    assert found["bound"]["proposals"] == {state: 1}
    assert not found["bound"]["in_force"].get(NAME)
    (said,) = found["bound"]["blocked"]
    assert said.startswith(NAME)
    assert why in said


def test_the_report_says_what_of_a_mapping_does_not_bind_and_why(tmp_path, capsys) -> None:
    two_markets(tmp_path, ())
    table, file = tmp_path / "map.csv", tmp_path / "decisions.json"
    table.write_text(f"group_id,refs,confidence\ng,kalshi:market:{MARKET} p:market:B,0.95\nbad,nothing,0.9\n")
    said = ("--by", "ann", "--note", "read both rules", "--proposals", str(file))
    main(["rules", "review", "--map", str(table), "--approve", "g", *said])
    table.write_text(table.read_text().replace("p:market:B", "p:market:C"))
    found = run(capsys, tmp_path, "--map", table, "--decisions", file)
    blocked = "\n".join(found["bound"]["blocked"])
    assert "g: the row was edited since ann approved it" in blocked
    assert f"{table}:3: bad names 'nothing'" in blocked
    assert list(found["bound"]["files"]) == [str(table), str(file)]
    assert main(["backtest", "arb", "--data", str(tmp_path), "--map", str(table)]) == 0
    assert f"Bound by: {table} " in capsys.readouterr().out


def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path, capsys) -> None:
    two_markets(tmp_path, ())
    file = tmp_path / "decisions.json"
    decided(file)
    lines = file.read_text().splitlines()
    place = next(number for number, line in enumerate(lines, 1) if '"proposed"' in line)
    opened = next(number for number in range(place, 0, -1) if lines[number - 1].strip() == "{")
    for bad, line, why in (
        ('"on_a_whim"', opened, "Invalid enum value 'on_a_whim'"),
        ('"approved"', opened, "is approved without a name, a note and a time"),
        ("approved", place, "malformed"),
    ):
        file.write_text("\n".join(lines).replace('"proposed"', bad))
        assert main(["backtest", "arb", "--data", str(tmp_path), "--decisions", str(file)]) == 2
        complaint = capsys.readouterr().err
        assert f"{file}:{line}: " in complaint
        assert why in complaint
    assert main(["backtest", "arb", "--data", str(tmp_path), "--map", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: cannot be read" in capsys.readouterr().err
