"""Speed of the slot reducer (slots 25): price ticks that move nothing, and fills round a whole cycle."""

from typing import Any

from millrace.strategies.slots.bootstrap import bootstrap
from millrace.strategies.slots.reducer.events import Fill, PriceTick
from millrace.strategies.slots.reducer.model import SlotConfig, SlotState
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes

BATCH = 10_000
LEAST_TICKS_PER_SEC = 100_000
LEAST_FILLS_PER_SEC = 17_000


def opened(cfg: SlotConfig, sizes: UsdSizes) -> SlotState:
    state = SlotState(market_price=0.2, now=1000.0)
    bootstrap(state, cfg, sizes, 1e9, 1e9)
    return state


def test_price_ticks(benchmark: Any) -> None:
    cfg = SlotConfig(sticky_mode_enabled=True)
    sizes = UsdSizes(10.0, None, cfg)
    state = opened(cfg, sizes)

    def ticks() -> None:
        for tick in range(BATCH):
            apply(state, PriceTick(0.2 + (tick & 7) * 1e-5, 1000.0 + tick), cfg, sizes)

    benchmark.extra_info |= {"units": BATCH, "unit": "price ticks", "limit_sec": BATCH / LEAST_TICKS_PER_SEC}
    benchmark(ticks)
    assert [order.local_id for order in state.orders] == [1, 2]


def test_fills(benchmark: Any) -> None:
    cfg = SlotConfig(sticky_mode_enabled=True, reentry_base_cooldown_sec=0.0, volume_decimals=8)
    sizes = UsdSizes(10.0, None, cfg)
    state = opened(cfg, sizes)

    def fills() -> None:
        for tick in range(BATCH):
            order = state.orders[0]
            apply(
                state,
                Fill(order.local_id, "", order.side, order.price, order.volume, 0.02, 1000.0 + tick),
                cfg,
                sizes,
            )

    benchmark.extra_info |= {"units": BATCH, "unit": "fills", "limit_sec": BATCH / LEAST_FILLS_PER_SEC}
    benchmark(fills)
    assert len(state.completed_cycles) == 1000 or state.total_round_trips >= BATCH // 2
