"""Events in plots."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.views.recordings import START, run
from watlowlib import CsvSink, Event, read_samples

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from watlowlib.views.curves import read_curves
from watlowlib.views.layout import Chart, make_chart
from watlowlib.views.marks import read_marks


def event(second: float, text: str, device: str | None = None, kind: str = "note") -> Event:
    return Event(START + timedelta(seconds=second), None, device, kind, text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with CsvSink(tmp_path / "run.csv", columns=["device"]) as sink:
        for device in ("oven", "retort"):
            sink.write_many([{**row, "device": device} for row in run()])
        sink.write_events(
            [
                event(-5, "before the rows"),
                event(10, "door\n opened"),
                event(10.1, "near"),
                event(40, "x" * 80, "oven"),
                event(60, "setpoint", "retort", "parameter_written"),
            ]
        )
    return tmp_path / "run.csv"


def chart_of(path: Path) -> Chart:
    samples = read_samples(path)
    stored = read_curves(samples, 1280)
    marks = read_marks(samples.files, stored.begin_us, stored.end_us)
    return make_chart(stored, [], "", None, marks)


def test_an_event_is_marked_in_the_axes_of_its_controller(path: Path) -> None:
    chart = chart_of(path)
    shown = [
        (panel.device, panel.output, [mark.short for mark in chart.marks_of(panel)])
        for panel in chart.panels
    ]
    assert shown == [
        ("oven", False, ["door opened", "", "x" * 39 + "…"]),
        ("oven", True, ["", "", ""]),
        ("retort", False, ["door opened", "", "parameter written"]),
        ("retort", True, ["", "", ""]),
    ]


def test_both_kinds_of_plots_have_the_texts(path: Path) -> None:
    matplotlib: Any = pytest.importorskip("matplotlib.figure")
    pytest.importorskip("plotly")
    from watlowlib.views.matplotlib_plot import draw
    from watlowlib.views.plotly_plot import figure_of

    chart = chart_of(path)
    figure = matplotlib.Figure()
    draw(figure, chart)
    drawn = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"door opened", "parameter written"} <= drawn
    annotations = figure_of(chart).layout.annotations
    assert {"door opened", "parameter written"} <= {each.text for each in annotations}
    texts = [each.hovertext for each in annotations]
    assert "2026-03-01 12:01:00 retort: parameter written: setpoint" in texts


def test_events_that_cannot_be_read_do_not_stop_a_plot(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.with_name("run.events.csv").write_text("a,b\n1,2\n")
    assert chart_of(path).marks == []
    assert "are not drawn" in caplog.text
