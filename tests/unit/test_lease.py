"""One program per folder and per account, and who holds it (design section 5.7)."""

import os
from pathlib import Path

import pytest

from millrace.core.failure import WorldError
from millrace.shell.lease import AccountLease, FolderLease, state_folder


def test_an_account_is_held_once_whatever_the_folder(tmp_path: Path) -> None:
    held = AccountLease(tmp_path / "state", "kraken", "main", tmp_path / "one")
    with pytest.raises(WorldError, match=f"the account main at kraken is in use by process {os.getpid()} for .*one"):
        AccountLease(tmp_path / "state", "kraken", "main", tmp_path / "two")
    AccountLease(tmp_path / "state", "kraken", "other", tmp_path / "two").close()
    AccountLease(tmp_path / "state", "bybit", "main", tmp_path / "two").close()
    held.close()
    AccountLease(tmp_path / "state", "kraken", "main", tmp_path / "two").close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorldError, match="file/lock cannot be opened"):
        FolderLease(tmp_path / "file")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, "/home/ann/.local/state/millrace"),
        ({"XDG_STATE_HOME": "/state"}, "/state/millrace"),
        ({"XDG_STATE_HOME": "/state", "MILLRACE_STATE_DIR": "/here"}, "/here"),
    ],
)
def test_where_leases_lie(environment: dict[str, str], wanted: str) -> None:
    assert state_folder(environment, Path("/home/ann")) == Path(wanted)
