"""Knobs of the quote desk: its account and venue, and every setting of its contract's sections (quoting 10).

Unit, meaning and bounds of the sections stand beside the records that the desk reads (`strategies/quoting/bounds`).
Nothing of them is clamped: a desk that ran with other limits than those in its file would be trusted for what it does
not do, so all problems are refused at once. Fees of real venues eat a spread of a basis point; the simulated account
states its own, as a maker's contract would, and every report names them.
"""

from collections.abc import Iterable, Mapping

from millrace.config.knob import Knob, knob
from millrace.core.events import Scalar
from millrace.core.failure import OperatorError
from millrace.strategies.quoting.bounds import ROWS
from millrace.strategies.quoting.settings import Override, QuotingSettings
from millrace.strategies.quoting.settings import Scalar as Value

PREFIX = "quoting_"
"""Begins the section of a knob that the desk's own records hold; `quoting` alone is what lies around it."""
PROFILE = "quoting.profile"
COMPAT = "compat"
_WORDS = {"profile": ("live", COMPAT), "queue": ("log", "power", "risk_averse")}
_ROWS: tuple[tuple[str, Scalar, str, str, str, float | None, float | None], ...] = (
    ("enabled", False, "", "the quote desk trades beside the others", "1", None, None),
    ("profile", "live", "", "which values hold that nobody set", "10.1", None, None),
    ("overrides", "", "", "values of symbols: SYMBOL:section.key=value, by blanks", "10", None, None),
    ("symbols", 20, "symbols", "generated symbols that are quoted; 20 are known", "1", 1, 20),
    ("tempo", 1.0, "", "speed of their own clock, for orders and prices; 1: a busy venue", "1", 0.01, 10),
    ("mood_min", 10, "min", "how long a generated market stays as it is: calm, volatile, toxic, thin", "1", 1, 1_440),
    ("cash_usd", 100_000.0, "USDT", "opening cash of the desk's account", "1", 0, None),
    ("coins_usd", 10_000.0, "USDT", "worth of each coin that it begins with", "1", 0, None),
    ("maker_fee_bps", 0.0, "bps", "a maker's fee there", "4.2", 0, 100),
    ("taker_fee_bps", 2.0, "bps", "a taker's fee there", "4.2", 0, 100),
    ("feed_delay_ms", 20, "ms", "from a change there to our hearing of it", "5", 0, 60_000),
    ("request_latency_ms", 20, "ms", "from our call to its arrival", "5", 0, 60_000),
    ("response_latency_ms", 20, "ms", "and back", "5", 0, 60_000),
    ("latency_jitter_ms", 5, "ms", "most that is added to each of these", "5", 0, 60_000),
    ("queue", "log", "", "how cancels are shared out in a simulated queue", "4.5", None, None),
    ("checksummed", 0, "symbols", "the first so many have books with checksums", "1", 0, 20),
    ("calls_per_sec", 50, "1/s", "calls to the venue", "4.6", 1, 10_000),
    ("min_tick_ms", 100, "ms", "least time between two ticks of a symbol", "1", 1, 60_000),
    ("look_ms", 1_000, "ms", "symbols with orders are looked at so often", "4.7", 10, 60_000),
)


def _desk() -> Iterable[Knob]:
    for name, default, unit, meaning, spec, low, high in _ROWS:
        words = _WORDS.get(name, ())
        yield knob(
            f"quoting.{name}", "", default, unit, meaning, low=low, high=high, choices=words, spec=f"quoting {spec}"
        )


def _sections() -> Iterable[Knob]:
    live = QuotingSettings.live()
    for row in ROWS:
        yield Knob(
            key=f"{PREFIX}{row.key}",
            legacy=(),
            default=getattr(getattr(live, row.section), row.name),
            unit=row.unit,
            meaning=row.meaning,
            low=row.low,
            high=row.high,
            choices=row.choices,
            spec=f"quoting {row.spec}",
            clamps=False,
        )


QUOTING_KNOBS: tuple[Knob, ...] = (*_desk(), *_sections())
"""Everything that the quote desk can be told."""


def compat_values() -> Mapping[str, Scalar]:
    """Return the values of the compat profile that differ from the live one, by key (quoting 10.1)."""
    compat, live = QuotingSettings.compat(), QuotingSettings.live()
    pairs = ((row, *(getattr(getattr(one, row.section), row.name) for one in (compat, live))) for row in ROWS)
    return {f"{PREFIX}{row.key}": value for row, value, other in pairs if value != other}


def read_overrides(text: str) -> tuple[Override, ...]:
    """Return the values of single symbols; raises OperatorError for a text that is not of the form."""
    kinds = {row.key: type(row.default) for row in ROWS}
    found = []
    for part in text.split():
        symbol, colon, rest = part.partition(":")
        key, equals, value = rest.partition("=")
        if not (symbol and colon and key and equals):
            raise OperatorError(f"quoting.overrides: {part} is not of the form SYMBOL:section.key=value")
        found.append(Override(symbol, key, _typed(part, value, kinds.get(key, str))))
    return tuple(found)


def _typed(part: str, value: str, kind: type[Value]) -> Value:
    if kind is bool and value in {"true", "false"}:
        return value == "true"
    try:
        return value if kind is bool else kind(value)
    except ValueError:
        raise OperatorError(f"quoting.overrides: the value of {part} must be a {kind.__name__}") from None
