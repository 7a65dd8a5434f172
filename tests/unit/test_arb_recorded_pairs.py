"""The recorded pairs as a fixed examination: false positives are counted, and none is allowed (issue 5, arb 14)."""

import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from millrace.cli import main
from millrace.research.arb_data.recorded_pairs import Difference, Terms, adjudicate, game_pairs, text_pairs
from millrace.research.arb_matching import (
    GAME_PAIRS,
    TEXT_PAIRS,
    Judged,
    Share,
    _approved,
    _judged,
    _proposed,
    _total,
    table,
)

BITCOIN = Terms("Bitcoin", Decimal(58_000), 7, 3, 12)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"asset": "Ethereum"}, Difference.ASSET),
        ({"strike": Decimal("57999.99")}, Difference.STRIKE),
        ({"month": 6}, Difference.DATE),
        ({"day": 4}, Difference.DATE),
        ({"hour": 17}, Difference.HOUR),
    ],
)
def test_every_term_decides(change: dict[str, object], difference: Difference) -> None:
    assert adjudicate(BITCOIN, BITCOIN) == frozenset()
    assert adjudicate(BITCOIN, BITCOIN._replace(**change)) == {difference}


def test_none_of_the_recorded_text_pairs_is_true_and_the_matcher_takes_none(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """10,653 rows; also not when somebody approves each of them, and not when all markets are matched at once."""
    pairs = text_pairs(shared / "data" / TEXT_PAIRS)
    assert len(pairs) == 10_653
    assert sum(pair.true for pair in pairs) == 0
    differs = Counter(pair.differs for pair in pairs if pair.near)
    assert sum(differs.values()) == 1_283
    same_day = {each: count for each, count in differs.items() if Difference.DATE not in each}
    assert same_day == {
        frozenset({Difference.STRIKE, Difference.HOUR}): 438,
        frozenset({Difference.STRIKE}): 5,
    }, "443 rows agree in date and to the cent in the strike; five of them, one pair, in the hour too"
    distinct = {(pair.left.market, pair.right.market): pair for pair in pairs}
    judged = {markets: _judged(pair, pair.left, pair.right) for markets, pair in distinct.items()}
    passed = sum(judged[pair.left.market, pair.right.market].passed for pair in pairs)
    approved = sum(_approved(pair).passed for pair in distinct.values())
    whole = _proposed("whole", pairs)
    with capsys.disabled():
        sys.stdout.write(
            f"\n  negative set: {passed} of {len(pairs)} rows pass, {approved} of {len(distinct)} pairs when approved\n"
        )
    assert (passed, approved, whole.false_passed.hits) == (0, 0, 0)


def test_whole_games_pass_and_their_maps_and_sets_do_not(shared: Path) -> None:
    """The recorded map of games holds 26 rows that pair a part of a game with the game."""
    pairs = game_pairs(shared / "data" / GAME_PAIRS)
    assert Counter(pair.differs for pair in pairs) == {frozenset(): 90, frozenset({Difference.PART}): 26}
    found = _total("games", [_judged(pair, pair.left, pair.right) for pair in pairs])
    assert (found.false_passed.hits, found.true_passed.hits) == (0, 90)
    proposed = _proposed("games", pairs)
    assert proposed.false_passed.hits == 0
    assert proposed.true_passed.hits >= 70


def test_a_share_has_an_exact_interval() -> None:
    """Clopper and Pearson: none in n leaves up to 1 - 0.025 ** (1 / n)."""
    share = Share.counted(0, 100)
    assert (share.low, share.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 100)))
    assert str(Share.counted(0, 0)) == "-"


def test_a_table_says_what_passed() -> None:
    market = (BITCOIN, BITCOIN)
    found = _total(
        "x", [Judged(market, true, passed) for true, passed in ((True, True), (False, False), (False, True))]
    )
    assert table([found]).splitlines()[2].startswith("| x | 1 of 2 (1.26 to 98.7 %) | 1 of 1 (2.5 to 100 %) |")


def test_the_measurement_is_a_command(
    shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.research.arb_matching.PAIRS_PER_SEED", 20)
    monkeypatch.setattr("millrace.research.arb_matching.text_questions", lambda _: ())
    assert main(["rules", "measure", "--data", str(shared / "data")]) == 0
    out = capsys.readouterr().out
    assert "| games, structured fields alone | 0 of 26" in out
    assert "| made pairs, fields and words | 0 of" in out
