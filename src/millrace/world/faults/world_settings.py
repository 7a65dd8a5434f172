"""How a fault world's grid is set up, and what its operator asks for: drawn from the seed, every part in some worlds.

What the grid can do beyond waiting on fixed entries is in groups that are on or off together, so that each is seen
alone and with others. Their times are short and their gates wide, because in two hours nothing ages for days. An
operator asks for whatever can be asked for, with good and with bad arguments; what he gets is the program's business.
"""

from collections.abc import Sequence
from typing import Final

from millrace.config.knobs import KNOBS
from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.events import Operator, Scalar
from millrace.sim.dice import Dice

_COUNTS: Final = (2, 4, 12, 12, 24, 80)
_LIVELY: Final[dict[str, Scalar]] = {
    "slots.entry_pct": 0.05,
    "slots.refresh_pct": 0.1,
    "slots.profit_pct": 0.6,
    "slots.order_size_usd": 25.0,
}
_HALF_PPM: Final = 500_000
_GROUPS: Final[dict[str, dict[str, tuple[Scalar, ...]]]] = {
    "sizer": {
        "sizer.enabled": (True,),
        "sizer.shadow": (False, False, True),
        "sizer.estimator": ("weighted", "kaplan_meier"),
        "sizer.min_samples": (2,),
        "sizer.min_samples_per_bucket": (1,),
    },
    "gate": {
        "momentum.enabled": (True,),
        "momentum.max_defer_sec": (60.0, 600.0),
        "momentum.ema_fast_bars": (2,),
        "momentum.ema_slow_bars": (3,),
    },
    "bands": {
        "regime.adx_enabled": (True,),
        "regime.adx_period": (2, 3),
        "regime.entry_pct_choppy": (0.05,),
        "regime.entry_pct_normal": (0.07,),
        "regime.entry_pct_trending": (0.10,),
    },
    "rebalancer": {
        "rebalance.enabled": (True,),
        "rebalance.idle_basis": ("auto", "usd_only", "mark_to_market"),
        "rebalance.interval_sec": (60.0,),
        "rebalance.ema_halflife_sec": (60.0,),
        "trend.enabled": (False, True),
        "trend.min_samples": (3,),
        "trend.fast_halflife_sec": (120.0,),
        "trend.slow_halflife_sec": (600.0,),
    },
    "release": {
        "release.auto_enabled": (True, True, False),
        "release.min_age_sec": (60.0, 300.0),
        "release.min_distance_pct": (0.0, 0.3),
        "release.adx_threshold": (0.0,),
        "regime.adx_period": (2,),
        "release.max_stuck_pct": (0.5, 5.0),
        "release.panic_stuck_pct": (3.0, 50.0),
        "release.recovery_target_pct": (1.0, 2.5),
        "release.panic_min_age_sec": (30.0, 60.0),
        "release.close_mode": ("synthetic", "market"),
        "release.batch_max": (1, 5),
        "release.recon_hard_gate_enabled": (True, True, False),
    },
    "usd": {
        "slots.order_size_mode": ("USD",),
        "slots.b_side_account_sizing": (True, False),
    },
    "layers": {"slots.capital_layers": (1, 2)},
    "reserve": {
        "slots.entry_cap_policy": ("entry_reserve",),
        "slots.entry_reserve_orders": (2, 10),
        "slots.open_order_safety_ratio": (0.1, 0.75),
    },
    "timeouts": {
        "slots.sticky_mode_enabled": (False,),
        "slots.s1_orphan_after_sec": (120.0, 600.0),
        "slots.s2_orphan_after_sec": (120.0, 600.0),
        "slots.recovery_evict_books": (False, True),
        "slots.max_recovery_slots": (1, 2),
    },
    "lossy": {"slots.daily_loss_limit_usd": (0.0, 30.0)},
}
_CHANGED_AT_STARTS: Final[dict[str, tuple[Scalar, ...]]] = {
    "slots.profit_pct": (0.6, 0.7),
    "slots.poll_interval_sec": (30.0, 20.0),
}
"""What an operator tries out from one start to the next, beside other groups; most lives have the first value."""


def world_settings(seed: int, changes: dict[str, Scalar], life: int = 0) -> Settings:
    """Return the settings from a life on: a small lively grid on most seeds, all eighty slots on some.

    `changes` go before what is drawn. A later life may have other settings, but those that stay for a whole run.
    """
    dice = Dice(seed, "settings" if life == 0 else f"settings of life {life}")
    drawn: dict[str, Scalar] = {}
    for name, group in _GROUPS.items():
        if dice.often(_HALF_PPM, "has", name) and all(KNOBS[key].available for key in group):
            drawn |= {key: _one_of(dice, key, values) for key, values in group.items()}
    if life:
        drawn |= {key: _one_of(dice, key, values) for key, values in _CHANGED_AT_STARTS.items()}
    count: dict[str, Scalar] = {
        "run.seed": seed,
        "slots.count": _COUNTS[Dice(seed, "settings").draw("count") % len(_COUNTS)],
    }
    return load_settings(profile="demo", overrides={**_LIVELY, **count, **drawn, **changes})


def _one_of(dice: Dice, name: str, values: tuple[Scalar, ...]) -> Scalar:
    return values[dice.draw(name) % len(values)]


_ENTRY_PCTS: Final = (0.05, 0.06, 0.1)
_PROFIT_PCTS: Final = (0.6, 0.65, 0.8, 0.1)
_ABSENT: Final = 999


def wish(draw: int, slot_ids: Sequence[int], now_ns: int) -> Operator:
    """Return what an operator asks for, by 64 drawn bits: any action, most often of a slot that there is."""
    slot_id = slot_ids[(draw >> 16) % len(slot_ids)] if slot_ids and draw >> 40 & 15 else _ABSENT
    choice, yes = draw >> 24, bool(draw >> 48 & 1)
    wishes: tuple[tuple[str, dict[str, Scalar]], ...] = (
        ("pause", {"reason": "a world's operator"}),
        ("resume", {}),
        ("add_slot", {"force": yes}),
        ("remove_slot", {"slot_id": slot_id, "confirm": yes}),
        ("remove_slots", {"count": choice % 3}),
        ("set_entry_pct", {"value": _ENTRY_PCTS[choice % len(_ENTRY_PCTS)]}),
        ("set_profit_pct", {"value": _PROFIT_PCTS[choice % len(_PROFIT_PCTS)]}),
        ("release_slot", {"slot_id": slot_id, "preview": choice % 4 == 0}),
        ("release_slot", {"slot_id": slot_id, "trade_id": "AB"[choice % 2]}),
        ("release_oldest_eligible", {"slot_id": slot_id}),
        ("release_ack", {}),
        ("toggle_sticky", {"slot_id": slot_id, "sticky": yes, "confirm": True}),
        ("reconcile_drift", {"confirm": yes}),
        ("audit_pnl", {}),
        ("soft_close", {"slot_id": slot_id, "recovery_id": 1 + choice % 4}),
        ("soft_close_next", {}),
        ("cancel_stale_recoveries", {"min_distance_pct": 0.1}),
        ("add_layer", {"source": ("AUTO", "DOGE", "USD")[choice % 3]}),
        ("remove_layer", {"source": ("AUTO", "DOGE", "USD")[choice % 3]}),
    )
    action, args = wishes[draw % len(wishes)]
    return Operator(action, args, now_ns)
