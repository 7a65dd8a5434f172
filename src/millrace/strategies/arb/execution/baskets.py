"""The baskets under way: which legs leave when, and what happens when they come out uneven (arb 7.6, 11).

The hardest leg leaves first, alone or with others of its venue; each next leg leaves for what the ones before it hold,
at a price of that moment, within the drift and the time that are allowed, and the board is asked again. Whatever goes
otherwise ends in repair: cancel, wait for the final quantity, then complete, give back or hold. A filled leg is a
position at once, whatever becomes of its basket (arb 0.7).

Every order that comes after the first fill makes a basket more even, so it is sent as a hedge or as an exit, which a
restriction that only lets risk shrink admits.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from millrace.core.binary_events import MarketResolved
from millrace.core.commands import Alert, Book, Cancel, Intent, OrderState, OrderUpdate, Place, Refused, Severity, Side
from millrace.core.commands import Style as OrderStyle
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Lots
from millrace.core.strategy import View
from millrace.orders.opportunity import intent_key
from millrace.orders.positions import CLOSING
from millrace.strategies.arb.execution.basket import EXPOSED, NEXT, Life, Role, State, WorkingOrder, emptied
from millrace.strategies.arb.execution.counting import booked, closed, count_capital, count_naked, edge_ticks
from millrace.strategies.arb.execution.hedge import may_rest
from millrace.strategies.arb.execution.prices import Prices
from millrace.strategies.arb.execution.repair import Trade, Way, chosen, worth_trading
from millrace.strategies.arb.execution.settings import SECOND_NS, ExecutionSettings
from millrace.strategies.arb.lanes.exact import maker_ticks
from millrace.strategies.arb.model import Proposition, Style
from millrace.strategies.arb.telemetry.rows import STATE

_PAST_KEPT = 1_000
"""Ended baskets whose groups are remembered for fills that are heard of late."""
Ended = Callable[[Life, View], list[Intent]]


class Baskets:
    """Lives by their key. What it returns are intents, which the engine gates like any others.

    `escalated` is told of a basket whose repair gave up, `ended` of one whose last cash is in, `filled` of each fill.
    `as_takers` decides the rest of a basket whose maker leg gave up, and gives it its new terms if it may be traded.
    """

    def __init__(
        self,
        strategy: str,
        prices: Prices,
        settings: ExecutionSettings,
        escalated: Ended,
        ended: Ended,
        filled: Callable[[Life, OrderUpdate], None],
    ) -> None:
        self.strategy = strategy
        self.lives: dict[str, Life] = {}
        self.prices = prices
        self.settings = settings
        self._escalated = escalated
        self._ended = ended
        self._filled = filled
        self.as_takers: Callable[[Life, View], bool] = lambda _life, _view: False
        self._of: dict[str, Life] = {}
        self._groups: dict[str, Life] = {}
        self._past: dict[str, Life] = {}
        self._window_ns = round(settings.window_sec * SECOND_NS)

    # What comes in

    def begin(self, life: Life, places: Iterable[Place]) -> Book:
        """Take a basket whose first orders leave with its plan; returns what that plan writes down when it begins."""
        self.lives[life.key] = self._groups[life.group] = life
        life.whole_lots = life.lots - self.tolerance(life)
        for place in places:
            leg = int(place.position.leg)
            life.legs[leg].tries, life.legs[leg].target = 1, place.lots
            self._note(life, place.key, WorkingOrder(leg, Role.LEG, other=False, buys=True, rest=place.lots))
        life.wait_ns = life.opened_ns + self._patience_ns(maker=bool(life.resting))
        return self._step(life, State.WORKING, life.opened_ns)

    def drop(self, key: str) -> Life | None:
        """Forget a basket whose plan was refused; None when it is none of ours or has begun."""
        life = self._of.get(key)
        if life is None or life.traded or life.moves > 1:
            return None
        for order in life.orders:
            del self._of[order]
        del self.lives[life.key], self._groups[life.group]
        return life

    def heard(self, update: OrderUpdate, view: View) -> list[Intent]:
        """Take an order's news, or what a pay-out or pairs taken back closed."""
        life = self._groups.get(update.place.position.group)
        if life is None and (update.d_lots or update.d_cost or update.d_fee):
            life = self._revived(update)
        if life is None:
            return []
        now_ns = view.now_ns
        count_capital(life, now_ns)
        if update.client_id.startswith(CLOSING):
            closed(life, update, view.instrument(update.place.instrument))
        else:
            booked(life, update, view.instrument(update.place.instrument))
            if update.d_lots and update.place.side is Side.BUY:
                self._filled(life, update)
            self._answered(life, update)
        count_naked(life, now_ns, uneven=life.uneven(self.tolerance(life)))
        return self.advance(life, view)

    def of_group(self, group: str) -> Life | None:
        """Return the basket under way whose sub-positions have this name; None when it has ended."""
        return self._groups.get(group)

    def _revived(self, update: OrderUpdate) -> Life | None:
        """Return the ended basket of a fill, or of money, that is heard of late, with nothing in it but that."""
        life = self._past.pop(update.place.position.group, None)
        if life is None:
            return None
        self.lives[life.key] = self._groups[life.group] = life
        return life

    def refused(self, news: Refused, view: View) -> list[Intent]:
        """Take the board's refusal of an order that followed the first ones: the basket is looked at again later."""
        life = self._of.pop(news.place.key, None)
        if life is None or life.orders.pop(news.place.key, None) is None:
            return []
        if life.state is State.WORKING and life.traded:
            return self._begin_repair(life, view)
        return []

    def resolved(self, event: MarketResolved, view: View) -> list[Intent]:
        """Note that a market has ended: its legs trade no more."""
        out: list[Intent] = []
        for life in list(self.lives.values()):
            touched = [leg for leg in life.legs if leg.market == event.market and not leg.ended]
            for leg in touched:
                leg.ended = True
            if touched:
                out += self.advance(life, view)
        return out

    def quoted(self, market: InstrumentId, view: View) -> list[Intent]:
        """Take a new book: a basket that waited for one may go on, and a leg that rests may have lost its hedge."""
        out: list[Intent] = []
        for life in [life for life in self.lives.values() if life.state is State.WORKING]:
            if (life.first_fill_ns or life.resting) and any(leg.market == market for leg in life.legs):
                out += self.advance(life, view)
        return out

    def due(self, view: View) -> list[Intent]:
        """Return what the passing of time asks for."""
        out: list[Intent] = []
        for life in [life for life in self.lives.values() if 0 < life.wait_ns <= view.now_ns]:
            life.wait_ns = 0
            out += self.advance(life, view)
        return out

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next; None when no basket waits for time."""
        return min((life.wait_ns for life in self.lives.values() if life.wait_ns), default=None)

    def _answered(self, life: Life, update: OrderUpdate) -> None:
        """Note that an order ended, or that its cancel has to be asked for once more."""
        key = update.place.key
        if key not in life.orders:
            return
        if update.state.is_terminal:
            ended = life.orders.pop(key)
            del self._of[key]
            if life.orders and ended.role is Role.LEG and life.legs[ended.leg].style is Style.MAKER:
                # The takers that hedge it are on their way still, with a time of their own.
                life.cancelling, life.wait_ns = False, update.ts_ns + self._patience_ns(maker=False)
        elif life.cancelling and (
            OrderState.UNKNOWN in {update.state, update.previous} or update.previous is update.state
        ):
            # Its cancel met an unknown order, or was put off; while nothing is known of an order its end is not told.
            life.cancelling, life.wait_ns = False, update.ts_ns + SECOND_NS

    def tolerance(self, life: Life) -> Lots:
        """Return the surplus that is no reason to trade: the smaller of a share and of a number (arb 11.5).

        What no leg's venue would take as an order is none either: it waits for its pay-out.
        """
        share = round(life.lots * self.settings.tolerance_share)
        facts = [self.prices.facts[leg.market] for leg in life.legs]
        dust = max(max(fact.min_lots, fact.lot) for fact in facts) - 1
        return max(min(share, round(self.settings.tolerance_contracts * CONTRACT_LOTS)), dust)

    # Going on

    def advance(self, life: Life, view: View) -> list[Intent]:
        """Return what follows from where a basket is now."""
        if life.state is State.WORKING:
            out = self._work(life, view)
        elif life.state is State.REPAIRING:
            out = self._repair(life, view)
        else:
            out = self._rest(life, view)
        if life.is_flat and life.state not in {State.WORKING, State.REPAIRING} and life.key in self.lives:
            count_capital(life, view.now_ns)
            out += self._finish(life, view)
        return out

    def _rest(self, life: Life, view: View) -> list[Intent]:
        """Look at a basket that is settled, held or closing: a late fill may have made it uneven."""
        if life.orders:
            return []
        uneven = life.uneven(self.tolerance(life))
        if life.state is State.HELD_NAKED and not uneven:
            return self._move(life, State.HEDGED if life.matched > 0 else State.UNWOUND, view.now_ns)
        if life.closing or life.state is State.HELD_NAKED:
            return []
        if uneven and not all(leg.ended for leg in life.legs):
            return self._begin_repair(life, view)
        if life.state is State.ABANDONED and life.traded:
            return self._move(life, State.HEDGED, view.now_ns)
        return []

    def _work(self, life: Life, view: View) -> list[Intent]:
        now_ns = view.now_ns
        if any(leg.ended for leg in life.legs):
            return self._cut_short(life, view)
        out: list[Intent] = []
        life.awaiting = False
        for stage in range(1, len(life.groups)):
            before = [leg for group in life.groups[:stage] for leg in group]
            lead_rests = any(life.live(leg) and life.legs[leg].style is Style.MAKER for leg in before)
            if any(life.live(leg) for leg in before) and not lead_rests:
                break
            share = min(life.legs[leg].held for leg in before)
            if not self._follow(life, life.groups[stage], share, view, out):
                return out + self._begin_repair(life, view)
        if life.orders:
            if life.resting and not self._hedged(life, view):
                return out + self._cancel(life)
            if life.wait_ns and life.wait_ns > now_ns:
                return out
            if life.wait_ns == 0 and (life.resting or not out):
                return out + self._late(life, view)
            return out
        if life.awaiting and now_ns <= self._window_ends_ns(life):
            life.wait_ns = self._window_ends_ns(life) + 1
            return out
        return out + self._settle(life, view)

    def _cut_short(self, life: Life, view: View) -> list[Intent]:
        """Go on with a basket of which a market has ended: what rests is taken back, and its end is awaited."""
        if life.traded:
            return self._begin_repair(life, view)
        return self._cancel(life) if life.orders else self._settle(life, view)

    def _window_ends_ns(self, life: Life) -> int:
        """Return until when a next leg may leave; what was decided anew after a fill has its own time."""
        return max(life.first_fill_ns, life.again_ns) + self._window_ns

    def _late(self, life: Life, view: View) -> list[Intent]:
        """An order has rested for as long as it may: a maker's gets some more after a part fill, then all end."""
        more_ns = round(self.settings.maker_more_sec * SECOND_NS)
        if life.first_fill_ns and not life.cancelling and view.now_ns < life.first_fill_ns + more_ns:
            life.wait_ns = life.first_fill_ns + more_ns
            return []
        return self._cancel(life)

    def _follow(self, life: Life, group: list[int], share: Lots, view: View, out: list[Intent]) -> bool:
        """Send a group's legs for what those before it hold; False when that may not be any more (arb 11.2, 11.3)."""
        for leg in group:
            one = life.legs[leg]
            lots = share - one.held - life.rest_of(leg)
            if not life.live(leg) and one.target and one.held < one.target - self.tolerance(life):
                return False
            fact = self.prices.facts[one.market]
            lots -= lots % fact.lot
            if lots < fact.min_lots:
                continue
            if view.now_ns > self._window_ends_ns(life):
                return False
            walk = self.prices.buy(one.proposition, lots, view)
            if walk is None:
                life.awaiting = True
                continue
            drift = round(self.settings.drift * PAYOUT_TICKS)
            if walk.ticks - one.limit_ticks > drift:
                return False
            spare = min(drift, edge_ticks(life) // sum(map(len, life.groups[1:])))
            ticks = max(walk.ticks, one.limit_ticks + spare - spare % fact.tick)
            one.target = share
            trade = Trade(leg, buys=True, other=False, lots=lots, ticks=ticks)
            out += self._send(life, trade, Role.LEG, view)
        return True

    def _settle(self, life: Life, view: View) -> list[Intent]:
        """Nothing is under way: the basket is whole, comes again as a maker, is given up, or is put right."""
        if life.uneven(self.tolerance(life)):
            return self._begin_repair(life, view)
        first = life.groups[0][0]
        if life.legs[first].style is Style.MAKER and not any(leg.ended for leg in life.legs):
            again = self._post_again(life, first, view) or self._take_instead(life, view)
            if again:
                return again
        if not life.traded:
            return self._move(life, State.ABANDONED, view.now_ns)
        return self._move(life, State.HEDGED, view.now_ns)

    def _post_again(self, life: Life, leg: int, view: View) -> list[Intent]:
        """Post the rest of a maker leg once more at a price of now, never above the plan's (arb 7.5).

        Not without a hedge: then what is left is decided anew.
        """
        one, fact = life.legs[leg], self.prices.facts[life.legs[leg].market]
        rest = life.lots - one.held
        rest -= rest % fact.lot
        quote = self.prices.quote(one.market, view)
        if life.attempts >= self.settings.maker_attempts or rest < fact.min_lots or quote is None:
            return []
        ticks = maker_ticks(quote, one.proposition, fact, self.settings.aggressiveness_ticks)
        if ticks is None or not self._hedged(life, view):
            return []
        life.attempts += 1
        trade = Trade(leg, buys=True, other=False, lots=rest, ticks=min(ticks, one.limit_ticks))
        return self._send(life, trade, Role.LEG, view)

    def _take_instead(self, life: Life, view: View) -> list[Intent]:
        """Decide what is left anew with every leg as taker, once the maker had its attempts (arb 7.5)."""
        if not self.as_takers(life, view):
            return []
        life.again_ns = view.now_ns
        out: list[Intent] = []
        for leg in life.groups[0]:
            one = life.legs[leg]
            trade = Trade(leg, buys=True, other=False, lots=life.lots - one.held, ticks=one.limit_ticks)
            out += self._send(life, trade, Role.LEG, view)
        return out

    # Repair

    def _begin_repair(self, life: Life, view: View) -> list[Intent]:
        life.tries = life.wait_ns = 0
        out = self._move(life, State.REPAIRING, view.now_ns)
        return out + self._repair(life, view)

    def repair_again(self, life: Life, view: View) -> list[Intent]:
        """Try anew to put right a basket that is held naked (arb 12 row 3)."""
        return self._begin_repair(life, view)

    def _repair(self, life: Life, view: View) -> list[Intent]:
        now_ns, chosen_ns = view.now_ns, round(self.settings.repair_window_sec * SECOND_NS)
        if life.orders:
            return self._cancel(life) if life.wait_ns == 0 or not self._all_repairs(life) else []
        if not any(leg.owned or leg.other_owned for leg in life.legs) and life.uneven(self.tolerance(life)):
            life.was_naked = True
            return self._move(life, State.HELD_NAKED, now_ns)
        if not life.uneven(self.tolerance(life)):
            state = State.HEDGED if life.matched > 0 else State.UNWOUND
            return self._move(life, state, now_ns)
        if life.wait_ns > now_ns:
            return []
        if life.tries >= self.settings.repair_tries or all(leg.ended for leg in life.legs):
            life.was_naked, life.repaired_ns = True, now_ns
            return [*self._move(life, State.HELD_NAKED, now_ns), *self._escalated(life, view)]
        life.tries += 1
        life.wait_ns = now_ns + chosen_ns // self.settings.repair_tries
        allowed = self.settings.max_repair_loss * life.tries / self.settings.repair_tries
        remedy = chosen(life, self.prices, view, self.settings.naked_risk_charge, allowed, life.tries)
        role = Role.COMPLETE if remedy.way is Way.COMPLETE else Role.UNWIND
        out: list[Intent] = []
        for trade in worth_trading(life, self.prices, remedy.trades):
            out += self._send(life, trade, role, view)
        return out

    @staticmethod
    def _all_repairs(life: Life) -> bool:
        return all(order.role is not Role.LEG for order in life.orders.values())

    def _cancel(self, life: Life) -> list[Intent]:
        """Take orders back, of a basket whose lead rests that one alone: the takers on their way are its hedge."""
        if life.cancelling or not life.orders:
            return []
        life.cancelling = True
        keys = (life.state is State.WORKING and life.resting) or list(life.orders)
        return [Cancel(self.strategy, key, "leg_policy") for key in keys]

    # Sending

    def exit(self, life: Life, trades: Iterable[Trade], view: View) -> list[Intent]:
        """Send what gives a basket back, as decided by its holder; only fills close it (arb 12)."""
        return [intent for trade in trades for intent in self._send(life, trade, Role.EXIT, view)]

    def _send(self, life: Life, trade: Trade, role: Role, view: View) -> list[Intent]:
        one = life.legs[trade.leg]
        proposition = one.proposition.negation if trade.other else one.proposition
        one.tries += 1
        maker = role is Role.LEG and one.style is Style.MAKER
        lots = self._gross(trade, proposition, maker=maker)
        place = order_of(self.strategy, life, trade, proposition, one.tries, role, lots, maker=maker)
        self._note(life, place.key, WorkingOrder(trade.leg, role, trade.other, trade.buys, trade.lots))
        if maker or not life.resting:
            life.cancelling = False
            if role is Role.LEG:
                life.wait_ns = view.now_ns + self._patience_ns(maker=maker)
        return [place]

    def _gross(self, trade: Trade, proposition: Proposition, *, maker: bool) -> Lots:
        """Return the lots to ask for, so that those wanted arrive where the fee is kept back in contracts."""
        fact = self.prices.facts[proposition.market]
        if fact.fees is None or not trade.buys or not fact.fees.in_shares:
            return trade.lots
        return fact.fees.gross_lots(trade.ticks, trade.lots, lot=fact.lot, maker=maker)

    def _hedged(self, life: Life, view: View) -> bool:
        return may_rest(self.strategy, life, self.prices, self.settings, self.tolerance(life), view)

    def _patience_ns(self, *, maker: bool) -> int:
        return round((self.settings.maker_timeout_sec if maker else self.settings.poll_timeout_sec) * SECOND_NS)

    def _note(self, life: Life, key: str, order: WorkingOrder) -> None:
        life.orders[key] = order
        self._of[key] = life

    # Ends

    def _move(self, life: Life, state: State, now_ns: int) -> list[Intent]:
        return [] if state is life.state else [self._step(life, state, now_ns)]

    def _step(self, life: Life, state: State, now_ns: int) -> Book:
        """Take the next state and write it down before anything follows from it (arb 11.4)."""
        if state not in NEXT[life.state]:
            raise AssertionError(f"basket {life.key} cannot go from {life.state} to {state}")
        before, life.state = life.state, state
        life.moves += 1
        if state not in EXPOSED:
            life.wait_ns = 0
        values = {"state": state.value, "before": before.value, "matched": life.matched, "full": life.full}
        return Book(self.strategy, STATE, f"{life.key}/{life.moves}", {**values}, now_ns)

    def _finish(self, life: Life, view: View) -> list[Intent]:
        out: list[Intent] = []
        if life.state is State.HEDGED:
            out += self._move(life, State.COMPLETED, view.now_ns)
        del self.lives[life.key], self._groups[life.group]
        out += self._ended(life, view)
        self._past[life.group] = emptied(life)
        if len(self._past) > _PAST_KEPT:
            del self._past[next(iter(self._past))]
        return out

    def alert(self, life: Life, code: str, text: str, now_ns: int) -> Alert:
        """Return a page about a basket."""
        held = ", ".join(f"{leg.market} {leg.outcome} {leg.held}" for leg in life.legs)
        return Alert(Severity.PAGE, code, f"{life.key} ({life.lane}): {text}; held: {held}", now_ns)

    # Snapshots

    def snapshot(self) -> list[Any]:
        """Return the baskets as builtins."""
        builtins: list[Any] = msgspec.to_builtins([list(self.lives.values()), list(self._past.values())])
        return builtins

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with nothing changed, when it is none."""
        lives, past = msgspec.convert(state, tuple[list[Life], list[Life]])
        self._past = {life.group: life for life in past}
        self.lives = {life.key: life for life in lives}
        self._groups = {life.group: life for life in lives}
        self._of = {key: life for life in lives for key in life.orders}


def order_of(
    strategy: str,
    life: Life,
    trade: Trade,
    proposition: Proposition,
    attempt: int,
    role: Role,
    lots: Lots,
    *,
    maker: bool,
) -> Place:
    """Return one order of a basket; its key names basket, leg and try, and no time (arb 13)."""
    instrument = proposition.instrument
    position = SubPosition(strategy, instrument, life.group, str(trade.leg))
    side = Side.BUY if trade.buys else Side.SELL
    style = OrderStyle.POST_ONLY if maker else OrderStyle.IOC
    adds = role is Role.LEG and trade.leg in life.groups[0]
    return Place(
        instrument, side, lots, trade.ticks, style, position, not trade.buys,
        intent_key(life.key, str(trade.leg), attempt), role.value, hedges=trade.buys and not adds,
    )  # fmt: skip
