"""The file of an incident bundle: a zip of a short run folder and of what explains it (runtime 2.21 rule 7).

Zip needs nothing but the standard library on the machine of whoever looks into it; the same members give the same
bytes. Nothing is written in which a known secret is found after all, and of a file from elsewhere only the members of
the run are unpacked.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from millrace.core.failure import OperatorError, WorldError
from millrace.shell.disk import RealDisk
from millrace.shell.redaction import Redactor

RUN: Final = "run/"
INFO: Final = "bundle.json"
_RUN_MEMBER: Final = re.compile(r"run/(manifest\.json|segments\.json|journal-\d+\.mrj|snapshot-\d+\.mrs)")
_LEVEL: Final = 6
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def write_bundle(path: Path, members: Mapping[str, bytes], redactor: Redactor) -> None:
    """Put a bundle in place whole; raises OperatorError when the file exists, WorldError for a disk or a secret."""
    if path.exists():
        raise OperatorError(f"{path} exists; give another file with --out")
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, data in members.items():
            if redactor.leaks(data) or redactor.leaks(name.encode()):
                raise WorldError(
                    f"a known secret stands in {name}, where it cannot be taken out; no bundle was written"
                )
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            archive.writestr(member, data, compresslevel=_LEVEL)
    data = out.getvalue()
    if redactor.leaks(data):
        raise WorldError("a known secret stands in the compressed bundle by chance; it was not written")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        RealDisk().replace(path, data)
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror or error}; free or repair its disk") from error


def read_members(path: Path) -> dict[str, bytes]:
    """Return the members of a bundle by name; raises OperatorError for a file that is none, WorldError for damage."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        if zipfile.is_zipfile(path):
            raise WorldError(f"{path} is damaged ({error}); fetch it again from where it was made") from error
        raise OperatorError(
            f"{path} holds no run and is no bundle ({error}); give a folder or what `bundle` wrote"
        ) from error
    if INFO not in members:
        raise OperatorError(f"{path} holds no run and is no bundle: there is no {INFO} in it")
    return members


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give a bundle's run as a folder for a while."""
    members = read_members(path)
    with TemporaryDirectory(prefix="millrace-bundle-") as name:
        folder = Path(name)
        for member, data in members.items():
            if _RUN_MEMBER.fullmatch(member):
                (folder / member.removeprefix(RUN)).write_bytes(data)
        yield folder
