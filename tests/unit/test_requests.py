"""How an operator's arguments are read, by one set of rules for every action (slots 18), and how replies are made."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.codec import decode_commands, encode_commands
from millrace.core.events import Operator
from millrace.core.failure import OperatorError
from millrace.core.requests import Id, NoArguments, accepted, read_arguments, refused


class Wanted(msgspec.Struct, frozen=True):
    """One argument of each kind."""

    slot_id: Id
    local_id: Id | None = None
    trade_id: Literal["A", "B"] | None = None
    share: Annotated[float, msgspec.Meta(ge=0.05, le=50.0)] = 1.0
    preview: bool = False
    reason: str = "operator"


def read(**said):
    return read_arguments(Wanted, "release_slot", said)


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        ({"local_id": 7}, "local_id", 7),
        ({"local_id": None}, "local_id", None),
        ({"trade_id": "b"}, "trade_id", "B"),
        ({"share": 50}, "share", 50.0),
        ({"share": 0.05}, "share", 0.05),
        ({"reason": 5}, "reason", "5"),
        *(({"preview": word}, "preview", True) for word in (True, 1, "true", "TRUE", "1", "yes", " on ")),
        *(({"preview": word}, "preview", False) for word in (False, 0, "false", "0", "no", "Off")),
    ],
)
def test_what_is_understood(said, name, value):
    found = getattr(read(slot_id=3, **said), name)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, "release_slot needs slot_id="),
        ({"slot_id": None}, "release_slot needs slot_id="),
        *(({"slot_id": bad}, "slot_id must be a whole number of at least 1") for bad in (True, 0, -1, 1.0, "1", 1.5)),
        ({"slot_id": float("nan")}, "slot_id must be a whole number"),
        *(({"slot_id": 1, "share": bad}, "share must be a number from 0.05 to 50") for bad in (0.04, 50.1, "1", True)),
        *(({"slot_id": 1, "share": float(bad)}, "share must be a number") for bad in ("nan", "inf", "-inf")),
        *(({"slot_id": 1, "preview": bad}, "preview must be true or false") for bad in ("maybe", 2, 1.5, "")),
        *(({"slot_id": 1, "trade_id": bad}, "trade_id must be A or B") for bad in ("C", 1, True)),
        ({"slot_id": 1, "reason": " "}, "reason must be a text"),
        ({"slot_id": 1, "confrim": True}, "release_slot knows no argument confrim; it takes slot_id, local_id, "),
    ],
)
def test_what_is_refused_names_the_argument(said, text):
    with pytest.raises(OperatorError) as told:
        read(**said)
    assert str(told.value).startswith(text)


def test_an_action_that_takes_nothing_says_so():
    assert read_arguments(NoArguments, "resume", {"reason": None}) == NoArguments()
    with pytest.raises(OperatorError, match="resume knows no argument now; it takes none"):
        read_arguments(NoArguments, "resume", {"now": True})


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(st.dictionaries(st.sampled_from(list(Wanted.__struct_fields__)), scalars))
def test_whatever_comes_is_a_record_within_its_bounds_or_an_operators_error(said):
    try:
        found = read(**said)
    except OperatorError:
        return
    assert msgspec.convert(msgspec.to_builtins(found), Wanted) == found


def test_replies_carry_the_name_of_the_request_and_survive_the_journal():
    asked = Operator("release_slot", {"slot_id": 1}, 7, "r1")
    begun, no = accepted(asked, "begun", {"gates": {"age": {"ok": True}}}, final=False), refused(asked, "too young")
    assert (begun.ok, begun.code, begun.final, begun.said) == (True, 200, False, "ok: begun")
    assert (no.ok, no.code, no.final, no.said) == (False, 400, True, "refused: too young")
    assert {begun.request, no.request} == {"r1"}
    assert decode_commands(encode_commands([begun, no])) == [begun, no]
