"""Pairs of markets with known truth, for measuring a matcher: one proposition in two venues' words, or two of them.

Recordings of pairs hold no rules texts and hardly a true pair, so the truth is made: a proposition is drawn, said in
the words of each venue, and for a false pair changed in the one thing that makes it another: the strike by a cent, the
day, the year, the hour, the direction, the person, the part of the game, "runs" for "wins", the source. Each draw
depends on the seed and its own number only.
"""

from typing import NamedTuple

from millrace.core.instrument import InstrumentId
from millrace.sim.dice import Dice
from millrace.strategies.arb.model import MarketFacts

DAY_NS = 86_400 * 10**9
_FIRST_DAY_NS = 1_767_225_600 * 10**9
"""2026-01-01."""
_MONTHS = ("January", "February", "March", "April", "May", "June")
_COINS = (("Bitcoin", "BTC"), ("Ethereum", "ETH"), ("Solana", "SOL"), ("Dogecoin", "DOGE"))
_PEOPLE = (
    "Ann Lee",
    "Robert White",
    "Maria Gomez",
    "John Carter",
    "Priya Nair",
    "Tom Becker",
    "Lucy Stone",
    "Omar Haddad",
)
_OFFICES = ("Governor of Ohio", "Mayor of Denver", "President of France", "Governor of Texas")
_TEAMS = ("Rovers", "Lions", "Sharks", "Eagles", "Bulls", "Wolves", "Hornets", "Tigers")
_CITIES = ("New York", "Chicago", "Miami", "Austin", "Denver")


class MadePair(NamedTuple):
    """Two markets with their propositions in one spelling, and what was changed where these are not the same."""

    left: MarketFacts
    right: MarketFacts
    left_means: str
    right_means: str
    change: str

    @property
    def true(self) -> bool:
        """Whether the markets are one proposition."""
        return self.left_means == self.right_means


class _Said(NamedTuple):
    """One proposition: in one spelling and in the words of two venues; `label` is the outcome at the second one."""

    means: str
    titles: tuple[str, str]
    rules: tuple[str, str]
    day: int
    label: str = ""


def made_pairs(seed: int, count: int, false_share_ppm: int = 500_000) -> tuple[MadePair, ...]:
    """Return so many pairs; of them `false_share_ppm` parts per million are false, each by one change."""
    dice = Dice(seed, "paraphrases")
    return tuple(_pair(dice, number, false_share_ppm) for number in range(count))


def _pair(dice: Dice, number: int, false_share_ppm: int) -> MadePair:
    kind = dice.between(0, len(_KINDS) - 1, number, "kind")
    make, changes = _KINDS[kind]
    true = not dice.often(false_share_ppm, number, "false")
    change = "" if true else changes[dice.between(0, len(changes) - 1, number, "change")]
    one, other = make(dice, number, ""), make(dice, number, change)
    return MadePair(_facts("north", number, one, 0), _facts("south", number, other, 1), one.means, other.means, change)


def _facts(venue: str, number: int, said: _Said, words: int) -> MarketFacts:
    close_ns = _FIRST_DAY_NS + said.day * DAY_NS
    return MarketFacts(
        market=InstrumentId(venue, f"M{number}"), event=f"E{number}", title=said.titles[words],
        outcome_label=said.label if words else "", rules_text=said.rules[words],
        open_ns=close_ns - 30 * DAY_NS, close_ns=close_ns,
    )  # fmt: skip


def _drawn(dice: Dice, number: int, names: tuple[str, ...], what: str, *, other: bool) -> str:
    place = dice.between(0, len(names) - 1, number, what)
    return names[(place + other) % len(names)]


