"""Reading a snapshot is total: whatever is in the file, it loads, is finite, and says what it passed over (slots 17)."""

import json
from math import isfinite
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.codec import decode_event, encode_event
from millrace.core.recovery_events import HandedOver
from millrace.strategies.slots.handover.grid_snapshot import VERSION, TooNew, document_of, read_snapshot
from millrace.strategies.slots.handover.plain_values import as_day
from millrace.strategies.slots.handover.take_over import handed_over
from millrace.strategies.slots.reducer.codec import to_dict
from old_bot import slot_s0, slot_s1a, slot_s1b, slot_s2, snapshot
from slots_desk import Desk, doge

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["nan", "inf", "--5", "\u00b2", "1e999", "BULLISH", "A", "exit", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where every value of a document stands, the document itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, each in inner for found in paths_of(each, (*path, name)))]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """Draw a snapshot with some of its values gone or exchanged for anything."""
    document: Any = {"whole": snapshot(slots={"0": slot_s0(0), "1": slot_s1b(1), "2": slot_s1a(2), "3": slot_s2(3)})}
    for _ in range(draw(st.integers(1, 5))):
        *way, last = draw(st.sampled_from([path for path in paths_of(document) if path]))
        at = document
        for name in way:
            at = at[name]
        if draw(st.booleans()):
            at[last] = draw(junk)
        else:
            del at[last]
        if "whole" not in document:
            return None
    return document["whole"]


def assert_finite(value: Any) -> None:
    if isinstance(value, float):
        assert isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        assert_finite(each)


@settings(max_examples=300, deadline=None)
@given(damaged() | junk)
def test_anything_loads_is_finite_and_can_be_handed_over(document: Any) -> None:
    try:
        found, _ = read_snapshot(document)
    except TooNew:
        return
    written = document_of(found)
    assert_finite(written)
    json.dumps(written, allow_nan=False).encode()
    event = handed_over(found, doge(), "slots", "f", 1)
    assert decode_event(encode_event(event)) == event
    desk = Desk(count=2)
    desk.step(msgspec.structs.replace(event, ts_ns=desk.now_ns))
    assert desk.engine.fault is None
    msgspec.msgpack.encode(desk.engine.snapshot())
    for slot in desk.grid.slots.values():
        assert_finite(to_dict(slot.state))


@settings(max_examples=100, deadline=None)
@given(damaged())
def test_what_was_read_is_written_and_read_again_the_same(document: Any) -> None:
    """Reading is a projection: a second reading finds nothing more to put right."""
    try:
        once, _ = read_snapshot(document)
    except TooNew:
        return
    text = json.dumps(document_of(once), allow_nan=False)
    again, notices = read_snapshot(json.loads(text))
    assert notices == []
    assert document_of(again) == document_of(once)


def test_a_field_error_discards_the_field_and_nothing_else() -> None:
    whole, _ = read_snapshot(snapshot())
    document = snapshot()
    document["slots"]["1"]["total_profit"] = "much"
    document["entry_pct"] = [0.4]
    found, notices = read_snapshot(document)
    assert found.entry_pct is None
    assert found.slots[1].state.total_profit == 0.0
    assert found.slots[1].state.orders == whole.slots[1].state.orders
    assert found.slots[0] == whole.slots[0]
    assert len(notices) == 2 + 3
    assert any("entry_pct" in notice for notice in notices)


@pytest.mark.parametrize("version", [VERSION + 1, f"v{VERSION + 1}", VERSION + 0.5, "99"])
def test_a_newer_version_is_refused(version: object) -> None:
    with pytest.raises(TooNew):
        read_snapshot(snapshot(version=version))


@pytest.mark.parametrize("version", [None, 1, "1", "v1", 2, -3, "who knows", [7]])
def test_an_older_version_or_one_that_cannot_be_read_loads(version: object) -> None:
    assert len(read_snapshot(snapshot(version=version))[0].slots) == 4


def test_the_rules_of_the_contract_for_what_is_missing() -> None:
    """Slots 17: settled from profit, unknown mode source, runtime profit, sticky; ids go on behind the highest."""
    document = snapshot(profit_pct=1.7)
    row = document["slots"]["1"]
    row["mode_source"] = "weather"
    row["next_order_id"] = 2
    found, _ = read_snapshot(document)
    state = found.slots[1].state
    assert (state.total_settled_usd, state.mode_source, state.profit_pct_runtime) == (0.13, "none", 1.7)
    assert state.next_order_id == 12
    assert [slot.sticky for slot in found.slots] == [None, True, True, True]
    assert (found.next_event_id, found.next_slot_id) == (77, 4)
    assert found.seen_fills[0] == ("OOLD00-00001-ORDERX", 0.0)
    assert "kelly_state" not in found.echo
    assert found.echo["constraints"] == {"min_volume": 50.0, "min_cost": 0.5}


def test_a_list_and_an_object_of_slots_read_alike() -> None:
    document = snapshot()
    listed = snapshot(slots=[{"slot_id": int(name)} | row for name, row in document["slots"].items()])
    assert read_snapshot(listed)[0].slots == read_snapshot(document)[0].slots


def test_days_are_counted_as_the_calendar_counts_them() -> None:
    assert as_day("1970-01-01") == 0
    assert as_day("2000-02-29") == 11_016
    assert as_day("2026-01-01") == 20_454
    assert as_day(20_454) == as_day("20454") == 20_454
    assert as_day("2026-13-01") is as_day("soon") is as_day(None) is as_day(0.5) is as_day("2026-01") is None


def test_an_event_that_hands_over_survives_the_codec_with_all_of_it() -> None:
    found, _ = read_snapshot(snapshot())
    event = handed_over(found, doge(), "slots", "old.json", 5)
    assert isinstance(decode_event(encode_event(event)), HandedOver)
    assert len(event.orders) == 9
