"""The direction of the market as one small integer.

Cycles, snapshots and old files carry the regime as a number, a flag or a word, sometimes as rubbish. Everything passes
through one total function, so that no reader has to guess and 0 (bearish) is never mistaken for "missing".
"""

BEARISH = 0
RANGING = 1
BULLISH = 2

REGIME_NAMES = ("bearish", "ranging", "bullish")
"""Lower-case names by number: part of bucket names and of what status shows."""

_BY_TEXT = {name: number for number, name in enumerate(REGIME_NAMES)} | {"0": BEARISH, "1": RANGING, "2": BULLISH}


def normalise_regime(value: object) -> int | None:
    """Return 0, 1 or 2 for anything that means a regime, None for everything else; never raises (slots 1.1).

    Accepts integers, booleans, integral floats, ASCII digits and the three names, trimmed and in any case.
    """
    if isinstance(value, (int, float)):
        return int(value) if value in {BEARISH, RANGING, BULLISH} else None
    if isinstance(value, str):
        text = value.strip().lower()
        if len(text) > 1 and text.isdigit():
            text = text.lstrip("0") or "0"
        return _BY_TEXT.get(text)
    return None
