"""Every check of the doctor can turn red, and one red check hides no other."""

import os
import shutil
import sqlite3
from types import SimpleNamespace

import pytest

from millrace.config import doctor
from millrace.config.doctor import ClockReadings, diagnose, worst
from millrace.config.load import load_settings
from millrace.core.failure import OperatorError

NOW = 1_760_000_000 * 10**9
STEADY = ClockReadings(NOW, 500, NOW + 20_000_000, 20_000_600)


def rows(folder, clocks=STEADY, load=load_settings, read_data=None):
    return {finding.name: finding for finding in diagnose(folder, clocks, load, read_data)}


def test_a_healthy_machine_is_all_ok(tmp_path):
    found = diagnose(tmp_path, STEADY, load_settings, lambda: "5 bars")
    assert worst(found) == "ok"
    assert {
        "python",
        "package msgspec",
        "run directory",
        "disk space",
        "clock",
        "ledger",
        "configuration",
        "data file",
    } <= {finding.name for finding in found}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path):
    found = rows(tmp_path / "runs" / "today")
    assert found["run directory"].state == "ok"
    assert "will be made in" in found["run directory"].detail
    assert found["ledger"].state == "ok"


def test_a_file_in_place_of_the_folder_fails(tmp_path):
    (tmp_path / "runs").touch()
    assert rows(tmp_path / "runs")["run directory"].state == "fail"
    assert rows(tmp_path / "runs")["ledger"].state == "fail"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written_fails(tmp_path):
    tmp_path.chmod(0o500)
    assert rows(tmp_path)["run directory"].state == "fail"


@pytest.mark.parametrize(("free", "state"), [(2**20, "fail"), (500 * 2**20, "warn"), (2**31, "ok")])
def test_little_space_is_told(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert rows(tmp_path)["disk space"].state == state


@pytest.mark.parametrize(
    ("clocks", "state"),
    [
        (STEADY, "ok"),
        (STEADY._replace(second_wall_ns=NOW + 120_000_000), "warn"),
        (STEADY._replace(second_wall_ns=NOW - 3 * 10**9), "fail"),
        (STEADY._replace(second_monotonic_ns=0), "fail"),
        (ClockReadings(0, 0, 1000, 1000), "fail"),
    ],
)
def test_a_clock_that_jumps_or_was_never_set_is_told(tmp_path, clocks, state):
    assert rows(tmp_path, clocks)["clock"].state == state


def test_a_missing_package_fails_when_needed_and_warns_when_not(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ("msgspec", "no-such-needed"))
    monkeypatch.setattr(doctor, "OPTIONAL", {"no-such-extra": "ui"})
    found = rows(tmp_path)
    assert found["package no-such-needed"].state == "fail"
    assert found["package no-such-extra"].state == "warn"
    assert "millrace[ui]" in found["package no-such-extra"].todo


def test_an_old_python_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_PYTHON", (9, 0))
    assert rows(tmp_path)["python"].state == "fail"


def test_a_database_that_cannot_be_opened_fails(tmp_path, monkeypatch):
    def refuse(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    assert rows(tmp_path)["ledger"].state == "fail"


def test_configuration_and_data_faults_become_rows(tmp_path):
    def broken():
        raise OperatorError("a.csv: row 3: duplicate")

    found = rows(tmp_path, load=lambda: load_settings(overrides={"slots.cuont": 1}), read_data=broken)
    assert found["configuration"].state == "fail"
    assert "did you mean slots.count" in found["configuration"].detail
    assert found["data file"].detail == "a.csv: row 3: duplicate"
    clamped = rows(tmp_path, load=lambda: load_settings(overrides={"slots.entry_pct": 0}))
    assert clamped["configuration clamped"].state == "warn"
    assert "slots.entry_pct" in clamped["configuration clamped"].todo
