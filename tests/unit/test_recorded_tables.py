"""A recorded table that cannot be read is named with what is wrong about it, by every command that reads one."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import millrace
from millrace.core.failure import OperatorError
from millrace.research.arb_data.tables import columns_of, read_columns


def test_a_table_is_read_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"ts": [1, 2], "price": [3.0, 4.0], "text": ["a", "b"]}), path)
    assert columns_of(path) == {"ts", "price", "text"}
    assert read_columns(path, ["price", "ts"]).to_pydict() == {"price": [3.0, 4.0], "ts": [1, 2]}
    with pytest.raises(OperatorError, match=r"rows\.parquet: has no column side, size"):
        read_columns(path, ["ts", "side", "size"])
    with pytest.raises(OperatorError, match=r"none\.parquet: there is no such file"):
        columns_of(tmp_path / "none.parquet")


@pytest.mark.parametrize("bytes_kept", [0, 2, 40])
@pytest.mark.parametrize("folder", [True, False])
def test_a_backtest_of_a_torn_table_is_refused_with_the_files_name(
    tmp_path: Path, bytes_kept: int, *, folder: bool
) -> None:
    path = tmp_path / "ladder.parquet"
    pq.write_table(pa.table({"ts_us": [1, 2]}), path)
    path.write_bytes(path.read_bytes()[:bytes_kept])
    said = millrace("backtest", "arb", "--data", tmp_path if folder else path)
    assert said.code == 2
    assert f"{path}: not readable as parquet" in said.err


def test_rows_that_are_torn_behind_a_whole_foot_are_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"ts": list(range(1_000))}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(200) + whole[204:])
    assert columns_of(path) == {"ts"}
    with pytest.raises(OperatorError, match=r"rows\.parquet: not readable as parquet"):
        read_columns(path, ["ts"])


def test_words_that_nobody_knows_are_answered_with_where_to_look() -> None:
    said = millrace("report", "arb", "here")
    assert said.code == 2
    assert "unrecognized arguments: here; `millrace report --help`" in said.err
