"""What must be true of the desk in a world that goes wrong: positions, orders, money, each judged by the venues' truth.

The contract's words (arb 21.6): position truth is venue truth, no order twice, capital conserved. A position is the sum
over the baskets' sub-positions of an outcome; what became cash without an order, because a market paid or the venue
took pairs back, counts as a fact of the ledger like any fill.
"""

from collections import Counter
from collections.abc import Mapping

from millrace.core.binary_events import MarketResolved
from millrace.core.commands import Command, Place, RecordClosing, Side
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money
from millrace.core.order_truth import VenueOrder
from millrace.core.permission import Level
from millrace.sim.memory_disk import MemoryDisk
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.prediction.venue_records import Accepted, PredictionRecord, Rejected
from millrace.world.assemble import Program
from millrace.world.faults.oracles import MUST_HEAL, Oracles
from millrace.world.simulation import Simulation


class Venues:
    """All venues as the one that an order was sent to."""

    def __init__(self, venues: Mapping[str, PredictionVenue]) -> None:
        self.venues = venues

    def order_status(self, client_id: str) -> VenueOrder | None:
        """Return an order of whichever venue knows it."""
        found = (venue.order_status(client_id) for venue in self.venues.values())
        return next((order for order in found if order is not None), None)

    def positions(self) -> dict[InstrumentId, Lots]:
        """Return the contracts held of each outcome."""
        return {name: lots for venue in self.venues.values() for name, lots in venue.positions().items() if lots}

    def ended(self) -> set[InstrumentId]:
        """Return the markets that have paid, or were void."""
        told = (event for venue in self.venues.values() for event in venue.endings(0))
        return {event.market for event in told if isinstance(event, MarketResolved)}

    def cash(self) -> dict[tuple[str, str], Money]:
        """Return free and held money by venue and currency."""
        return {
            (name, asset): sum(pair) for name, venue in self.venues.items() for asset, pair in venue.balances().items()
        }


class DeskOracles(Oracles):
    """Watches one world of the desk; `opening` is the cash at each venue by venue and currency."""

    def __init__(
        self, instruments: tuple[Instrument, ...], opening: dict[tuple[str, str], Money], venues: Venues
    ) -> None:
        super().__init__(instruments[0], {})
        self._facts = {instrument.id: instrument for instrument in instruments}
        self._opening = opening
        self._venues = venues
        self._closed: dict[tuple[SubPosition, int], RecordClosing] = {}

    # What the program does

    def begin(self, program: Program, simulation: Simulation, seq: int) -> None:
        """A program was restored up to event `seq` and has heard nothing yet."""
        self._openings = Counter()
        for closing in self._closed.values():
            self._openings[closing.position] -= closing.lots
        super().begin(program, simulation, seq)

    def committing(self, commands: list[Command], disk: MemoryDisk, folder: object) -> None:
        """The ledger takes facts: the journal must hold them durably before."""
        for command in commands:
            if isinstance(command, RecordClosing):
                self._closed[command.position, command.number] = command
        self.closings = len(self._closed)
        super().committing(commands, disk, folder)

    def _closing(self, closing: RecordClosing) -> None:
        self._fills[closing.position] -= closing.lots

    def _order_at_venue(self, client_id: str) -> VenueOrder | None:
        return self._venues.order_status(client_id)

    def _need(self, place: Place) -> tuple[str, Money]:
        facts = self._facts[place.instrument]
        if place.side is Side.SELL:
            return str(place.instrument), 0
        fee = facts.most_fee(place.limit_ticks, place.lots, may_take=True)
        return facts.id.venue, facts.cost(place.limit_ticks, place.lots) + fee

    def _worst_case(self, client_id: str) -> None:
        """If every order under way fills, no venue is overdrawn."""
        free = {name: sum(pair[0] for pair in venue.balances().values()) for name, venue in self._venues.venues.items()}
        self._overdrawn(client_id, free)

    # What the venues do

    def prediction_record(self, record: PredictionRecord) -> None:
        """A venue is about to change its state by this record."""
        if isinstance(record, Accepted):
            self._took(record.client_id, record.ts_ns, record.side)
        elif isinstance(record, Rejected):
            self._turned_away(record.client_id)

    # Between whiles, and at the end

    def look(self) -> None:
        """Compare what single changes cannot show: the venues' books against ours."""
        if self._life is None:
            return
        for name, venue in self._venues.venues.items():
            self._strangers(self._life.program, name, venue.open_orders())

    def settled(self, ended_ns: int, prices: int) -> None:
        """Judge a world that has been quiet for long enough: all must agree."""
        del ended_ns, prices
        life = self._at_rest()
        if life is None:
            return
        standing = life.program.engine.board.active()
        self._stuck(one for one in standing if one.level >= Level.REDUCE_ONLY and one.reason in MUST_HEAL)
        self._positions(life.program)
        self._baskets(life.program)
        self._money(life.program)
        self._rows()

    def _positions(self, program: Program) -> None:
        """What the baskets hold of each outcome, together, is what the venues hold."""
        held: Counter[InstrumentId] = Counter()
        for position, lots in program.orders.positions().items():
            held[position.instrument] += lots
        booked: Counter[InstrumentId] = Counter()
        for row in self._ledger.positions():
            booked[row.position.instrument] += row.lots
        ours, theirs = {name: lots for name, lots in held.items() if lots}, self._venues.positions()
        if not ours == theirs == {name: lots for name, lots in booked.items() if lots}:
            self.broken("position", f"the desk holds {ours}, the ledger {dict(booked)}, the venues {theirs}")

    def _baskets(self, program: Program) -> None:
        """No basket is open all of whose markets have ended."""
        ended = self._venues.ended()
        lives = () if program.desk is None else program.desk.baskets.lives.values()
        for life in lives:
            if all(leg.market in ended for leg in life.legs):
                self.broken("baskets", f"{life.key} is {life.state} though its markets have ended: {life.legs}")

    def _money(self, program: Program) -> None:
        """Cash is what lay there, less what fills cost, plus what was paid: for the venues and for the program."""
        expected = dict(self._opening)
        for row in self._ledger.orders():
            facts = self._facts[row.place.instrument]
            spent = row.place.side.sign * row.cum_cost + row.cum_fee
            expected[facts.id.venue, facts.quote] -= spent
        for closing in self._closed.values():
            facts = self._facts[closing.position.instrument]
            expected[facts.id.venue, facts.quote] += closing.proceeds - closing.fee
        truth = self._venues.cash()
        if expected != truth:
            self.broken("conservation", f"by the ledger there is {expected}, the venues hold {truth}")
        counted = {(venue, asset): program.engine.total(venue, asset) for venue, asset in truth}
        if counted != truth:
            self.broken("conservation", f"the program counts {counted}, the venues hold {truth}")
