"""`millrace backtest`: a strategy over a recording, reported as text, JSON and page.

The run's journal is written beside the reports when a folder is named, so that a backtest replays like any run.
"""

import argparse
import sys

from millrace.cli.terms import OK, Grammar, json_text, load, progress_bar, settings_flags


def grammar(strategies: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the strategies that can be run over a recording, each with its flags."""
    slots = strategies.add_parser("slots", help="the slot grid on candles or trades")
    slots.add_argument("--data", required=True, metavar="FILE", help="candles or trades, parquet or csv")
    slots.add_argument("--instrument", metavar="ID", help="whose facts hold, e.g. kraken:DOGE/USD")
    slots.add_argument("--out", metavar="DIR", help="write report.txt, report.json, report.html and the journal there")
    slots.add_argument("--eager", action="store_true", help="wake the strategy on every print (slower, same commands)")
    settings_flags(slots)
    quoting = strategies.add_parser("quoting", help="the quote desk on recorded books and trades")
    quoting.add_argument("--data", required=True, nargs="+", metavar="FILE", help="recorded streams, each run alone")
    quoting.add_argument("--desk-profile", choices=("live", "compat", "both"), default="live", help="the desk's values")
    quoting.add_argument("--queue", choices=("log", "power", "risk_averse"), help="how cancels are shared in a queue")
    quoting.add_argument("--maker-fee-bps", type=float, metavar="BPS", help="instead of the venue's")
    quoting.add_argument("--taker-fee-bps", type=float, metavar="BPS", help="instead of the venue's")
    settings_flags(quoting)
    arb = strategies.add_parser("arb", help="the arbitrage desk on recorded books; ladders without sizes are looked at")
    arb.add_argument("--data", required=True, metavar="DIR", help="recorded books, ladders, or a file of snapshots")
    arb.add_argument("--rules", metavar="FILE", help="the rules file that binds the recorded markets")
    arb.add_argument("--map", metavar="FILE", help="the mapping (CSV) that joins markets of two venues")
    arb.add_argument("--decisions", metavar="FILE", help="what people decided of its rows and of proposals")
    settings_flags(arb)


def run(given: argparse.Namespace) -> int:
    """Run a strategy over a recording and report it."""
    runs = {"arb": _run_arb, "quoting": _run_quoting, "slots": _run_slots}
    return runs[given.strategy](given)


def _run_quoting(given: argparse.Namespace) -> int:
    from pathlib import Path

    from millrace.research.quoting_report import report_text
    from millrace.shell.clock import WallClock
    from millrace.world.quoting.recorded import Fees, run_quoting

    profiles = ("live", "compat") if given.desk_profile == "both" else (given.desk_profile,)
    chosen = {"quoting.enabled": "true", "slots.enabled": "false", "arb.enabled": "false"}
    if given.queue:
        chosen["quoting.queue"] = given.queue
    settings = [load(given, "default", **chosen, **{"quoting.profile": name}) for name in profiles]
    files, fees = [Path(name) for name in given.data], Fees(given.maker_fee_bps, given.taker_fee_bps)
    with progress_bar(given, "backtest") as progress:
        report = run_quoting(settings, files, WallClock(), fees=fees, progress=progress)
    print(json_text(report) if given.json else report_text(report))
    return OK


def _run_arb(given: argparse.Namespace) -> int:
    from pathlib import Path

    from millrace.research.arb_report import report_text
    from millrace.shell.clock import WallClock
    from millrace.world.arb.bound import RuleFiles
    from millrace.world.arb.run import run_arb

    settings = load(given, "default", **{"arb.enabled": "true", "slots.enabled": "false"})
    files = RuleFiles(*(Path(name) if name else None for name in (given.rules, given.map, given.decisions)))
    with progress_bar(given, "backtest") as progress:
        report = run_arb(settings, Path(given.data), WallClock(), bound=files, progress=progress)
    print(json_text(report) if given.json else report_text(report))
    return OK


def _run_slots(given: argparse.Namespace) -> int:
    from pathlib import Path

    from millrace.research.slots_report import report_object, write_report
    from millrace.research.slots_text import report_text
    from millrace.shell.clock import WallClock
    from millrace.world.slots_run import run_slots

    overrides = {"run.instrument": given.instrument} if given.instrument else {}
    profile = "demo_btc" if given.instrument == "kraken:BTC/USDC" else "demo"
    settings = load(given, profile, **overrides)
    out = Path(given.out) if given.out else None
    with progress_bar(given, "backtest") as progress:
        report = run_slots(settings, Path(given.data), WallClock(), out=out, lazy=not given.eager, progress=progress)
    text = report_text(report, color=sys.stdout.isatty() and not given.json)
    if out is not None:
        from millrace.research.slots_page import report_page

        written = write_report(report, out, report_page(report), report_text(report))
        names = ", ".join(path.name for path in written.values())
        print(f"millrace: wrote {names} and the journal to {out}", file=sys.stderr)
    print(json_text(report_object(report)) if given.json else text)
    return OK
