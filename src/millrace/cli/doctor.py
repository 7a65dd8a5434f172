"""`millrace doctor`: whether this machine, folder and configuration are fit for a run.

Each finding says what to do about it; the exit code is 1 when one of them must be mended first.
"""

import argparse

from millrace.cli.terms import FAILED, OK, json_text, load, settings_flags

WAIT_NS = 50_000_000


def grammar(doctor: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    doctor.add_argument("--dir", default="runs", metavar="DIR", help="where runs are to be written (default: runs)")
    doctor.add_argument("--data", metavar="FILE", help="also try to read this recording")
    settings_flags(doctor)


def run(given: argparse.Namespace) -> int:
    """Check this machine and folder before a run."""
    from pathlib import Path

    from millrace.config.doctor import ClockReadings, diagnose, worst
    from millrace.shell.clock import WallClock

    clock = WallClock()
    wall_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    clock.sleep_until(wall_ns + WAIT_NS)
    clocks = ClockReadings(wall_ns, monotonic_ns, clock.now_ns(), clock.monotonic_ns())

    def read_data() -> str:
        from millrace.research.market_files import read_market_file
        from millrace.venues.kraken.facts import instrument_facts

        facts = read_market_file(Path(given.data), instrument_facts(load(given, "demo").run.instrument)).facts
        return f"{facts.rows} {facts.kind}, {facts.missing_bars} missing"

    findings = diagnose(Path(given.dir), clocks, lambda: load(given, "default"), read_data if given.data else None)
    verdict = worst(findings)
    if given.json:
        print(json_text({"verdict": verdict, "findings": [finding._asdict() for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.state:<5} {finding.name:<14} {finding.detail}")
            if finding.todo:
                print(f"{'':20} -> {finding.todo}")
    return FAILED if verdict == "fail" else OK
