"""A predecessor's `.env` file as our configuration file, with an account of every line: `millrace config migrate`.

The file that comes out gives the very settings that the old file gives when it is named on the command line, clamps and
all, so an operator may compare the two before he trusts it. What was left out, and why, stands in the report; values of
names that are not ours are in neither.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec

from millrace.config.env_file import read_env
from millrace.config.knobs import KNOBS, find_knob
from millrace.config.load import load_settings
from millrace.config.settings import Notice
from millrace.core.events import Scalar

PROFILE = "default"
"""The profile that an old bot's file stands on: what it does not say is the contract's default, not a demo's."""
Fate = Literal["taken", "clamped", "adjusted", "refused", "empty"]
_FATES: dict[str, Fate] = {
    "clamped": "clamped",
    "adjusted": "adjusted",
    "out_of_range": "refused",
    "unusable": "refused",
}


class Row(msgspec.Struct, frozen=True):
    """One name of the old file that is ours: its key, what stood there, what is in force, and why they differ.

    `holds` tells whether this line gave the value in force: another line, or the default, may have.
    """

    name: str
    key: str
    given: str
    value: Scalar
    unit: str
    fate: Fate
    where: str
    holds: bool = False
    text: str = ""


class Migration(msgspec.Struct, frozen=True):
    """What became of a file: a row for each name of ours, the names that were left alone, and other notices."""

    source: str
    rows: tuple[Row, ...]
    ignored: tuple[str, ...]
    notices: tuple[Notice, ...]
    digest: str


def migrate(env_file: Path) -> Migration:
    """Return the account of an old file; raises OperatorError when it cannot be read or a key is given twice."""
    read = read_env(env_file)
    settings = load_settings(env_file=env_file, profile=PROFILE)
    rows = []
    for entry in read.entries:
        knob = find_knob(entry.name)
        setting = settings.values[knob.key]
        fate, text = _fate(settings.notices, knob.key, entry.where)
        holds = setting.where == entry.where
        rows.append(Row(entry.name, knob.key, entry.value, setting.value, knob.unit, fate, entry.where, holds, text))
    for name in read.empty:
        knob = find_knob(name)
        rows.append(Row(name, knob.key, "", settings.values[knob.key].value, knob.unit, "empty", str(env_file)))
    accounted = {row.key for row in rows}
    held = {row.key for row in rows if row.holds}
    for notice in settings.notices:
        if notice.code == "adjusted" and notice.key not in held:
            # A rule moved what no line of the file gave; it must stand in ours, where the rule finds nothing to move.
            knob, setting = find_knob(notice.key), settings.values[notice.key]
            rows.append(Row("", knob.key, "", setting.value, knob.unit, "adjusted", "a rule", True, notice.text))
            held.add(knob.key)
            accounted.add(knob.key)
    rest = tuple(
        notice
        for notice in settings.notices
        if notice.code != "legacy_name" and not (notice.code in _FATES and notice.key in accounted)
    )
    return Migration(str(env_file), tuple(rows), read.ignored, rest, settings.digest)


def _fate(notices: tuple[Notice, ...], key: str, where: str) -> tuple[Fate, str]:
    """Return what became of a line: a rule between settings concerns the key, anything else the line."""
    for notice in notices:
        if notice.key == key and (notice.code == "adjusted" or (notice.code in _FATES and f"({where})" in notice.text)):
            return _FATES[notice.code], notice.text
    return "taken", ""


def as_toml(migration: Migration) -> str:
    """Return the configuration file: sections and keys in the order of the table of knobs, legacy names as comments."""
    import tomlkit  # noqa: PLC0415 - only who migrates waits for it

    document = tomlkit.document()
    document.add(tomlkit.comment(f"made from {migration.source} by `millrace config migrate`; edit it freely"))
    document.add("profile", tomlkit.item(PROFILE))
    tables: dict[str, Any] = {}
    order = {key: place for place, key in enumerate(KNOBS)}
    held = [row for row in migration.rows if row.holds and row.value is not None]
    for row in sorted(held, key=lambda row: order[row.key]):
        section, _, name = row.key.partition(".")
        if section not in tables:
            tables[section] = tomlkit.table()
            document.add(section, tables[section])
        item = tomlkit.item(row.value)
        told = f"{row.name} = {row.given}, {row.fate}" if row.name else "moved by a rule"
        item.comment(row.name if row.fate == "taken" else told)
        tables[section].add(name, item)
    return tomlkit.dumps(document)


def report(migration: Migration) -> str:
    """Return the account as lines for a person."""
    lines = [f"{migration.source}: {len(migration.rows)} names taken up, {len(migration.ignored)} left alone", ""]
    width = max((len(row.name) for row in migration.rows), default=0)
    for row in migration.rows:
        unit = f" {row.unit}" if row.unit else ""
        lines.append(f"{row.fate:<9} {row.name:<{width}}  {row.key} = {row.value}{unit}  ({row.where})")
        if row.text:
            lines.append(f"{'':9} {row.text}")
    lines += ["", *(f"{notice.severity}: {notice.text}" for notice in migration.notices)]
    lines += ["", "What the file does not say is the contract's default. How many slots there were stood in the old",
              "bot's snapshot, not in its environment: set slots.count, or start from the snapshot."]  # fmt: skip
    return "\n".join(lines) + "\n"
