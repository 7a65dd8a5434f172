"""A journal names the code that made it, so that a divergence after an update is not taken for a fault."""

from pathlib import Path

import msgspec

import millrace
from millrace.shell.code_version import code_version
from millrace.shell.manifest import read_manifest, write_manifest
from millrace.world.afterwards.replay import replay


def test_the_version_names_release_and_source() -> None:
    release, _, digest = code_version().partition("+")
    assert release == millrace.__version__
    assert len(digest) == 12
    assert int(digest, 16) >= 0


def test_a_replay_by_other_code_says_so(tmp_path: Path) -> None:
    from millrace.config.load import load_settings
    from millrace.world.assemble import manifest

    made = manifest(load_settings())
    assert made.code_version == code_version()
    write_manifest(tmp_path, made)
    assert replay(tmp_path).notices == []
    write_manifest(tmp_path, msgspec.structs.replace(made, code_version="0.0.9+aaaaaaaaaaaa"))
    (notice,) = replay(tmp_path).notices
    assert "0.0.9+aaaaaaaaaaaa" in notice
    assert read_manifest(tmp_path) is not None
