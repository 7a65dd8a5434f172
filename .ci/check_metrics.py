"""Asks a real Prometheus what the dashboard and the rules would ask it, over a run of the program.

promtool reads rules, configuration and text; a demo with the quote desk runs and is scraped, beside it a controller of
the ramp that only watches; then every query of every panel is asked, and one without an answer is red. It is a command
of its own because the Debian package `prometheus` is not part of the environment. Exit codes: 0 every query has data, 1
one has none or promtool complains, 2 it cannot run.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
SECONDS = 150
RAMP_SECONDS = 40
"""The controller begins so long before the end: it stops at its second poll, as there is no baseline to judge by."""
EXPECTED = ("abbreviated units", '"quantile" label')
"""What promtool would name otherwise: the spelling is the contract's."""


def tool(name):
    """Return a program of the package, also from the folder in PROMETHEUS_BIN, or stop."""
    folder = os.environ.get("PROMETHEUS_BIN")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        print(f"{name} is not here; install the Debian package prometheus, or name its folder in PROMETHEUS_BIN")
        raise SystemExit(2)
    return found


def free_port():
    """Return a port that nobody uses now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def ask(url):
    """Return the answer of a URL, None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read()
    except OSError:
        return None


def wait(program, until):
    """Wait until a time of the monotonic clock, or the program's end."""
    while time.monotonic() < until and program.poll() is None:
        time.sleep(1)


def promtool_complains(promtool, text):
    """Run its checks; returns what it says that is not expected."""
    said = []
    for words, given in (
        ([promtool, "check", "rules", str(DEPLOY / "prometheus" / "rules.yml")], None),
        ([promtool, "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")], None),
        ([promtool, "check", "metrics"], text),
    ):
        done = subprocess.run(words, input=given, capture_output=True, check=False)
        lines = (done.stdout + done.stderr).decode().splitlines()
        odd = [line for line in lines if line.strip() and not any(word in line for word in EXPECTED)]
        if done.returncode and (odd or given is None):
            said += odd
    return said


def empty_queries(base):
    """Ask every query of every panel; returns (panel, query) of those without data."""
    board = json.loads((DEPLOY / "grafana" / "quoting.json").read_text())
    found = []
    for panel in board["panels"]:
        for target in panel["targets"]:
            query = urllib.parse.urlencode({"query": target["expr"]})
            answer = json.loads(ask(f"{base}/api/v1/query?{query}") or b"{}")
            rows = answer.get("data", {}).get("result", [])
            print(f"{len(rows):4d}  {panel['title']}: {target['expr'][:90]}")
            if not rows:
                found.append((panel["title"], target["expr"]))
    return found


def rule_errors(base):
    """Return the rules that Prometheus could not evaluate."""
    groups = json.loads(ask(f"{base}/api/v1/rules") or b"{}").get("data", {}).get("groups", [])
    return [rule["name"] for group in groups for rule in group["rules"] if rule.get("lastError")]


def main():
    """Run everything and say what is wrong."""
    promtool, prometheus = tool("promtool"), tool("prometheus")
    seconds = int(os.environ.get("CHECK_SECONDS", SECONDS))
    ports = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", place)
        config = (DEPLOY / "prometheus" / "prometheus.yml").read_text().replace("5s", "1s")
        config = config.replace("127.0.0.1:9464", f"127.0.0.1:{ports[0]}")
        (place / "prometheus.yml").write_text(config.replace("127.0.0.1:9465", f"127.0.0.1:{ports[2]}"))
        program = [sys.executable, "-m", "millrace.cli"]
        settings = ["--set", "quoting.symbols=6", "--set", "quoting.tempo=1", "--set", "quoting_rollout.start_pct=50"]
        demo = [*program, "demo", "--dir", str(place / "run"), "--speed", "4", "--json", *settings]
        demo += ["--seconds", str(seconds), "--metrics-port", str(ports[0])]
        ramp = [*program, "rollout", "--metrics", f"http://127.0.0.1:{ports[0]}/metrics", "--pace", "test", "--json"]
        ramp += ["--log", str(place / "ramp.jsonl"), "--metrics-port", str(ports[2])]
        server = [prometheus, f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'data'}"]
        server += [f"--web.listen-address=127.0.0.1:{ports[1]}", "--log.level=error"]
        running = [subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=place) for words in (demo, server)]
        try:
            base, until = f"http://127.0.0.1:{ports[1]}", time.monotonic() + seconds - 10
            wait(running[0], until - RAMP_SECONDS)
            running.append(subprocess.Popen(ramp, stdout=subprocess.DEVNULL, cwd=place))
            wait(running[0], until)
            text = ask(f"http://127.0.0.1:{ports[0]}/metrics")
            if text is None or ask(f"{base}/-/ready") is None:
                print("the demo or Prometheus did not answer")
                return 2
            empty = empty_queries(base)
            wrong = [*promtool_complains(promtool, text), *rule_errors(base)]
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(timeout=30)
    for title, query in empty:
        print(f"no data: {title}: {query}")
    for line in wrong:
        print(f"promtool or a rule: {line}")
    return 1 if empty or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
