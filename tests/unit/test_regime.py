"""Slots 1.1: everything that may stand for a regime, and that nothing else does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.sizing.regime import REGIME_NAMES, normalise_regime


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0), (1, 1), (2, 2), (False, 0), (True, 1), (0.0, 0), (-0.0, 0), (1.0, 1), (2.0, 2), ("0", 0), (" 2 ", 2), ("01", 1), ("00", 0),
        ("BEARISH", 0), ("Ranging", 1), ("bullish", 2), (" Ranging\n", 1),
    ],
)  # fmt: skip
def test_slots_1_1_accepts(value: object, number: int) -> None:
    assert normalise_regime(value) == number
    assert type(normalise_regime(value)) is int


@pytest.mark.parametrize(
    "value",
    [
        None, 3, -1, 1.5, math.nan, math.inf, -math.inf, 10**400, "--5", "-1", "²", "1²", "٢", "1.0", "", " ", "weird", "3", "9" * 6000, b"1", [1], {}, object(), 1j, "\ud800",
    ],
)  # fmt: skip
def test_slots_1_1_refuses_without_raising(value: object) -> None:
    assert normalise_regime(value) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.lists(st.integers())))
def test_slots_1_1_is_total(value: object) -> None:
    assert normalise_regime(value) in {None, 0, 1, 2}


def test_names_read_back_as_their_numbers() -> None:
    assert [normalise_regime(name.upper()) for name in REGIME_NAMES] == [0, 1, 2]
