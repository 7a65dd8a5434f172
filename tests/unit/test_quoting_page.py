"""The trader's page of the quote desk says what every word means, and its figures are those of the settings."""

import ast
import re

from millrace.strategies.quoting.guards.market_wide import MarketBit
from millrace.strategies.quoting.guards.triggers import LATENCY_UNKNOWN
from millrace.strategies.quoting.model import FaultCode
from millrace.strategies.quoting.quotes import fast_cancel
from millrace.strategies.quoting.quotes.reasons import Reason
from millrace.strategies.quoting.settings import QuotingSettings
from source_tree import REPOSITORY

PAGE = (REPOSITORY / "docs" / "quoting.md").read_text(encoding="utf-8")
SOURCE = REPOSITORY / "src" / "millrace" / "strategies" / "quoting"
LIVE = QuotingSettings.live()


def guard_words() -> set[str]:
    """Return every key that some module gives a guard's reason."""
    found: set[str] = {LATENCY_UNKNOWN}
    for path in (SOURCE / "stages" / "guards.py", SOURCE / "guards" / "triggers.py", SOURCE / "guards" / "flow.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"GuardReason", "_append"}:
                found |= {
                    arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                }
    return found


def test_every_word_is_explained() -> None:
    words = guard_words() | {str(one) for one in (*Reason, *FaultCode)}
    words |= {fast_cancel.SPIKE, fast_cancel.ADVERSE} | {f"market_{bit.label}" for bit in MarketBit}
    assert {"vol", "p95", "inv", "halt_cooldown", "flow_ofi", "refused"} <= words
    assert not [word for word in sorted(words) if f"`{word}`" not in PAGE]


def test_the_bits_are_those_of_the_contract() -> None:
    """Quoting 4.3 addition 5."""
    rows = dict(re.findall(r"^\| `market_(\w+)` \| (\d+) \|", PAGE, re.MULTILINE))
    assert rows == {bit.label: str(bit.value) for bit in MarketBit}


def test_thresholds_on_the_page_are_the_defaults() -> None:
    guards, emit, throttle, fast = LIVE.risk_guards, LIVE.emit, LIVE.throttle, LIVE.fast_cancel
    assert f"| from {guards.vol_soft_bps:g} | from {guards.vol_hard_bps:g} |" in PAGE
    assert f"above {guards.latency_soft_ms:g} ms | above {guards.latency_hard_ms:g} ms" in PAGE
    assert f"below {guards.pnl_soft_z:g} | below {guards.pnl_hard_z:g}" in PAGE
    assert f"above {guards.inventory_soft_pct:g} % | above {guards.inventory_hard_pct:g} %" in PAGE
    assert f"from {guards.takers_soft} | from {guards.takers_hard}" in PAGE
    assert f"half of {guards.soft_widen_bps:g} bps" in PAGE
    assert f"more than {fast.cancel_threshold_bps:g} bps" in PAGE
    assert f"Past {fast.spike_threshold_bps:g} bps" in PAGE
    assert f"{emit.min_time_in_book_ms} ms in the book, {emit.refresh_floor_ms} ms after" in PAGE
    seconds = throttle.window_ms // 1_000
    assert f"{throttle.places_per_sec * seconds} places, {throttle.amends_per_sec * seconds} amends" in PAGE
