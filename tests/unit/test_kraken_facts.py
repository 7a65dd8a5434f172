"""Facts of the built-in instruments (design section 3)."""

import pytest

from millrace.config.load import load_settings
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId
from millrace.venues.kraken.facts import instrument_facts
from millrace.world.assemble import traded_instrument


def test_doge_usd_has_the_numbers_of_design_section_3():
    doge = instrument_facts("kraken:DOGE/USD")
    assert doge.price(doge.tick) == 0.0000001
    assert doge.volume(doge.lot) == 0.00000001
    assert doge.volume(doge.min_lots) == 50.0
    assert doge.quote_float(doge.min_cost) == 0.5
    assert (doge.maker_fee_ppm, doge.taker_fee_ppm) == (2500, 4000)
    assert doge.max_open_orders == 225


def test_btc_usdc_counts_cents_and_satoshis():
    btc = instrument_facts(InstrumentId("kraken", "BTC/USDC"))
    assert (btc.price_decimals, btc.lot_decimals) == (2, 8)
    assert btc.volume(btc.min_lots) == 0.00005
    assert btc.quote_float(btc.min_cost) == 0.5


def test_an_unknown_instrument_names_the_known_ones():
    with pytest.raises(OperatorError, match=r"kraken:ETH/USD.*kraken:DOGE/USD, kraken:BTC/USDC"):
        instrument_facts("kraken:ETH/USD")
    with pytest.raises(OperatorError, match="venue:symbol"):
        instrument_facts("DOGE")


def test_an_account_of_a_better_tier_trades_at_its_own_fees() -> None:
    entry = traded_instrument(load_settings())
    assert (entry.maker_fee_ppm, entry.taker_fee_ppm) == (2_500, 4_000), "slots 21: 0.25 %; venues 1: 0.40 %"
    tier = load_settings(overrides={"venue.maker_fee_pct": 0.14, "venue.taker_fee_pct": 0.24})
    assert (traded_instrument(tier).maker_fee_ppm, traded_instrument(tier).taker_fee_ppm) == (1_400, 2_400)
    free = traded_instrument(load_settings(overrides={"venue.maker_fee_pct": 0}))
    assert (free.maker_fee_ppm, free.taker_fee_ppm) == (0, 4_000)
