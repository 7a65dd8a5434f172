"""Journal bytes: any damage is found, a torn end is told from it (runtime 2.16 A4, 2.21 A1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.failure import WorldError
from millrace.core.journal_format import (
    FIRST_LINK,
    HEADER_BYTES,
    Record,
    RecordKind,
    SegmentHeader,
    TornTail,
    decode_header,
    encode_header,
    encode_record,
    is_stillborn,
    read_segment,
)

HEADER = SegmentHeader(3, 17, b"0123456789abcdef")
_int64 = st.integers(-(2**63), 2**63 - 1)
records = st.builds(
    Record,
    st.sampled_from(RecordKind),
    st.integers(0, 2**64 - 1),
    _int64,
    st.binary(max_size=40) | st.just(b"\xf5MR\x1a\xf5MR\x1a"),
)
segments = st.lists(records, min_size=1, max_size=6)


def _bytes(of: list[Record]) -> bytes:
    return encode_header(HEADER) + b"".join(encode_record(*record) for record in of)


def _read(data: bytes, *, last: bool = True) -> list[Record | TornTail]:
    return list(read_segment(data, "journal-000003.mrj", last=last))


@settings(max_examples=60)
@given(segments, st.booleans())
def test_what_is_written_is_read(written, last):
    data = _bytes(written)
    assert decode_header(data, "x") == HEADER
    assert _read(data, last=last) == written


@settings(max_examples=150)
@given(segments, st.data())
def test_any_flipped_bit_is_found(written, data):
    whole = _bytes(written)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    broken = bytearray(whole)
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WorldError, match=r"journal-000003\.mrj.*byte"):
        _read(bytes(broken), last=False)
    last_record = len(whole) - len(encode_record(*written[-1]))
    if bit // 8 < last_record:
        with pytest.raises(WorldError, match=r"journal-000003\.mrj.*byte"):
            _read(bytes(broken), last=True)
    else:
        found = _read(bytes(broken), last=True)
        assert found[:-1] == written[:-1]
        assert found[-1] == TornTail("journal-000003.mrj", last_record, len(whole) - last_record)


@settings(max_examples=150)
@given(segments, st.data())
def test_a_cut_anywhere_keeps_every_whole_record(written, data):
    whole = _bytes(written)
    cut = data.draw(st.integers(0, len(whole)))
    if cut < HEADER_BYTES:
        assert is_stillborn(whole[:cut], "x")
        return
    ends = [HEADER_BYTES]
    for record in written:
        ends.append(ends[-1] + len(encode_record(*record)))
    kept = sum(end <= cut for end in ends) - 1
    found = _read(whole[:cut])
    assert found[:kept] == written[:kept]
    assert found[kept:] == ([] if cut in ends else [TornTail("journal-000003.mrj", ends[kept], cut - ends[kept])])
    if cut not in ends:
        with pytest.raises(WorldError, match="closed"):
            _read(whole[:cut], last=False)


def test_a_page_that_never_reached_the_disk_before_sound_records_is_damage():
    first, second = Record(RecordKind.EVENT, 17, 1, b"a" * 30), Record(RecordKind.EVENT, 18, 2, b"b")
    data = encode_header(HEADER) + bytes(len(encode_record(*first))) + encode_record(*second)
    with pytest.raises(WorldError, match="sound ones follow"):
        _read(data)
    assert not is_stillborn(bytes(HEADER_BYTES) + encode_record(*second), "x")


def test_unknown_versions_and_kinds_are_named():
    other = bytearray(encode_record(RecordKind.NOTE, 1, 1, b""))
    assert decode_header(encode_header(SegmentHeader(1, 1, FIRST_LINK)), "x").number == 1
    odd = encode_record(99, 1, 1, b"")  # type: ignore[arg-type]
    with pytest.raises(WorldError, match="kind 99"):
        _read(encode_header(HEADER) + odd)
    assert len(other) == len(odd)
