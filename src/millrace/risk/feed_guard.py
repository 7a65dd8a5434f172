"""What dirty market data mean for trading: less of it, or none, at the venue that sends them (runtime 2.2).

The firewall judges single observations; this guard judges the feed. Where more than a fifth of half a minute's
observations are rejected, sizes are halved there; above a half the venue halts, and what stands is lifted only after a
minute of clean data. It also looks at each order on an outcome once more when it is to leave, the late legs of a plan
included: a book that was good when the plan was made may be rubbish by then.
"""

from typing import Any

from millrace.core.commands import Alert, Lift, Place, Post, Severity, Side, Style
from millrace.core.data_quality import Judged, LegNeeds, Verdict
from millrace.core.events import Timer
from millrace.core.guard import GuardView, Seen
from millrace.core.guard import Verdict as Said
from millrace.core.instrument import outcome_of
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.market.firewall import Firewall
from millrace.market.firewall_settings import FirewallSettings, ns

_CHECK_NS = 5_000_000_000
"""How often a venue that is restricted is looked at."""
_NOTHING = Interest()
_OBJECTION = (ReasonCode.QUOTE_STATE.value,)


def dirty_id(venue: str) -> str:
    """Return the id of the restriction that stands while a venue's data are dirty."""
    return f"dirty_feed/{venue}"


class FeedGuard:
    """Implements `core.guard.Guard`; `firewall` is the one that judges what this program sees, and is only read."""

    name = "firewall"
    reads: tuple[type, ...] = (Judged, Timer)

    def __init__(self, firewall: Firewall, settings: FirewallSettings) -> None:
        self._firewall = firewall
        self._rules = settings
        self._lift_after_ns = ns(settings.lift_after_sec)
        self._clean_since: dict[str, int | None] = {}
        self._next_ns: int | None = None

    def observe(self, seen: Seen, view: GuardView) -> list[Said]:
        """Restrict a venue whose data are dirty, and lift that when they have been clean for long enough."""
        if isinstance(seen, Judged):
            return self._judged(seen) if seen.verdict is Verdict.REJECT else []
        if self._next_ns is None or view.now_ns < self._next_ns:
            return []
        said = [lift for venue in list(self._clean_since) for lift in self._checked(venue, view.now_ns)]
        self._next_ns = (view.now_ns // _CHECK_NS + 1) * _CHECK_NS if self._clean_since else None
        return said

    def _judged(self, seen: Judged) -> list[Said]:
        venue, rules = seen.market.venue, self._rules
        health = self._firewall.health(venue, seen.ts_ns)
        if health.seen < rules.ratio_quotes or health.ratio <= rules.caution_ratio:
            return []
        halts = health.ratio > rules.halt_ratio
        text = f"{health.rejected} of {health.seen} market data of {venue} in half a minute rejected"
        posted = Post(
            Restriction(
                id=dirty_id(venue),
                scope=Scope(ScopeKind.VENUE, venue),
                level=Level.HALT if halts else Level.CAUTION,
                reason=ReasonCode.DIRTY_FEED,
                text=text,
                posted_by=self.name,
                posted_ns=seen.ts_ns,
                multiplier=1.0 if halts else rules.caution_multiplier,
                recovery=Recovery.AUTO,
            )
        )
        is_new = venue not in self._clean_since
        self._clean_since[venue] = None
        if self._next_ns is None:
            self._next_ns = (seen.ts_ns // _CHECK_NS + 1) * _CHECK_NS
        severity = Severity.PAGE if halts else Severity.WARN
        told = [Alert(severity, ReasonCode.DIRTY_FEED.value, text, seen.ts_ns)] if is_new else []
        return [posted, *told]

    def _checked(self, venue: str, now_ns: int) -> list[Said]:
        """Return the lifting of a venue's restriction; data that do not come are not clean."""
        health = self._firewall.health(venue, now_ns)
        if not health.seen or health.ratio >= self._rules.lift_ratio:
            self._clean_since[venue] = None
            return []
        since_ns = self._clean_since[venue]
        if since_ns is None:
            self._clean_since[venue] = now_ns
            return []
        if now_ns - since_ns < self._lift_after_ns:
            return []
        del self._clean_since[venue]
        text = f"market data of {venue} clean for {self._rules.lift_after_sec:g} s"
        return [Lift(dirty_id(venue), text, now_ns), Alert(Severity.INFO, "feed_clean", text, now_ns)]

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to orders on outcomes whose market may not be traded on at this moment: the gate at submit."""
        for place in places:
            if view.instrument(place.instrument).binary is not None:
                market, outcome = outcome_of(place.instrument)
                if self._firewall.tradable(market, view.now_ns, outcome, needs_of(place)):
                    return _OBJECTION
        return ()

    def interest(self) -> Interest:
        """Return the next look at a venue that is restricted."""
        return _NOTHING if self._next_ns is None else Interest(deadline_ns=self._next_ns)

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return each venue's counts, the reasons against its data, and how much of the last half minute was dirty."""
        return {
            venue: {
                "verdicts": {verdict.value: counts.verdicts.get(verdict, 0) for verdict in Verdict},
                "reasons": {reason.value: counts.reasons[reason] for reason in sorted(counts.reasons)},
                "level_shifts": counts.shifts,
                "quarantined_markets": counts.quarantined,
                "stale_books": self._firewall.stale_books(venue, view.now_ns),
                "reject_ratio": round(self._firewall.health(venue, view.now_ns).ratio, 4),
                "restricted": venue in self._clean_since,
            }
            for venue, counts in self._firewall.counts().items()
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"clean_since": dict(self._clean_since), "next_ns": self._next_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._clean_since = dict(state["clean_since"])
        self._next_ns = state["next_ns"]


def needs_of(place: Place) -> LegNeeds:
    """Return what an order asks of its market: only one that takes or ends needs its price to be there still."""
    return LegNeeds(
        buys=place.side is Side.BUY,
        taker=place.style is not Style.POST_ONLY,
        limit_ticks=place.limit_ticks if place.style is Style.IOC else None,
    )
