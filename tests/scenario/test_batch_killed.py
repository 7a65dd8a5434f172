"""A program killed in the middle of a call with several items comes back to what the venue did of it (runtime 2.15)."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo_runs import SECOND, as_killed, open_run
from millrace.core.events import Operator
from millrace.core.journal_format import RecordKind
from millrace.shell.batching import OPS, op_of
from millrace.shell.journal import journal_records
from millrace.sim.depth.records import decode_record
from millrace.sim.venue_log import Accepted
from millrace.world.folder.recovery import check_agreement
from millrace.world.folder.run_folder import Run

QUOTES = {
    "slots.enabled": False, "arb.enabled": False, "quoting.enabled": True, "quoting.symbols": 3,
    "quoting_rollout.start_pct": 100, "quoting_emit.levels": 2,
}  # fmt: skip
POINTS = ("before it leaves", "under way", "one item done", "all done and nothing heard")


class Copies:
    """Copies a run's folder at each point of the first batch of each kind, as a kill there would leave it."""

    def __init__(self, run: Run, folder: Path) -> None:
        assert run.depth is not None
        self.run, self.folder = run, folder
        self.sizes: dict[str, int] = {}
        self.done = 0
        self.batch: tuple[Any, ...] = ()
        line, venue = run.depth.line, run.depth.here
        send, arrive = line.send_batch, line.arrive

        def sending(calls: tuple[Any, ...], now_ns: int) -> None:
            self.copy(calls, "before it leaves")
            send(calls, now_ns)
            self.copy(calls, "under way")

        def arriving(kind: str, payload: Any, ts_ns: int) -> None:
            self.batch, self.done = payload[0] if kind == "batch" else (), 0
            arrive(kind, payload, ts_ns)
            if self.batch:
                self.copy(self.batch, "all done and nothing heard")
            self.batch = ()

        line.send_batch, line.arrive = sending, arriving  # type: ignore[method-assign]
        for name in OPS:
            setattr(venue, name, self.counted(getattr(venue, name)))

    def counted(self, act: Any) -> Any:
        def acting(*call: Any) -> Any:
            answers = act(*call)
            self.done += 1
            if self.batch and self.done == 1:
                self.copy(self.batch, "one item done")
            return answers

        return acting

    def copy(self, calls: tuple[Any, ...], point: str) -> None:
        op = op_of(calls[0])
        self.sizes[op] = max(self.sizes.get(op, 0), len(calls))
        if not self.of(op, point).exists():
            as_killed(self.run, self.of(op, point))

    def of(self, op: str, point: str) -> Path:
        return self.folder / f"{op} {point}"


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Copies:
    folder = tmp_path_factory.mktemp("batches")
    run = open_run(folder / "run", QUOTES)
    found = Copies(run, folder)
    for second in range(60):
        run.simulation.run_until(run.simulation.now_ns + SECOND)
        if second % 20 == 10:
            symbol = next(iter(run.program.quotes.symbols.values())).symbol
            told = {"symbol": symbol, "reason": "test"}
            run.simulation.feed_event(Operator("pause_symbol", told, run.simulation.now_ns))
            run.simulation.run_until(run.simulation.now_ns + 2 * SECOND)
            run.simulation.feed_event(Operator("resume_symbol", {"symbol": symbol}, run.simulation.now_ns))
    run.close()
    assert set(found.sizes) == set(OPS)
    assert found.sizes["cancel"] == 4, "one cancel batch per symbol: two levels on two sides (quoting 4.6)"
    return found


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("op", OPS)
def test_killed_there_it_comes_back_to_the_venues_truth(copies, op, point) -> None:
    folder = copies.of(op, point)
    run = open_run(folder, QUOTES)
    run.simulation.run_until(run.simulation.now_ns + 20 * SECOND)
    orders, venue = run.program.orders, run.depth.here
    assert not [one for one in run.program.engine.board.active() if one.id.startswith(("unknown", "recovery"))]
    run.simulation.feed_event(Operator("halt", {"reason": "test"}, run.simulation.now_ns))
    run.simulation.run_until(run.simulation.now_ns + 5 * SECOND)
    assert orders.unfinished() == []
    assert venue.open_orders() == ()
    for one in run.program.quotes.symbols.values():
        held = sum(venue.balances()[one.instrument.base]) - venue.settings.opening[one.instrument.base]
        assert one.instrument.base_amount(orders.position(one.position)) == held
    check_agreement(orders, run.ledger)
    run.close()
    rows = journal_records(folder / f"venue-{venue.settings.venue}")
    records = [decode_record(row.payload) for row in rows if row.kind is RecordKind.VENUE]
    taken = Counter(record.client_id for record in records if isinstance(record, Accepted))
    assert max(taken.values()) == 1
