"""What Prometheus reads: one type and one header for each family, labels escaped, symbols capped (quoting 9)."""

import socket
import struct
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families

from demo_runs import SECOND, open_run
from millrace.cli import main
from millrace.core.failure import WorldError
from millrace.core.series import Buckets, Family, Series
from millrace.shell.metrics import Metrics
from millrace.web.exposition import MOST_SYMBOLS, merged, text
from millrace.web.metrics_server import MetricsServer


def parsed(raw: bytes) -> dict:
    """Parse as Prometheus does, and once more by the stricter rules that apply to this format too."""
    decoded = raw.decode()
    headers = [line for line in decoded.splitlines() if line.startswith("# TYPE")]
    assert len(headers) == len({line.split()[2] for line in headers}), "one TYPE for each family"
    found = {family.name: family for family in text_string_to_metric_families(decoded)}
    renamed = decoded
    for line in headers:
        _, _, name, kind = line.split()
        if kind == "counter":
            for word in ("HELP", "TYPE"):
                renamed = renamed.replace(f"# {word} {name} ", f"# {word} {name.removesuffix('_total')} ")
    assert list(strict(renamed + "# EOF\n")), "OpenMetrics reads it, but for the counters' headers"
    return found


def family(rows: list[Series], **changes: object) -> Family:
    return Family("millrace_x_total", "counter", "what", ("symbol",), rows)._replace(**changes)


def test_types_are_true_and_a_histogram_has_buckets_sum_and_count() -> None:
    metrics = Metrics()
    metrics.add("millrace_orders_total", venue="a", state="open")
    metrics.gauge("millrace_inflight", lambda: 3, venue="a")
    for value_ns in (10, 2_000, 5 * SECOND):
        metrics.histogram("millrace_order_stage_seconds", venue="a", stage="ack").add(value_ns)
    found = parsed(text(metrics.families()))
    assert {name: one.type for name, one in found.items()} == {
        "millrace_orders": "counter",
        "millrace_inflight": "gauge",
        "millrace_order_stage_seconds": "histogram",
    }
    samples = found["millrace_order_stage_seconds"].samples
    buckets = [one.value for one in samples if one.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[0] == 1
    assert buckets[1] == 2, "2 us lie up to 3.16 us"
    assert samples[-2].value == buckets[-1] == 3
    assert next(one.value for one in samples if one.name.endswith("_sum")) == pytest.approx(5.00000201)


def test_label_values_are_escaped() -> None:
    nasty = 'a"b\\c\nd'
    found = parsed(text([family([Series({"symbol": nasty}, 1.0)])]))
    assert found["millrace_x"].samples[0].labels["symbol"] == nasty


def test_symbols_are_capped_at_500_and_the_rest_is_added_up() -> None:
    rows = [Series({"symbol": f"S{number:04d}"}, 1.0) for number in range(600)]
    (kept,) = merged([family(rows)])
    assert len({row.labels["symbol"] for row in kept.rows}) == MOST_SYMBOLS == 500
    assert sum(row.value for row in kept.rows) == 600
    (gauges,) = merged([family(rows, name="millrace_x", kind="gauge")])
    assert len(gauges.rows) == 499, "gauges of many symbols have no sum"


@pytest.mark.parametrize(
    "families",
    [
        [family([], name="millrace_x")],
        [family([], kind="gauge")],
        [family([Series({"venue": "a"}, 1.0)])],
        [family([Series({"symbol": "a"}, Buckets((1.0,), (1, 0), 1.0))])],
        [family([]), family([], labels=())],
    ],
    ids=["counter without _total", "gauge with _total", "another label", "histogram in a counter", "two label sets"],
)
def test_what_does_not_fit_its_family_is_raised(families) -> None:
    with pytest.raises(ValueError, match="millrace_x"):
        text(families)


def test_two_parts_of_one_family_have_one_header() -> None:
    found = parsed(text([family([Series({"symbol": one}, 1.0)]) for one in ("b", "a")]))
    assert [sample.labels["symbol"] for sample in found["millrace_x"].samples] == ["b", "a"]


def test_a_run_of_the_program_is_read_by_the_strict_parser(tmp_path) -> None:
    run = open_run(tmp_path / "run", {"arb.enabled": True})
    run.simulation.run_until(run.simulation.now_ns + 120 * SECOND)
    found = parsed(text(run.telemetry.families()))
    run.close()
    assert found["millrace_latency_seconds"].type == "histogram"
    assert found["millrace_breaker_trips"].type == "counter"
    assert len(found) >= 14


def test_the_server_answers_on_this_machine_only_and_only_what_was_published() -> None:
    server = MetricsServer(0)
    try:
        server.publish(b"millrace_x 1\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
            assert answer.read() == b"millrace_x 1\n"
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/other", timeout=5)
        assert server._server.server_address[0] == "127.0.0.1"
        with pytest.raises(WorldError, match="name another"):
            MetricsServer(server.port)
    finally:
        server.close()


def test_a_reader_that_goes_away_is_no_traceback_on_the_terminal(capfd) -> None:
    server = MetricsServer(0)
    server.publish(b"x" * 40_000_000)
    try:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as reader:
                reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                assert reader.recv(1_000)
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.publish(b"millrace_x 1\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
            assert answer.read() == b"millrace_x 1\n"
    finally:
        server._server.daemon_threads = False
        server.close()
    assert capfd.readouterr().err == ""


def test_the_demo_writes_its_figures(tmp_path, capsys) -> None:
    file = tmp_path / "metrics.prom"
    assert main(["demo", "--dir", str(tmp_path / "run"), "--seconds", "1", "--metrics-file", str(file), "--json"]) == 0
    assert "millrace_build_info" in parsed(file.read_bytes())
    capsys.readouterr()
