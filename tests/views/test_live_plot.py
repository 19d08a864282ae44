"""`live`: draws a recording while it is written."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.sinks.samples import FIRST, START
from watlowlib import InMemorySink, Sample, record
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.streaming.recorder import Recording

np = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")
matplotlib = pytest.importorskip("matplotlib")

from watlowlib.views import live, live_plot  # noqa: E402
from watlowlib.views.curves import CurveReader, Stored, rows_of  # noqa: E402
from watlowlib.views.layout import Chart, make_chart  # noqa: E402
from watlowlib.views.screens import Window  # noqa: E402

pytestmark = pytest.mark.usefixtures("fonts")

PATIENCE_S = 20.0


class FakeScreen:
    """Keeps the charts; `on_show` is called with each, `is_open` is what `refresh` returns."""

    def __init__(self, on_show: Callable[[Chart], object] = id, is_open: bool = True) -> None:
        self.charts: list[Chart] = []
        self._on_show = on_show
        self._is_open = is_open

    def show(self, chart: Chart) -> None:
        self.charts.append(chart)
        self._on_show(chart)

    def refresh(self) -> bool:
        return self._is_open


def use(screen: FakeScreen, monkeypatch: pytest.MonkeyPatch) -> FakeScreen:
    monkeypatch.setattr(live_plot, "open_screen", lambda: screen)
    monkeypatch.setattr(live_plot, "DRAW_S", 0.0)
    return screen


def recording(ctl: Controller, duration: float | None = 0.3) -> Recording:
    return record(ctl, parameters=["setpoint"], rate_hz=50.0, duration=duration)


def test_what_is_drawn_at_the_end_is_what_was_written(
    ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = use(FakeScreen(), monkeypatch)
    monkeypatch.setattr(live_plot, "DRAW_S", 3600.0)
    with InMemorySink() as sink:
        summary = live(recording(ctl), sink)
    assert len(screen.charts) <= 2  # at the first tick, and at the end
    (panel,) = screen.charts[-1].panels
    (curve,) = panel.curves
    assert set(curve.values) == {75.0}
    assert curve.times[-1] == round(sink.samples[-1].scheduled_at.timestamp() * 1e6)  # type: ignore[union-attr]
    assert summary.rows == summary.sinks[0].rows_written == len(sink.samples) > 0
    assert screen.charts[-1].title.endswith(f"0 of {summary.rows} reads without a value")


def test_a_running_recording_is_drawn_without_sinks(
    ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = use(FakeScreen(), monkeypatch)
    with recording(ctl) as stream:
        summary = live(stream)
    assert summary == stream.summary
    assert (summary.ticks_dropped, summary.sinks) == (0, ())
    assert screen.charts


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = use(FakeScreen(), monkeypatch)
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs" / "notebooks.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert "duration=60.0" in example
    # Only the duration is replaced.
    exec(compile(example.replace("duration=60.0", "duration=0.5"), page, "exec"), {})
    assert screen.charts
    assert {path.name for path in tmp_path.iterdir()} == {"run.sqlite", "run.png"}


def test_a_screen_that_hangs_does_not_delay_the_recording(
    ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    enough = threading.Event()

    class Sink(InMemorySink):
        def write_many(self, samples: object) -> None:
            super().write_many(samples)  # type: ignore[arg-type]
            if len(self.samples) >= 10:
                enough.set()

    hung: list[bool] = []
    use(FakeScreen(lambda chart: hung.append(enough.wait(PATIENCE_S))), monkeypatch)
    with Sink() as sink:
        live(recording(ctl, duration=1.0), sink, batch_size=1)
    assert hung and all(hung)


def interrupt(chart: Chart) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_the_recording_and_keeps_what_was_read(
    ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(FakeScreen(interrupt), monkeypatch)
    with InMemorySink() as sink:
        stream = recording(ctl, duration=None)
        with pytest.raises(KeyboardInterrupt):
            live(stream, sink, batch_size=10_000, flush_interval=3600.0)
        assert len(sink.samples) == stream.summary.rows > 0
    assert repr(stream) == "<Recording at 50 Hz, ended>"


def fail(chart: Chart) -> None:
    raise RuntimeError("the font is missing")


@pytest.mark.parametrize(
    ("screen", "logged"),
    [
        (
            FakeScreen(fail),
            ["the recording continues, but is no longer drawn: the font is missing"],
        ),
        (FakeScreen(is_open=False), []),
    ],
    ids=["failed", "closed"],
)
def test_a_recording_continues_without_its_picture(
    screen: FakeScreen,
    logged: list[str],
    ctl: Controller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use(screen, monkeypatch)
    with InMemorySink() as sink:
        summary = live(recording(ctl), sink)
        assert len(sink.samples) == summary.rows
    assert summary.ticks_emitted + summary.samples_late == 15
    assert len(screen.charts) == 1
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.getMessage() for each in warnings if "drawn" in each.getMessage()] == logged


def test_an_invalid_sink_ends_the_recording(
    ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(FakeScreen(), monkeypatch)
    stream = recording(ctl, duration=None)
    with pytest.raises(WatlowConfigurationError, match="is not a sink"):
        live(stream, "run.csv")  # type: ignore[arg-type]
    assert repr(stream) == "<Recording at 50 Hz, ended>"


@pytest.fixture
def agg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib without a display."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")


@pytest.mark.usefixtures("agg")
def test_without_a_display_the_recording_does_not_begin(ctl: Controller) -> None:
    stream = recording(ctl)
    with pytest.raises(WatlowSinkError, match="there is no display for a window: write with pipe"):
        live(stream)
    assert not stream.begun
    with pytest.raises(WatlowConfigurationError, match="is not a recording: give what record"):
        live([])  # type: ignore[arg-type]


def samples(count: int, lost: range = range(0)) -> list[Sample]:
    """One sample a second, without a value at the seconds `lost`."""
    return [
        replace(
            FIRST,
            value=None if second in lost else float(second % 7),
            status="timeout" if second in lost else "ok",
            scheduled_at=START + timedelta(seconds=second),
            requested_at=START - timedelta(hours=second % 3),  # the wall clock was set
        )
        for second in range(count)
    ]


def seconds(found: Stored) -> list[tuple[float, float]]:
    (shade,) = found.shades
    start = datetime.timestamp(START) * 1e6
    return [((a - start) / 1e6, (b - start) / 1e6) for a, b in zip(shade.begins, shade.ends)]


def test_a_picture_can_be_drawn_between_the_rows() -> None:
    """A gap that lasts while pictures are drawn is one interval."""
    reader = CurveReader(1000)
    for each in samples(60, lost=range(20, 40)):
        for key, rows in rows_of([each]).items():
            reader.add_rows(key, rows)
        found = reader.finish()
    assert seconds(found) == [(20.0, 40.0)]
    (curve,) = found.curves
    expected = [np.nan if second in range(20, 40) else second % 7 for second in range(60)]
    assert np.array_equal(curve.values, np.array(expected), equal_nan=True)


def test_the_memory_of_a_picture_stays_bounded() -> None:
    reader = CurveReader(100)
    batches = samples(20_000)
    for start in range(0, len(batches), 50):
        for key, rows in rows_of(batches[start : start + 50]).items():
            reader.add_rows(key, rows)
    reader.finish()
    (track,) = reader._tracks.values()
    (envelope,) = track.by_unit.values()
    assert envelope._count <= 100 * 2 * 6  # twice the columns, six points each


def test_texts_are_not_drawn() -> None:
    text = replace(FIRST, value="PM3R1CA-AAAAAAA", parameter="part_number")
    nan = replace(FIRST, value=float("nan"))
    found = rows_of([text, nan, replace(FIRST, unit=None)])
    ((key, rows),) = found.items()
    assert key == ("oven_top", "process_value", 1)
    assert [rows.labels[code] for code in rows.label_codes] == ["no value", "ok"]
    assert [rows.units[code] for code in rows.unit_codes] == ["°F", None]


def chart() -> Chart:
    reader = CurveReader(1000)
    for key, rows in rows_of(samples(10)).items():
        reader.add_rows(key, rows)
    return make_chart(reader.finish(), [], "0:00:10", None)


@pytest.mark.usefixtures("agg")
def test_a_window_keeps_the_size_that_the_user_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import pyplot
    from matplotlib.backend_bases import FigureManagerBase
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown: list[object] = []
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "headless")
    monkeypatch.setattr(FigureManagerBase, "show", lambda *manager: shown.append(1))
    window = Window()
    figure = pyplot.gcf()
    window.show(chart())
    figure.set_size_inches(5.0, 4.0)
    window.show(chart())
    assert list(figure.get_size_inches()) == [5.0, 4.0]
    assert [line.get_label() for line in figure.axes[0].lines] == ["process value"]
    assert len(shown) == 1
    assert window.refresh()
    pyplot.close(figure)
    assert not window.refresh()


def test_only_the_main_thread_can_draw_a_window() -> None:
    caught: list[str] = []

    def run() -> None:
        with pytest.raises(WatlowSinkError) as error:
            Window()
        caught.append(str(error.value))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE_S)
    assert caught == ["only the main thread can draw a window: call live there"]
