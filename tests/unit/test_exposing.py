"""How a command's loop shows its figures: where it was told to, not too often, and once more at the end."""

import time
from argparse import Namespace
from pathlib import Path
from urllib.request import urlopen

import pytest

from millrace.cli.exposing import published
from millrace.core.failure import OperatorError, WorldError
from millrace.core.series import Family, Series
from millrace.web.metrics_server import MetricsServer


class Figures:
    """Families that count how often somebody looked."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> list[Family]:
        self.looks += 1
        return [Family("millrace_looks", "gauge", "how often", (), (Series({}, float(self.looks)),))]


def flags(port: int | None = None, file: Path | None = None) -> Namespace:
    return Namespace(metrics_port=port, metrics_file=None if file is None else str(file))


def test_nobody_looks_at_the_figures_where_nobody_wants_them() -> None:
    figures = Figures()
    with published(flags(), figures) as publish:
        publish(now=True)
    assert figures.looks == 0


def test_a_file_has_the_text_at_once_not_oftener_than_each_second_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, figures, now_ns = tmp_path / "metrics", Figures(), 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    with published(flags(file=file), figures) as publish:
        assert "millrace_looks 1.0" in file.read_text()
        now_ns += 999_999_999
        publish()
        assert figures.looks == 1
        now_ns += 1
        publish()
        assert "millrace_looks 2.0" in file.read_text()
        publish(now=True)
        assert "millrace_looks 3.0" in file.read_text()
    assert "millrace_looks 4.0" in file.read_text()


def test_a_port_has_the_newest_text_and_is_free_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[MetricsServer] = []
    made = MetricsServer.__init__

    def remembered(self: MetricsServer, port: int) -> None:
        made(self, port)
        servers.append(self)

    monkeypatch.setattr(MetricsServer, "__init__", remembered)
    with published(flags(port=0), Figures()) as publish:
        publish(now=True)
        port = servers[0].port
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert b"millrace_looks 2.0" in answer.read()
        with pytest.raises(WorldError, match=f"port {port} .* name another"), published(flags(port=port), Figures()):
            pass
    MetricsServer(port).close()


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_number_that_is_no_port_is_refused_by_name(port: int) -> None:
    with pytest.raises(OperatorError, match=f"--metrics-port {port}"), published(flags(port=port), Figures()):
        pass


@pytest.mark.parametrize("place", [".", "nowhere/metrics"])
def test_a_place_where_no_file_can_be_is_refused_before_anything_runs(tmp_path: Path, place: str) -> None:
    figures = Figures()
    with pytest.raises(OperatorError, match="--metrics-file"), published(flags(file=tmp_path / place), figures):
        pass
    assert figures.looks == 0
