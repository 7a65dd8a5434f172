"""Settings from layers: default, profile, file, environment file, environment, command line; the later one wins.

A file and a command line are written for us, so what is wrong in them is refused with its place. The environment, and
a predecessor's `.env` file, also belong to others: a legacy value there that cannot be used is reported and the layer
below holds (slots 21; design section 7). The live
flag, caps and endpoints are refused from the environment, because it is inherited unseen (design section 5.8). Nothing
is logged here; the caller prints the notices.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from millrace.capacity.slo import SloSettings
from millrace.config.env_file import EnvFile, given_twice, read_env
from millrace.config.knob import Knob
from millrace.config.knobs import IGNORED_PREFIXES, KNOBS, LEGACY, SWITCHES, find_knob
from millrace.config.knobs_quoting import COMPAT, PREFIX, PROFILE, compat_values, read_overrides
from millrace.config.parse import (
    TooLargeError,
    UnknownChoiceError,
    UnusableError,
    from_switch,
    from_text,
    from_typed,
    wanted,
)
from millrace.config.profiles import PROFILES
from millrace.config.rules import Values, against_instrument, apply_rules, clamp
from millrace.config.settings import (
    Layer,
    Notice,
    PredictionSettings,
    QuoteDeskSettings,
    RunSettings,
    Setting,
    Settings,
    VenueSettings,
)
from millrace.config.toml_file import read_toml
from millrace.core.events import Scalar
from millrace.core.failure import OperatorError
from millrace.core.instrument import Instrument
from millrace.market.firewall_settings import FirewallSettings
from millrace.risk.settings import StopsSettings
from millrace.sizing.throughput import ThroughputConfig
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.quoting.bounds import checked
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.slots.entry_size.rebalancer import RebalanceSettings
from millrace.strategies.slots.entry_size.trend import TrendSettings
from millrace.strategies.slots.release.gates import ReleaseSettings
from millrace.strategies.slots.settings import SlotsSettings
from millrace.strategies.slots.signals.momentum import MomentumSettings
from millrace.strategies.slots.signals.regime_bands import RegimeSettings

_PREFIX = "MILLRACE__"
_PROFILE = "profile"
_LENIENT: frozenset[Layer] = frozenset({"environment file", "environment"})
_SECRETS = frozenset(knob.key for knob in KNOBS.values() if knob.secret)


class Given(NamedTuple):
    """A value as somebody wrote it: the name used, the layer and the place."""

    name: str
    raw: Any
    layer: Layer
    where: str


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Scalar] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    profile: str = "default",
    env_file: Path | None = None,
) -> Settings:
    """Return the settings of a program, with a notice for each clamp, fallback and legacy name.

    `overrides` are the command line's (key or legacy name to value, text or typed), `environ` the environment,
    `profile` the command's own profile, which `profile` in any layer replaces, `env_file` a predecessor's. The live
    flag, caps and endpoints may stand in a file that was named, not in what is inherited. Raises OperatorError
    naming place and key for an unknown key or profile, a value of the wrong type in file or command line, a key given
    twice in one layer (in an old bot's file the later line holds), a knob that the environment may not set, and a
    value other than the default for a part not available yet.
    """
    inherited = read_env(env_file) if env_file else EnvFile((), (), (), ())
    given = [
        *(Given(entry.name, entry.value, "file", entry.where) for entry in (read_toml(path) if path else [])),
        *(Given(entry.name, entry.value, "environment file", entry.where) for entry in inherited.entries),
        *_from_environment(environ or {}),
        *(Given(name, value, "command line", f"command line {name}") for name, value in (overrides or {}).items()),
    ]
    chosen = _profile(given, profile)
    values: Values = {key: Setting(KNOBS[key].default, "default", "") for key in sorted(KNOBS)}
    values |= {key: Setting(value, "profile", chosen) for key, value in PROFILES[chosen].items()}
    notices = list(inherited.notices)
    seen: dict[tuple[Layer, str], Given] = {}
    for one in given:
        if one.name != _PROFILE:
            _take(one, values, notices, seen)
    if values[PROFILE].value == COMPAT:
        for key, value in compat_values().items():
            if values[key].layer == "default":
                values[key] = Setting(value, "profile", f"{PROFILE} = {COMPAT}")
    notices += apply_rules(values)
    return _typed(chosen, values, notices)


def read_given(given: Iterable[Given]) -> tuple[dict[str, Scalar], list[Notice], list[str]]:
    """Return what was written down as typed values by key, notices, and every problem; a profile is one."""
    values: Values = {key: Setting(KNOBS[key].default, "default", "") for key in KNOBS}
    notices: list[Notice] = []
    seen: dict[tuple[Layer, str], Given] = {}
    problems = []
    for one in given:
        if one.name == _PROFILE:
            problems.append(f"{one.where}: a profile is what a start begins from; name the settings themselves")
            continue
        try:
            _take(one, values, notices, seen)
        except OperatorError as error:
            problems.append(str(error))
    keys = dict.fromkeys(key for _, key in seen)
    return {key: values[key].value for key in keys}, notices, problems


def fit_to_instrument(settings: Settings, instrument: Instrument) -> Settings:
    """Return the settings with what the instrument's minimums demand, and a notice for each change."""
    values = dict(settings.values)
    notices = against_instrument(values, instrument)
    return _typed(settings.profile, values, [*settings.notices, *notices]) if notices else settings


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    """Yield our own names and the legacy ones, in name order; an empty text is no value."""
    for name in sorted(environ):
        ours = name.startswith(_PREFIX)
        if not (ours or name in LEGACY or name in SWITCHES or name.startswith(IGNORED_PREFIXES)):
            continue
        if environ[name].strip():
            key = name.removeprefix(_PREFIX).lower().replace("__", ".") if ours else name
            yield Given(key, environ[name], "environment", f"environment {name}")


def _profile(given: list[Given], profile: str) -> str:
    where = "profile"
    for one in given:
        if one.name == _PROFILE:
            profile, where = str(one.raw).strip(), one.where
    if profile not in PROFILES:
        raise OperatorError(f"{where}: unknown profile {profile}; known are {', '.join(PROFILES)}")
    return profile


def _take(one: Given, values: Values, notices: list[Notice], seen: dict[tuple[Layer, str], Given]) -> None:
    if one.name.startswith(IGNORED_PREFIXES):
        if not any(notice.key.startswith(IGNORED_PREFIXES) for notice in notices):
            text = f"KELLY_* knobs are accepted and ignored ({one.where})"
            notices.append(Notice("info", "ignored", one.name, text))
        return
    try:
        knob = find_knob(one.name)
    except OperatorError as error:
        raise OperatorError(f"{one.where}: {error}") from None
    twin = seen.get((one.layer, knob.key))
    seen[one.layer, knob.key] = one
    if twin is not None and one.layer == "environment file":
        notices.append(given_twice(knob.key, twin.where, one.where))
    elif twin is not None:
        raise OperatorError(f"{one.where}: {knob.key} is given twice, also at {twin.where}; keep one of them")
    if one.layer == "environment" and not knob.env:
        raise OperatorError(f"{one.where}: {knob.key} may not come from the environment; set it in the file")
    if one.name != knob.key:
        text = f"{one.name} is the legacy name of {knob.key} ({one.where})"
        notices.append(Notice("info", "legacy_name", knob.key, text))
    below = values[knob.key]
    value = _value(one, knob, below, notices)
    if value is None:
        return
    if not knob.available and value != knob.default:
        shown = "" if knob.secret else f" = {value}"
        raise OperatorError(f"{one.where}: {knob.key}{shown} is not available yet; remove it")
    values[knob.key], clamped = clamp(knob, Setting(value, one.layer, one.where), below)
    notices += clamped


def _value(one: Given, knob: Knob, below: Setting, notices: list[Notice]) -> Scalar:
    """Return the typed value; None when it cannot be used and the layer below holds."""
    try:
        return _parsed(one, knob)
    except UnusableError as error:
        lenient = one.layer in _LENIENT or isinstance(error, UnknownChoiceError)
        shown = "set" if knob.secret else repr(one.raw)
        must = str(error) if isinstance(error, TooLargeError) else wanted(knob)
        if not lenient:
            raise OperatorError(f"{one.where}: {knob.key} must be {must}, not {shown}") from None
        text = f"{knob.key} must be {must}, not {shown}; kept {below.value} ({one.where})"
        notices.append(Notice("warning", "unusable", knob.key, text))
        return None


def _parsed(one: Given, knob: Knob) -> Scalar:
    if one.name in SWITCHES:
        on = one.raw if isinstance(one.raw, bool) else from_switch(str(one.raw))
        return SWITCHES[one.name][1 if on else 2]
    if one.layer != "file" and isinstance(one.raw, str):
        return from_text(knob, one.raw)
    return from_typed(knob, one.raw)


def _typed(profile: str, values: Values, notices: list[Notice]) -> Settings:
    fields: dict[str, dict[str, Scalar]] = {}
    for key, setting in values.items():
        if KNOBS[key].available:
            fields.setdefault(KNOBS[key].section, {})[KNOBS[key].name] = setting.value
    nested = {
        "throughput": msgspec.convert(fields["sizer"], ThroughputConfig),
        "momentum": msgspec.convert(fields["momentum"], MomentumSettings),
        "regime": msgspec.convert(fields["regime"], RegimeSettings),
        "release": msgspec.convert(fields["release"], ReleaseSettings),
        "rebalance": msgspec.convert(fields["rebalance"], RebalanceSettings),
        "trend": msgspec.convert(fields["trend"], TrendSettings),
    }
    return Settings(
        profile=profile,
        run=msgspec.convert(fields["run"], RunSettings),
        venue=msgspec.convert(fields["venue"], VenueSettings),
        stops=msgspec.convert(fields["stops"], StopsSettings),
        slo=msgspec.convert(fields["slo"], SloSettings),
        firewall=msgspec.convert(fields["firewall"], FirewallSettings),
        arb=msgspec.convert({**fields["arb"], **_parts_of(fields, "arb_")}, ArbSettings),
        prediction=msgspec.convert(fields["prediction"], PredictionSettings),
        quote_desk=msgspec.convert(fields["quoting"], QuoteDeskSettings),
        quoting=_quoting(fields),
        slots=msgspec.convert({**fields["slots"], **nested}, SlotsSettings),
        values=values,
        notices=tuple(notices),
        secret_keys=_SECRETS,
    )


def _quoting(fields: Mapping[str, dict[str, Scalar]]) -> QuotingSettings:
    """Return what the quote desk is told; raises OperatorError naming every problem at once (quoting 10)."""
    told = msgspec.convert(_parts_of(fields, PREFIX), QuotingSettings)
    return checked(msgspec.structs.replace(told, overrides=read_overrides(str(fields["quoting"]["overrides"]))))


def _parts_of(fields: Mapping[str, dict[str, Scalar]], prefix: str) -> dict[str, dict[str, Scalar]]:
    """Return the sections `PREFIX<part>` under the names of their parts."""
    return {section.removeprefix(prefix): part for section, part in fields.items() if section.startswith(prefix)}
