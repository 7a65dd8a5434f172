"""What the stops are told by the configuration; `config` fills these records and never a guard itself.

A limit that is None is off. The names are those of the knobs in the section `stops`.
"""

import msgspec


class StopsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the stops (runtime 2.17); `kill_file` is a path, empty for none but the run's own."""

    kill_file: str
