"""`plot` and `step_response` with files of recordings."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.views.recordings import START, row, run
from watlowlib import open_sink, read_samples, views
from watlowlib.errors import WatlowConfigurationError, WatlowSinkDependencyError, WatlowSinkError

np = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")
pytest.importorskip("matplotlib")

from watlowlib.views import plot, plotting, step_response  # noqa: E402
from watlowlib.views.curves import COLUMNS, Stored, read_curves  # noqa: E402
from watlowlib.views.layout import Chart, make_chart, zone_change  # noqa: E402
from watlowlib.views.matplotlib_plot import draw  # noqa: E402
from watlowlib.views.plotly_plot import figure_of  # noqa: E402

pytestmark = pytest.mark.usefixtures("fonts")

US = 1_000_000
START_US = int(START.timestamp()) * US


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time of Berlin."""
    if not hasattr(time, "tzset"):
        pytest.skip("the zone cannot be set")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of `run` in a file."""
    return written(tmp_path_factory.mktemp("run") / "run.sqlite", run())


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    with open_sink(path) as sink:
        sink.write_many(list(rows))
    return path


def stored(tmp_path: Path, rows: Iterable[dict[str, Any]]) -> Stored:
    path = written(tmp_path / "rows.jsonl", rows)
    return read_curves(read_samples(path).narrowed(COLUMNS, ()), 1000)


def drawn(chart: Chart) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure([each / 100 for each in chart.size])
    FigureCanvasAgg(figure)
    draw(figure, chart)
    figure.canvas.draw()
    return figure


def shaded(found: Stored, device: str = "oven") -> dict[str, list[tuple[float, float]]]:
    """The seconds of the intervals of process values and alarms, by label."""
    return {
        each.label: [
            ((begin - START_US) / US, (end - START_US) / US)
            for begin, end in zip(each.begins.tolist(), each.ends.tolist())
        ]
        for each in found.shades
        if each.device == device and each.curve in ("process value", None)
    }


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_extension_selects_the_format(
    recording: Path, tmp_path: Path, suffix: str, begin: bytes
) -> None:
    output = tmp_path / f"run{suffix}"
    output.write_text("old")
    only = {"parameters": "process_value", "size": (700, 300)}
    assert plot(recording, output, title="Batch 12", **only) == []
    assert output.read_bytes().startswith(begin)
    assert list(tmp_path.iterdir()) == [output]


class _References(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data")]


def test_the_page_refers_to_nothing_outside(recording: Path, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    plot(recording, tmp_path / "run.html", title="a <b> & c")
    page = (tmp_path / "run.html").read_text("utf-8")
    references = _References()
    references.feed(page)
    assert references.found == []
    assert not re.search(r"@import|url\(['\"]?http", page[: page.index("plotly.js v")])
    assert "Plotly.newPlot" in page and "process value" in page


def test_the_curves_and_the_intervals_of_a_recording(tmp_path: Path) -> None:
    found = stored(tmp_path, run())
    assert [(each.label, each.unit) for each in found.curves] == [
        ("process value", "°F"), ("setpoint", "°F"), ("output power", "%"),
    ]  # fmt: skip
    assert shaded(found) == {"timeout": [(50.0, 53.0)], "alarm high": [(60.0, 70.0)]}
    gaps = np.isnan(found.curves[0].values)
    assert ((found.curves[0].times[gaps] - START_US) // US).tolist() == [50, 51, 52]


def test_a_value_of_a_sensor_in_error_is_a_gap(tmp_path: Path) -> None:
    rows = [row("process_value", 100.0, second) for second in range(10)]
    rows[4] |= {"value": 2531.8, "status": "sensor_error"}
    found = stored(tmp_path, rows)
    assert shaded(found) == {"sensor_error": [(4.0, 5.0)]}
    assert np.nanmax(found.curves[0].values) == 100.0


def test_any_text_is_drawn_as_it_is(tmp_path: Path) -> None:
    text = r"$\bad{$ <b>&"
    rows = [row(text, value, n, device=text, unit=text) for n, value in enumerate((1.0, 2.0))]
    rows += [row(text, None, n, device=text, status=text) for n in (2, 3)]
    found = stored(tmp_path, rows)
    drawn(make_chart(found, [], text, None))
    pytest.importorskip("plotly")
    figure = figure_of(make_chart(found, [], text, None)).to_dict()
    texts = [figure["layout"]["title"]["text"], figure["layout"]["yaxis"]["title"]["text"]]
    texts += [each["name"] for each in (*figure["data"], *figure["layout"]["shapes"])]
    assert texts == [r"$\bad{$ &lt;b&gt;&amp;"] * 4


def test_values_and_times_that_no_axis_can_show_are_left_out(tmp_path: Path) -> None:
    rows = [row("process_value", value, n) for n, value in enumerate((1.0, 1e308, -1e308, 2.0))]
    rows += [
        row("process_value", 5.0, 9) | {"requested_at": datetime(1, 1, 1, tzinfo=timezone.utc)}
    ]
    found = stored(tmp_path, rows)
    assert found.begin_us == START_US
    assert shaded(found) == {"no value": [(1.0, 3.0)]}


def test_a_pause_of_the_recording_is_shaded_and_breaks_the_line(tmp_path: Path) -> None:
    seconds = [*range(10), *range(1000, 1010)]
    found = stored(tmp_path, [row("process_value", 1.0, second) for second in seconds])
    assert shaded(found) == {"no rows": [(9.0, 1000.0)]}
    assert np.isnan(found.curves[0].values).tolist().index(True) == 10


def test_two_units_never_share_an_axis(tmp_path: Path) -> None:
    rows = [
        row("process_value", 100.0, second, unit="°F" if second < 5 else "°C")
        for second in range(10)
    ] + [row("setpoint", 100.0, second, unit=None) for second in range(10)]
    chart = make_chart(stored(tmp_path, rows), [], "", None)
    assert [(panel.label, len(panel.curves)) for panel in chart.panels] == [
        ("temperature, °F", 1), ("temperature, °C", 1), ("temperature", 1),
    ]  # fmt: skip
    fahrenheit = chart.panels[0].curves[0]
    assert np.isnan(fahrenheit.values).tolist() == [False] * 5 + [True] * 5


def test_a_controller_that_never_replies_is_drawn(tmp_path: Path) -> None:
    rows = [row("process_value", None, second, status="offline") for second in range(10)]
    source = written(tmp_path / "run.csv", rows)
    plot(source, tmp_path / "run.png")
    chart = make_chart(stored(tmp_path, rows), [], "", None)
    (axes,) = drawn(chart).axes
    assert axes.get_ylabel() == "no values"
    assert [each.get_facecolor()[3] for each in axes.patches] == [0.4]
    assert len(figure_of(chart).layout.shapes) == 1


def test_texts_and_odd_rows_are_left_out(tmp_path: Path) -> None:
    rows = [*run(5), row("process_value", "hot", 2.5), row("process_value", 1.0, 3, device=None)]
    found = stored(tmp_path, rows)
    assert found.curves[0].values.tolist() == [100.0] * 5
    assert shaded(found) == {}


def test_a_spike_among_many_values_is_in_the_picture(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    count = 300_000
    values = np.full(count, 100.0)
    values[123_456] = 900.0
    texts = {"device": "oven", "parameter": "process_value", "unit": "°F", "status": "ok"}
    columns = {name: pa.array([text]).take([0] * count) for name, text in texts.items()}
    columns["value"] = pa.array(values)
    seconds = np.arange(count) + int(START.timestamp())
    columns["requested_at"] = pa.array(seconds * US, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(columns), tmp_path / "run.parquet")
    found = read_curves(read_samples(tmp_path / "run.parquet").narrowed(COLUMNS, ()), 800)
    chart = make_chart(found, [], "", (800, 300))
    figure = drawn(chart)
    line, axes = figure.axes[0].lines[0], figure.axes[0]
    assert len(line.get_ydata()) < 10_000
    x, y = axes.transData.transform(
        [axes.convert_xunits(np.datetime64(int(seconds[123_456]), "s")), 900.0]
    )
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3].astype(int)
    above = pixels[round(y) - 20 : round(y) - 5, round(x) - 2 : round(x) + 3]
    assert (above.min(axis=(1, 2)) < 150).all()  # a line in every row of pixels
    beside = pixels[round(y) - 20 : round(y) - 5, round(x) + 5 : round(x) + 20]
    assert beside.min() > 200


def test_times_are_local_and_have_the_zone(berlin: None, tmp_path: Path) -> None:
    chart = make_chart(stored(tmp_path, run()), [], "", None)
    axes = drawn(chart).axes[-1]
    assert axes.get_xlabel() == "2026-03-01, local time, CET (UTC+01:00)"
    assert "13:00:30" in [each.get_text() for each in axes.get_xticklabels()]
    page = figure_of(chart)
    assert page.layout.xaxis2.title.text == "local time, CET (UTC+01:00)"
    assert str(page.data[0].x[0]) == "2026-03-01T13:00:00.000"


@pytest.mark.parametrize("start", ["2026-03-28T12:00", "2026-10-24T12:00"])
def test_the_axis_is_monotonic_when_the_clocks_change(
    berlin: None, tmp_path: Path, start: str
) -> None:
    begin = datetime.fromisoformat(start).replace(tzinfo=timezone.utc)
    rows = [
        row("process_value", 1.0, 0, requested_at=begin + timedelta(minutes=minute))
        for minute in range(0, 24 * 60, 5)
    ]
    found = stored(tmp_path, rows)
    change = datetime(2026, 3, 29, 1) if begin.month == 3 else datetime(2026, 10, 25, 1)
    changed_us = int(change.replace(tzinfo=timezone.utc).timestamp()) * US
    assert zone_change(found.begin_us, found.end_us) == changed_us
    chart = make_chart(found, [], "", None)
    page = figure_of(chart)
    assert (np.diff(page.data[0].x) == np.timedelta64(5, "m")).all()
    assert "also after the clocks changed to CE" in page.layout.xaxis.title.text
    figure = drawn(chart)
    axes = figure.axes[-1]
    assert (np.diff(axes.convert_xunits(axes.lines[0].get_xdata())) > 0).all()
    assert re.search(r"from 2026-\d\d-\d\d 0[23]:00 CE", axes.get_xlabel())
    assert (np.diff(axes.get_xticks()) > 0).all()


def test_legends_and_texts_do_not_overlap(tmp_path: Path) -> None:
    rows = [each | {"device": f"oven_{n}"} for n in range(2) for each in run()]
    source = written(tmp_path / "run.sqlite", rows)
    found = read_curves(read_samples(source).narrowed(COLUMNS, ()), 1000)
    chart = make_chart(found, step_response(source), "A title", (600, 560))
    figure = drawn(chart)
    width, height = figure.canvas.get_width_height()
    (legend,) = figure.legends
    boxes = [legend.get_window_extent()]
    boxes += [each.get_tightbbox() for each in figure.axes]
    for n, box in enumerate(boxes):
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert all(box.y0 > other.y1 - 1 for other in boxes[n + 1 :])


def test_the_largest_set_point_change_is_measured(recording: Path, tmp_path: Path) -> None:
    (found,) = step_response(recording)
    assert (found.device, found.before, found.setpoint, found.start) == ("oven", 100, 150, 100)
    assert found.changed_us == START_US + 20 * US
    # 0.8 ** s is 0.1 after 10.3 s, and 0.02 after 17.53 s; between rows the line is straight.
    assert found.rise_end_s == pytest.approx(10.3, abs=0.05)
    assert found.settled_s == pytest.approx(17.53, abs=0.05)
    assert found.steady_deviation == pytest.approx(0.0, abs=1e-3)
    (wide,) = step_response(recording, band=0.1)
    assert wide.settled_s == pytest.approx(10.3, abs=0.05)
    assert plot(recording, tmp_path / "run.png", step=True) == [found]
    assert step_response(recording, until=START + timedelta(seconds=15)) == []


def test_step_responses_are_marked(recording: Path) -> None:
    found = replace(step_response(recording)[0], overshoot=2.0, peak_s=30.0)
    curves = read_curves(read_samples(recording).narrowed(COLUMNS, ()), 1000)
    chart = make_chart(curves, [found], "", None)
    figure = drawn(chart)
    labels = [each.get_text() for each in figure.legends[0].get_texts()]
    assert labels[-4:] == ["band", "rise, 10 % to 90 %", "overshoot", "settled"]
    assert found.text in figure.axes[0].get_title(loc="left")
    assert labels[-4:] == [each.name for each in figure_of(chart).data if each.name in labels[-4:]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": "ofen"}, r"'ofen'.*devices are oven; the parameters process_value, setpoint"),
        ({"parameters": ["process_value", "sp"]}, r"'sp'.*parameters process_value"),
        ({"until": "2020-01-01"}, r"process values.*times 2026-03-01"),
        ({"size": (100, 5000)}, r"size=\(100, 5000\).*width must be 300"),
        ({"size": (1000, 150)}, r"height 300"),
        ({"size": "big"}, r"such as \(1280, 800\)"),
        ({"step": "no"}, "step='no'"),
        ({"step": True, "band": 0}, "band=0"),
    ],
)
def test_an_unusable_argument_says_what_is_possible(
    recording: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        plot(recording, tmp_path / "run.png", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_extension_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"\.png, \.svg, \.pdf, \.html"):
        plot("missing.sqlite", tmp_path / "run.sqlite")


def test_too_many_rows_of_axes_are_refused(tmp_path: Path) -> None:
    rows = [row("process_value", 1.0, 0, device=f"oven_{n}") for n in range(41)]
    with pytest.raises(WatlowConfigurationError, match="choose fewer devices"):
        make_chart(stored(tmp_path, rows), [], "", None)


def test_rows_that_were_selected_can_be_drawn(recording: Path, tmp_path: Path) -> None:
    rows = read_samples(recording, parameter="process_value")
    plot(rows, tmp_path / "run.png")
    with pytest.raises(WatlowConfigurationError, match="give since to read_samples"):
        plot(rows, tmp_path / "run.png", since="2026-03-01")


def test_other_parameters_are_drawn_when_asked_for(tmp_path: Path) -> None:
    rows = [row("pressure", float(second), second, unit="bar") for second in range(9)]
    source = written(tmp_path / "run.csv", rows)
    with pytest.raises(WatlowConfigurationError, match="parameters pressure"):
        plot(source, tmp_path / "run.png")
    plot(source, tmp_path / "run.png", parameters="pressure")


def test_no_output_and_no_display_is_an_error(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    with pytest.raises(WatlowSinkError, match="give an output file, such as -o run.png"):
        plot(recording)


def test_without_an_output_a_window_is_shown(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown: list[Any] = []
    pyplot.switch_backend("agg")
    pyplot.close("all")  # of examples in the same process
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "qt", raising=False)
    monkeypatch.setattr(
        pyplot, "show", lambda: shown.extend(map(pyplot.figure, pyplot.get_fignums()))
    )
    plot(recording, size=(700, 500))
    (figure,) = shown
    pyplot.close(figure)
    assert [each.get_ylabel() for each in figure.axes] == ["temperature, °F", "output, %"]


def test_a_file_that_cannot_be_written_is_an_error(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WatlowSinkError, match=r"missing.run.png could not be written"):
        plot(tmp_path / "not read.csv", tmp_path / "missing" / "run.png")

    def write(chart: Chart, path: Path) -> None:
        path.write_text("half")
        raise OSError("the disk is full")

    monkeypatch.setitem(plotting.WRITERS, ".png", lambda: write)
    with pytest.raises(WatlowSinkError, match=r"run.png could not be written: the disk is full"):
        plot(recording, tmp_path / "run.png")
    assert not list(tmp_path.iterdir())


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "plots.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "run.sqlite", run())
    exec(example, {})
    assert {each.name for each in tmp_path.iterdir()} >= {"run.png", "step.svg"}


def test_one_command_installs_all_that_a_plot_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("numpy", "pyarrow", "plotly"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WatlowSinkDependencyError, match="pip install numpy pyarrow plotly$"):
        _ = views.plot


@pytest.mark.parametrize(("package", "name"), [("matplotlib", "run.png"), ("plotly", "run.html")])
def test_a_missing_package_is_named(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WatlowSinkDependencyError, match=f"pip install {package}"):
        plot(recording, tmp_path / name)