def _price(dice: Dice, number: int, change: str) -> _Said:
    coin, short = _COINS[(dice.between(0, len(_COINS) - 1, number, "coin") + (change == "entity")) % len(_COINS)]
    cents = dice.between(100, 900, number, "strike") * 100_00 - (change == "strike")
    month = dice.between(0, len(_MONTHS) - 1, number, "month")
    day = dice.between(1, 26, number, "day") + (change == "date")
    year = 2026 + (change == "year")
    hour = dice.between(1, 10, number, "hour") + (change == "hour")
    above = ("above", "higher than") if change != "direction" else ("below", "lower than")
    strike = f"${cents // 100:,}" if cents % 100 == 0 else f"${cents / 100:,.2f}"
    source = "CF Benchmarks" if change == "source" else "Binance"
    return _Said(
        means=f"{coin} {above[0]} {cents} cents, {year}-{month + 1}-{day} at {hour + 12} UTC by {source}",
        titles=(
            f"Will the price of {coin} be {above[0]} {strike} on {_MONTHS[month]} {day}, {year} at {hour}pm UTC?",
            f"Price of {short} on {_MONTHS[month][:3]} {day}, {year} at {hour + 12}:00 UTC {above[1]} {strike}",
        ),
        rules=(
            f"Resolves to Yes if the price is {above[0]} the strike, according to {source}.",
            f"If {coin} is {above[1]} {strike}, the market resolves to Yes. The resolution source is {source}.",
        ),
        day=month * 30 + day + (year - 2026) * 365,
    )


def _office(dice: Dice, number: int, change: str) -> _Said:
    person = _drawn(dice, number, _PEOPLE, "person", other=change == "entity")
    person += " Jr" if change == "suffix" else ""
    office = _drawn(dice, number, _OFFICES, "office", other=False)
    year = 2026 + dice.between(0, 2, number, "year") + (2 if change == "year" else 0)
    verbs = ("run for", "announce a run for") if change == "action" else ("win", "be elected")
    return _Said(
        means=f"{person}: {verbs[0]} {office} in {year}",
        titles=(
            f"Will {person} {verbs[0]} {office} in {year}?",
            f"{person} to {'win' if change != 'action' else 'run for'} {office} {year}",
        ),
        rules=(
            f"Resolves to Yes if {person} does {verbs[0]} the office of {office} in {year}.",
            f"If {person} is certified as {office} in {year}, resolves to Yes." if change != "action"
            else f"If {person} files to run in {year}, resolves to Yes.",
        ),
        day=300 + (year - 2026) * 365,
    )  # fmt: skip


def _game(dice: Dice, number: int, change: str) -> _Said:
    home = dice.between(0, len(_TEAMS) - 1, number, "home")
    away = (home + dice.between(1, len(_TEAMS) - 2, number, "away")) % len(_TEAMS)
    winner = _TEAMS[away if change == "entity" else home]
    month, day = dice.between(0, 5, number, "month"), dice.between(1, 26, number, "day") + (change == "date")
    part = ": first half" if change == "part" else ""
    tie = "In a tie, it resolves to No." if change == "tie" else "In a tie, it resolves 50-50."
    teams = f"{_TEAMS[home]} vs {_TEAMS[away]}"
    return _Said(
        means=f"{winner} of {sorted((_TEAMS[home], _TEAMS[away]))} on {month + 1}-{day}{part} {tie}",
        titles=(
            f"Will the {winner} win {teams} on {_MONTHS[month]} {day}{part}?",
            f"{teams} winner, {_MONTHS[month][:3]} {day}, 2026{part}",
        ),
        label=winner,
        rules=(f"The winner of the game counts. {tie}", f"Resolves to Yes if they win. {tie}"),
        day=month * 30 + day,
    )


def _weather(dice: Dice, number: int, change: str) -> _Said:
    city = _drawn(dice, number, _CITIES, "city", other=change == "entity")
    low = dice.between(40, 90, number, "degrees") + (2 if change == "strike" else 0)
    month, day = dice.between(0, 5, number, "month"), dice.between(1, 26, number, "day") + (change == "date")
    kind, short = "lowest" if change == "kind" else "highest", _MONTHS[month][:3]
    return _Said(
        means=f"{kind} in {city} {low} on {month + 1}-{day}",
        titles=(
            f"{kind.title()} temperature in {city} between {low} and {low + 1}° on {_MONTHS[month]} {day}?",
            f"Will the {kind} temperature in {city} be between {low} and {low + 1}° on {short} {day}, 2026?",
        ),
        rules=("According to the National Weather Service.", "As reported by the National Weather Service."),
        day=month * 30 + day,
    )


_KINDS = (
    (_price, ("entity", "strike", "date", "year", "hour", "direction", "source")),
    (_office, ("entity", "suffix", "year", "action")),
    (_game, ("entity", "date", "part", "tie")),
    (_weather, ("entity", "strike", "date", "kind")),
)
CHANGES = tuple(sorted({change for _, changes in _KINDS for change in changes}))
"""Everything in which a false pair can differ."""
