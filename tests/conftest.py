"""Shared fixtures: where the recordings and golden vectors lie, and why a test is skipped without them."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with specs, recordings and golden vectors beside the checkout; skips where it is absent."""
    folder = Path(os.environ.get("MILLRACE_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"recordings and golden vectors are not beside this checkout ({folder.name}/ is absent)")
    return folder
