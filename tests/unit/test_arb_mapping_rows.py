"""Mapping files and the checks of their rows (arb 14.3, 14.4, 21.8)."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.cli import main
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.mapping.load import parse_map, parse_ref, time_ns
from millrace.strategies.arb.mapping.qa import MarketIndex, blocked_groups, check_rows
from millrace.strategies.arb.mapping.records import (
    Check,
    Finding,
    MappingMap,
    MappingRef,
    MappingRow,
    RefKind,
    joined,
)
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.records import Provenance, Relation

V1 = "group_id,kalshi_market_id,polymarket_market_id\n"
V2 = "group_id,refs,relation,confidence,provenance,approved_by,approved_at\n"


def counts(text: str) -> dict[str, int]:
    return dict(Counter(finding.check.value for finding in check_rows(parse_map(text, "map.csv"))))


def ref(venue: str, value: str) -> MappingRef:
    return MappingRef(venue, RefKind.MARKET, value)


def test_a_row_of_version_two_names_any_number_of_venues_and_all_pairs_are_checked() -> None:
    line = "fed_cut,kalshi:market:KXFED-1 polymarket:market:0xab forecastex:market:FF:no,equivalent,0.95,human,ann,2026-02-01T00:00:00Z\n"
    (row,) = parse_map(V2 + line, "map.csv").rows
    assert row.approved
    assert row.approved_ns == 1_769_904_000 * 10**9
    assert [ref.outcome for ref in row.refs] == [Outcome.YES, Outcome.YES, Outcome.NO]
    assert len(row.pairs) == 3
    assert [ref.venue for pair in row.pairs for ref in pair] == [
        *("forecastex", "kalshi", "forecastex", "polymarket", "kalshi", "polymarket")
    ]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("g,kalshi:market:A poly:B,,,,,", "'poly:B'"),
        ("g,kalshi:market:A kalshi:market:B,,,,,", "a venue twice"),
        ("g,kalshi:market:A poly:market:B,implies,,,,", "relation implies"),
        ("g,kalshi:market:A poly:market:B c:market:D,complement,,,,", "complement"),
        ("g,kalshi:market:A poly:market:B,,1.5,,,", "confidence 1.5"),
        ("g,kalshi:market:A poly:market:B,,0.9,robot,,", "robot"),
        ("g,kalshi:market:A poly:market:B,,0.9,human,ann,yesterday", "yesterday"),
        ("g,kalshi:market:A poly:market:B,,0.9,human", "5 fields under 7"),
        (",kalshi:market:A poly:market:B,,,,,", "no group_id"),
    ],
)
def test_a_row_that_cannot_be_read_is_listed_with_file_and_line_and_the_rest_is_kept(line: str, word: str) -> None:
    found = parse_map("# made by hand\n" + V2 + line + "\nok,kalshi:market:Z poly:market:Y,,,,,\n", "map.csv")
    assert [row.group_id for row in found.rows] == ["ok"]
    (finding,) = found.dropped
    assert finding.check is Check.MALFORMED_ROW
    assert finding.text.startswith("map.csv:3: ")
    assert word in finding.text


@pytest.mark.parametrize("line", ["g,kalshi:market:A,,,,,", "g,,,,,,"])
def test_a_row_with_fewer_than_two_refs_is_dropped_as_empty(line: str) -> None:
    assert counts(V2 + line) == {"empty_ref": 1}


def test_an_empty_side_of_an_older_row_is_dropped_and_does_not_count_elsewhere() -> None:
    assert counts(V1 + "a,,0x1\nb,K1,0x1\n") == {"empty_ref": 1}


def test_an_empty_third_venue_of_an_older_row_is_no_fault() -> None:
    header = "group_id,kalshi_market_id,polymarket_market_id,forecastex_market_id\n"
    found = parse_map(header + "a,K1,0x1,\nb,K2,0x2,FF_1\n", "map.csv")
    assert [len(row.pairs) for row in found.rows] == [1, 3]
    assert check_rows(found) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no header"),
        ("# only\n", "no header"),
        ("a,b\n1,2\n", "group_id"),
        ("group_id,refs,colour\n", "'colour'"),
        ("group_id,kalshi_market_id,colour\n", "'colour'"),
        (V2 + 'g,"a\nb",,,,,\n', "spans lines"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(text: str, word: str) -> None:
    with pytest.raises(OperatorError, match=r"^map\.csv: ") as error:
        parse_map(text, "map.csv")
    assert word in str(error.value)


def test_times_are_utc_and_nothing_else() -> None:
    assert time_ns("") is None
    assert time_ns("2026-01-01") == time_ns("2026-01-01T00:00Z") == 1_767_225_600 * 10**9
    for text in ("2026-01-01T00:00:00+02:00", "01/02/2026", "2026-13-01"):
        with pytest.raises(ValueError, match=r"\S"):
            time_ns(text)


def test_refs_read_back_as_they_are_written() -> None:
    for text in ("kalshi:market:KXA-1", "kalshi:event:KXA", "poly:market:0xAb:no"):
        assert str(parse_ref(text)) == text
    assert parse_ref("poly:market:") is None
    assert parse_ref("poly:slug:x") is None


# ---- cardinality


def test_an_id_in_two_rows_blocks_all_rows_of_that_id_on_either_side() -> None:
    found = parse_map(V1 + "a,K1,0x1\nb,K1,0x2\nc,K3,0x3\nd,K4,0X3\ne,K5,0x5\n", "map.csv")
    assert blocked_groups(check_rows(found)) == {"a", "b", "c", "d"}


def test_cardinality_is_judged_per_venue_pair() -> None:
    """One Kalshi market may pair with one market of each other venue, in rows of their own."""
    text = V2 + "a,kalshi:market:K1 poly:market:P1,,,,,\nb,kalshi:market:K1 fx:market:F1,,,,,\n"
    assert check_rows(parse_map(text, "m")) == ()
    assert counts(text + "c,fx:market:F1 kalshi:market:K2,,,,,\n") == {"cardinality": 2}


def test_what_contradicts_across_files_is_seen() -> None:
    maps = tuple(parse_map(V1 + line, name) for name, line in (("a", "a,K1,0x1\n"), ("b", "b,K1,0x2\n")))
    assert blocked_groups(check_rows(joined(maps))) == {"a", "b"}
    assert joined(maps).sources == ("a", "b")


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8)


@given(ROWS)
def test_cardinality_is_what_counting_says(pairs: list[tuple[int, int]]) -> None:
    rows = tuple(
        MappingRow(group_id=f"g{i}", refs=(ref("k", f"K{left}"), ref("p", f"P{right}")))
        for i, (left, right) in enumerate(pairs)
    )
    lefts, rights = Counter(left for left, _ in pairs), Counter(right for _, right in pairs)
    expected = {f"g{i}" for i, (left, right) in enumerate(pairs) if lefts[left] > 1 or rights[right] > 1}
    assert blocked_groups(check_rows(MappingMap(rows=rows))) == expected


def test_a_group_id_used_twice_is_reported_and_blocks_nothing() -> None:
    findings = check_rows(parse_map(V1 + "a,K1,0x1\na,K2,0x2\n", "m"))
    assert [finding.check for finding in findings] == [Check.DUPLICATE_GROUP]
    assert blocked_groups(findings) == set()


def test_a_person_and_a_time_make_an_approval_and_a_generator_cannot() -> None:
    made = {"group_id": "g", "refs": (ref("k", "A"), ref("p", "B")), "approved_by": "ann", "approved_ns": 1}
    assert MappingRow(provenance=Provenance.HUMAN, **made).approved
    assert MappingRow(provenance=Provenance.CURATED, **made).approved
    assert not MappingRow(provenance=Provenance.GENERATED, **made).approved
    assert not MappingRow(provenance=Provenance.HUMAN, **(made | {"approved_by": ""})).approved
    assert not MappingRow(provenance=Provenance.HUMAN, **(made | {"approved_ns": None})).approved


# ---- refs


def market(venue: str, symbol: str, event: str) -> MarketFacts:
    return MarketFacts(market=InstrumentId(venue, symbol), event=event)


def test_an_event_resolves_only_when_it_has_exactly_one_market() -> None:
    """W-33: never the first in list order."""
    index = MarketIndex([market("k", "A-1", "A"), market("k", "B-1", "B"), market("k", "B-2", "B")])
    assert index.resolve(MappingRef("k", RefKind.EVENT, "a"), "g") is index.facts(InstrumentId("k", "a-1"))
    for value, word in (("B", "2 markets"), ("C", "no markets")):
        found = index.resolve(MappingRef("k", RefKind.EVENT, value), "g")
        assert isinstance(found, Finding)
        assert found.check is Check.AMBIGUOUS_REF
        assert word in found.text


def test_a_market_that_is_not_listed_is_a_stale_link() -> None:
    found = MarketIndex([]).resolve(ref("k", "A"), "g")
    assert isinstance(found, Finding)
    assert found.check is Check.STALE_LINK


# ---- recorded maps


def test_the_recorded_one_to_one_map_passes_every_check_of_its_rows(shared: Path) -> None:
    """Section 21.8: 592 rows, 1:1."""
    path = shared / "data/prediction/metadata/crossmap_kalshi_polymarket_2026-02.csv.gz"
    found = parse_map(gzip.decompress(path.read_bytes()).decode(), path.name)
    assert len(found.rows) == 592
    assert check_rows(found) == ()
    assert not any(row.approved for row in found.rows), "it was generated and nobody vouches for it"


def live_shape() -> str:
    """Return a map of the shape that section 14.3 reports: 743 rows onto 18 contracts, one with 240, one row 1:1."""
    sizes = [240, 1, *[32] * 6, *[31] * 10]
    assert (len(sizes), sum(sizes)) == (18, 743)
    rows = (
        f"g{contract}_{i},KX{contract}-T{i},FX{contract}" for contract, size in enumerate(sizes) for i in range(size)
    )
    return "group_id,kalshi_market_id,forecastex_market_id\n" + "\n".join(rows) + "\n"


def test_a_map_of_743_rows_onto_18_contracts_is_blocked_row_by_row() -> None:
    """Section 21.8, W-32; only the one row that is 1:1 is not blocked for its cardinality."""
    found = parse_map(live_shape(), "live.csv")
    assert len(found.rows) == 743
    blocked = blocked_groups(check_rows(found))
    assert len(blocked) == 742
    assert {row.group_id for row in found.rows} - blocked == {"g1_0"}


def test_no_row_of_the_recorded_map_of_series_can_trade(shared: Path) -> None:
    """It maps whole series: no ref is a market, most series have no counterpart, some stand in several rows."""
    path = shared / "data/prediction/metadata/crossmap_forecastex_kalshi_2026-02.csv.gz"
    found = parse_map(gzip.decompress(path.read_bytes()).decode(), path.name)
    assert len(found.rows) + len(found.dropped) == 82
    assert all(ref.kind is RefKind.EVENT for row in found.rows for ref in row.refs)
    index = MarketIndex([])
    assert all(isinstance(index.resolve(ref, row.group_id), Finding) for row in found.rows for ref in row.refs)
    blocked = blocked_groups(check_rows(found))
    assert {"fed_funds_rate", "fed_funds_decision", "treasury_10yr", "unemployment_rate"} <= blocked


def test_golden_rows_with_an_empty_side_and_doubled_groups_are_found(shared: Path) -> None:
    """Part C `mapping_qa`; its cardinality counts are of the reference, which counts empty ids as ids."""
    cases = json.loads((shared / "golden/arb.json").read_text())["mapping_qa"]
    assert len(cases) == 6
    for case in cases:
        text = V1 + "".join(",".join(row) + "\n" for row in case["mappings"])
        found = parse_map(text, "golden")
        assert len(found.dropped) == case["by_check"]["empty_kalshi_id"]
        whole = [row for row in case["mappings"] if all(row)]
        kalshi, poly = Counter(row[1] for row in whole), Counter(row[2] for row in whole)
        expected = {row[0] for row in whole if kalshi[row[1]] > 1 or poly[row[2]] > 1}
        findings = check_rows(found)
        assert {found.group_id for found in findings if found.check is Check.CARDINALITY} == expected
        index = MarketIndex(
            market(venue, name, name)
            for venue, key in (("kalshi", "live_k"), ("polymarket", "live_p"))
            for name in case[key]
        )
        stale = Counter(
            ref.venue for row in found.rows for ref in row.refs if isinstance(index.resolve(ref, ""), Finding)
        )
        empty = {"kalshi": len(found.dropped), "polymarket": 0}
        for venue, count in empty.items():  # the reference counts an empty id as a stale one too
            whole_stale = case["by_check"].get(f"stale_{venue}", 0) - count
            of_dropped = sum(row[2] not in case["live_p"] for row in case["mappings"] if not row[1])
            assert stale[venue] == whole_stale - (of_dropped if venue == "polymarket" else 0)
        doubled = {group for group, count in Counter(row[0] for row in whole).items() if count > 1}
        assert {found.group_id for found in findings if found.check is Check.DUPLICATE_GROUP} == doubled


# ---- the command


def test_review_lists_what_is_blocked_and_leaves_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map.csv"
    path.write_text(V1 + "a,K1,0x1\nb,K1,0x2\nc,K3,0x3\n")
    assert main(["rules", "review", "--map", str(path)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "3 pairs, 1 pass, 0 of them approved; 2 errors"
    assert main(["rules", "review", "--map", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [finding["check"] for finding in told["findings"]] == ["cardinality", "cardinality"]
    path.write_text(V1 + "c,K3,0x3\n")
    assert main(["rules", "review", "--map", str(path)]) == 0


def test_review_of_a_file_that_is_no_text_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map.csv.gz"
    path.write_bytes(b"no gzip")
    assert main(["rules", "review", "--map", str(path)]) == 2
    assert "map.csv.gz" in capsys.readouterr().err


def test_a_complement_is_kept_as_one() -> None:
    (row,) = parse_map(V2 + "g,k:market:A p:market:B,complement,,,,\n", "m").rows
    assert row.relation is Relation.COMPLEMENT


def test_review_compares_the_words_of_the_venues_where_metadata_is_given(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / "data/prediction/metadata"
    condition = "0xb54ebd2e1e003ca119658adf1eb2d981d51e9c1272d706952cc1af756bf9cdaa"
    path = tmp_path / "map.csv"
    path.write_text(
        "group_id,refs,confidence\n"
        f"a,kalshi:market:KXNHLSERIESSPREAD-26VGKCOLWCF-COL3 polymarket:market:{condition},0.95\n"
        "b,kalshi:market:GONE polymarket:market:0x1,0.95\n"
    )
    words = ["rules", "review", "--map", str(path), "--json"]
    for name in (
        "kalshi_spread_events_with_markets_2026-05.json.gz",
        "polymarket_gamma_markets_btc_2026-01-20.jsonl.gz",
    ):
        words += ["--data", str(folder / name)]
    assert main(words) == 1
    out = capsys.readouterr()
    assert out.err == ""
    told = json.loads(out.out)
    found = {(finding["group_id"], finding["check"]) for finding in told["findings"]}
    assert {("a", "structure"), ("a", "time_mismatch"), ("b", "stale_link")} <= found
    assert told["standings"]["a"]["tier"] == "unverified"
