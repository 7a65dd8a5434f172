"""An old bot's `.env` starts Millrace, and `millrace config migrate` says the same in TOML (issue step 6; slots 21, P22)."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from command_line import millrace
from millrace.config.env_file import read_env
from millrace.config.knobs import KNOBS, LEGACY
from millrace.config.load import load_settings
from millrace.config.migrate import as_toml, migrate, report
from millrace.core.failure import OperatorError

OLD = """\ufeff# the old bot's settings\r
EXCHANGE_API_SECRET="hunter2"\r
export STICKY_MODE_ENABLED=true\r
ORDER_SIZE_MODE='doge'\r
ORDER_SIZE_DOGE=60   # units\r
TP_ENABLED = yes\r
\r
TP_FLOR_MULT=0.4\r
TP_FLOOR_MULT=1.4\r
KELLY_ENABLED=false\r
KELLY_FRACTION=0.2\r
DAILY_LOSS_LIMIT=5\r
PAIR_ENTRY_PCT=abc\r
PAIR_PROFIT_PCT=\r
MAX_RECOVERY_SLOTS=2\r
MAX_RECOVERY_SLOTS=3\r
not a line of any kind\r
"""


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.env"
    path.write_bytes(OLD.encode())
    return path


def test_every_name_of_ours_is_taken_and_listed_and_every_other_is_noticed_once(old):
    loaded = load_settings(env_file=old)
    chosen = loaded.slots
    assert (chosen.sticky_mode_enabled, chosen.order_size_mode, chosen.order_size_doge) == (True, "DOGE", 60.0)
    assert (chosen.throughput.enabled, chosen.throughput.floor_mult) == (True, 1.0)
    assert (chosen.entry_pct, chosen.profit_pct, chosen.max_recovery_slots) == (0.2, 1.0, 3)
    assert chosen.daily_loss_limit_usd == 5.0, "a cap may stand in a file that somebody named (design 5.8)"
    texts = [notice.text for notice in loaded.notices]
    for name in ("STICKY_MODE_ENABLED", "ORDER_SIZE_MODE", "ORDER_SIZE_DOGE", "TP_ENABLED", "TP_FLOOR_MULT"):
        assert sum(f"{name} is the legacy name" in text for text in texts) == 1
    for name in ("EXCHANGE_API_SECRET", "TP_FLOR_MULT", "KELLY_ENABLED", "KELLY_FRACTION"):
        assert sum(name in text for text in texts) == 1, name
    assert any("TP_FLOR_MULT is not a knob of the slot grid (did you mean TP_FLOOR_MULT?)" in text for text in texts)
    assert any("old.env line 17 is not of the form NAME=VALUE" in text for text in texts)
    assert any("MAX_RECOVERY_SLOTS stands at" in text and "line 15" in text and "line 16" in text for text in texts)
    assert loaded.values["sizer.floor_mult"].where.endswith("old.env line 9")
    assert not any("hunter2" in text for text in texts)


def test_the_environment_goes_before_the_old_file_and_the_old_file_before_toml(tmp_path, old):
    toml = tmp_path / "millrace.toml"
    toml.write_text("[slots]\nmax_recovery_slots = 7\nsticky_target_slots = 70\norder_size_doge = 9.0\n")
    loaded = load_settings(toml, environ={"ORDER_SIZE_DOGE": "77"}, env_file=old)
    assert loaded.slots.max_recovery_slots == 3
    assert loaded.slots.sticky_target_slots == 70
    assert loaded.slots.order_size_doge == 77.0


def test_two_names_of_one_setting_are_one_setting(tmp_path):
    """slots 21: ENTRY_FLOOR_ENABLED maps to ENTRY_FLOOR_MODE."""
    path = tmp_path / "old.env"
    path.write_text("ENTRY_FLOOR_ENABLED=true\nENTRY_FLOOR_MODE=off\n")
    assert load_settings(env_file=path).slots.entry_floor_mode == "off"
    assert "given_twice" in {notice.code for notice in migrate(path).notices}
    assert as_toml(migrate(path)).count("entry_floor_mode") == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(OperatorError, match=r"absent\.env cannot be read"):
        read_env(tmp_path / "absent.env")
    (tmp_path / "binary.env").write_bytes(b"\xff\xfe\x00A")
    with pytest.raises(OperatorError, match=r"binary\.env cannot be read"):
        read_env(tmp_path / "binary.env")


def test_what_a_rule_moves_is_written_though_the_file_does_not_name_it(tmp_path):
    """slots 21: floor <= ceiling swapped."""
    path = tmp_path / "old.env"
    path.write_text("TREND_CEILING=0.0\n")
    text = as_toml(migrate(path))
    assert "floor = 0.0 # moved by a rule" in text
    assert "ceiling = 0.15 # TREND_CEILING = 0.0, adjusted" in text


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-5, 500).map(str),
    st.sampled_from(["true", "off", "", " ", "nan", "abc", "DOGE", "fixed", "1e3", "0.5 # half", "'2'", "${HOME}"]),
)


def test_what_a_rule_moves_is_written_where_its_line_cannot_be_used(tmp_path):
    """The line of TREND_CEILING says nothing, so the default holds, and the swap with the floor moves that."""
    path = tmp_path / "old.env"
    path.write_text("TREND_FLOOR=1.0\nTREND_CEILING=true\n")
    text = as_toml(migrate(path))
    assert "floor = 0.6 # TREND_FLOOR = 1.0, adjusted" in text
    assert "ceiling = 1.0 # moved by a rule" in text


@settings(max_examples=150)
@example({"TREND_FLOOR": "1.0", "TREND_CEILING": "true"})
@example({"TREND_FLOOR": "1.0", "TREND_CEILING": ""})
@given(st.dictionaries(st.sampled_from(sorted(name for name in LEGACY if LEGACY[name].available)), VALUES))
def test_the_migrated_file_means_what_the_old_file_meant(values):
    with tempfile.TemporaryDirectory() as folder:
        old, toml = Path(folder) / "old.env", Path(folder) / "millrace.toml"
        old.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        migration = migrate(old)
        toml.write_text(as_toml(migration))
        again = load_settings(toml, profile="demo")
        assert again.flat() == load_settings(env_file=old).flat()
        assert again.digest == migration.digest
        taken_over = {"clamped", "unusable", "out_of_range"}
        assert not [notice for notice in again.notices if notice.code in taken_over], "what was clamped stays quiet"
        assert {row.name for row in migration.rows} - {""} == set(values)
        assert all(row.key in report(migration) for row in migration.rows)


def test_the_command_writes_both_files_and_overwrites_neither(tmp_path, old):
    out = tmp_path / "new.toml"
    done = millrace("config", "migrate", str(old), "--out", str(out), "--json")
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in done.object["rows"]}
    assert rows["TP_FLOOR_MULT"]["fate"] == "clamped"
    assert rows["PAIR_ENTRY_PCT"]["fate"] == "refused"
    assert rows["PAIR_PROFIT_PCT"]["fate"] == "empty"
    assert rows["ORDER_SIZE_DOGE"]["value"] == 60.0
    beside = tmp_path / "new.toml.report.txt"
    for text in (out.read_text(), beside.read_text(), done.out, done.err):
        assert "hunter2" not in text
    assert "left alone" in beside.read_text()
    again = millrace("config", "migrate", str(old), "--out", str(out))
    assert again.code == 2
    assert "exists already" in again.err


def test_an_old_file_starts_the_demo_on_the_contracts_defaults(tmp_path, old):
    done = millrace("demo", "--env", str(old), "--dir", str(tmp_path / "run"), "--seconds", "2", "--json")
    assert done.code == 0, done.err
    status = done.object["status"]
    assert status["sizing"]["order_size_doge"] == 60.0
    assert status["slot_count"] == KNOBS["slots.count"].default
    assert status["sticky_mode"]["enabled"] is True
    assert "KELLY_ENABLED, KELLY_FRACTION" in done.err
    assert "hunter2" not in done.out + done.err
