"""Which code is running: the version and a digest of the package's source.

Two commits may carry one version number; a journal must be replayed by the code that made it, so its manifest names the
source itself (runtime 2.21).
"""

from functools import cache
from hashlib import blake2b
from pathlib import Path

import millrace

_DIGITS = 12


@cache
def code_version() -> str:
    """Return `version+digest`, the digest over every source file of the package by name and content."""
    root = Path(millrace.__file__).parent
    digest = blake2b(digest_size=_DIGITS // 2)
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{millrace.__version__}+{digest.hexdigest()}"
