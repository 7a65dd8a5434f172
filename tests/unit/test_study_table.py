"""What a study says of its cells: sums, the choice made on earlier months only, and comparisons inside a group."""

import pytest

from millrace.core.failure import OperatorError
from millrace.research.study_table import Cell, CellOutcome, Levels, Shadow, study_table, study_text


def outcome(*gains: float, net: float = 1.0) -> CellOutcome:
    """A stretch that opens at 1,000, gains so much over holding each day, while holding gains 5 a day."""
    hold = [1_000.0 + 5.0 * day for day in range(len(gains) + 1)]
    equity = [held + sum(gains[:day]) for day, held in enumerate(hold)]
    return CellOutcome(
        first_ns=0, last_ns=1, net=net, fees=0.5, worst_fall=max(0.0, -min(gains)), fills=3, round_trips=1,
        shadow=Shadow(10, 2.0, 4, 1.0), max_open_orders=7, stuck_pct=10.0, violations=0, command_hash="aa", equity=equity, hold=hold,
    )  # fmt: skip


def cells(levels: Levels, early: list[float], late: list[float]) -> list[Cell]:
    return [
        Cell("old", "choose", levels, outcome(*early)),
        Cell("new 1", "report", levels, outcome(*late)),
        Cell("new 2", "report", levels, outcome(*late)),
    ]


def table(found: list[Cell], **more):
    return study_table(found, ["fee"], **{"block": 2, "resamples": 400, "seed": 1} | more)


PLAIN = cells({"mode": "plain", "fee": "a"}, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
LUCKY = cells({"mode": "lucky", "fee": "a"}, [3.0, 2.0, 1.0], [-2.0, -1.0, -3.0])
LATE = cells({"mode": "late", "fee": "a"}, [-1.0, -1.0, -1.0], [2.0, 2.0, 2.0])
OTHER = cells({"mode": "plain", "fee": "b"}, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0])


def test_a_row_adds_its_stretches_up() -> None:
    found = table([*PLAIN, *LUCKY])
    row = next(row for row in found.rows if row.sample == "report" and row.levels["mode"] == "lucky")
    assert (row.stretches, row.net, row.fees, row.fills, row.round_trips) == (2, 2.0, 1.0, 6, 2)
    assert row.less_holding == pytest.approx(-12.0)
    assert row.equity_change == pytest.approx(30.0 - 12.0)
    assert (row.worst_fall, row.stuck_pct, row.max_open_orders) == (3.0, 10.0, 7)
    assert row.shadow == Shadow(20, 4.0, 8, 2.0)
    assert row.over_hold.mean == pytest.approx(-20.0), "2 a day of 1,000 are 20 bps"


def test_the_choice_sees_the_earlier_months_only_and_is_judged_by_the_later_ones() -> None:
    found = table([*PLAIN, *LUCKY, *LATE])
    (choice,) = found.choices
    assert choice.chosen["mode"] == "lucky"
    assert (choice.rank, choice.of) == (3, 3)
    assert choice.over_base is not None
    assert choice.over_base.mean == pytest.approx(-20.0)
    swapped = [
        Cell(cell.stretch, cell.sample, cell.levels, outcome(9.0, 9.0, 9.0)) if cell.sample == "report" else cell
        for cell in LATE
    ]
    assert table([*PLAIN, *LUCKY, *swapped]).choices[0].chosen["mode"] == "lucky"


def test_variants_are_compared_inside_their_group_only_and_the_first_is_its_baseline() -> None:
    found = table([*PLAIN, *LATE, *OTHER])
    bases = {(row.levels["mode"], row.levels["fee"]): row.over_base for row in found.rows if row.sample == "report"}
    assert bases["plain", "a"] is None
    assert bases["plain", "b"] is None
    assert bases["late", "a"].mean == pytest.approx(20.0)
    assert (found.comparisons, found.clear, found.clear_wide) == (1, 1, 1)
    assert len(found.choices) == 2


def test_a_variant_that_misses_a_stretch_is_refused() -> None:
    with pytest.raises(OperatorError, match="mode late, fee a was not run on the same stretches as mode plain, fee a"):
        table([*PLAIN, *LATE[:2]])


def test_equal_cells_give_equal_tables_and_the_text_names_what_was_chosen() -> None:
    found = table([*PLAIN, *LUCKY])
    assert found == table([*PLAIN, *LUCKY])
    text = study_text(found)
    assert "* fee a: the earlier stretches choose mode lucky, fee a, later number 2 of 2" in text
    assert text.count("| lucky | a |") == 2
    assert "* mode lucky, fee a: +0.2000 of 20, +0.2500 of 8" in text
    assert "Of 1 later comparisons" in text
