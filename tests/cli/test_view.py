"""The screen of a recording as text, at several sizes and with up to 64 controllers."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from datetime import datetime, timezone

import pytest
from rich.cells import cell_len
from rich.console import Console

from watlowlib.cli.tracks import Row
from watlowlib.cli.view import ASCII, Glyphs, Output, ViewState, cut, draw
from watlowlib.cli.view import UNICODE as BLOCKS
from watlowlib.model import AcquisitionSummary, ProtocolKind, Sample, SinkReport, Unit

NOON = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)
SIZES = [(80, 24), (80, 30), (160, 50)]
READS = [
    ("process_value", 4001, 212.5, Unit.FAHRENHEIT),
    ("setpoint", 7001, 200.0, Unit.FAHRENHEIT),
    ("output_power", 8033, 40.0, Unit.PERCENT),
    ("control_mode", 8001, 10, None),
    ("heat_algorithm", 8003, 71, None),
    ("time_integral", 8006, 180.0, Unit.SECOND),
]
SUMMARY = AcquisitionSummary(
    NOON, NOON, samples_emitted=1200, samples_late=3, max_drift_ms=12.34, ticks_dropped=1,
    rows=3600, duration_s=3661.0,
)  # fmt: skip
OUTPUTS = [
    Output(SinkReport("run.sqlite", 3500, 0), 100),
    Output(SinkReport("PostgresSink('postgresql:///laboratory', 'samples')", 3000, 0, None, 500)),
]


def rows(names: Collection[str], parameters: int = 3, bad: Collection[str] = ()) -> list[Row]:
    return [
        Row(
            Sample(
                name, 1, ProtocolKind.STDBUS, parameter, number, 1,
                None if name in bad else value, unit, NOON, NOON, NOON, 0.01, None,
                "timeout" if name in bad else "ok",
            ),
            [1.0, None, 2.0] * 30,
        )
        for name in names
        for parameter, number, value, unit in READS[:parameters]
    ]  # fmt: skip


def screen(state: ViewState, width: int, height: int | None, glyphs: Glyphs = BLOCKS) -> list[str]:
    console = Console(
        width=width, height=height or 25, force_terminal=True, color_system=None,
        legacy_windows=False, file=io.StringIO(), record=True, soft_wrap=True,
    )  # fmt: skip
    console.print(draw(state, width, height, glyphs))
    return console.export_text().splitlines()


def ovens(count: int) -> list[str]:
    return [f"oven_{number}" for number in range(1, count + 1)]


def state_of(found: list[Row]) -> ViewState:
    return ViewState(SUMMARY, found, OUTPUTS, 2406)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 3, 16, 64])
@pytest.mark.parametrize("parameters", [1, 3, 6])
def test_the_screen_fits_and_shows_the_counters(
    count: int, parameters: int, size: tuple[int, int]
) -> None:
    width, height = size
    lines = screen(state_of(rows(ovens(count), parameters)), width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    head = "\n".join(lines[:4])
    for part in (
        "recording  50% 1:01:01",
        "1200 ticks, 3 late, 3600 rows",
        "1 dropped",
        "drift 12.3 ms",
        "run.sqlite: 3500 written, 100 unwritten, 0 waiting",
        "3000 written, 0 unwritten, 500 waiting",
    ):
        assert part in head


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 4), (20, 30), (40, 12)])
def test_a_small_screen_keeps_to_its_size(size: tuple[int, int]) -> None:
    width, height = size
    lines = screen(state_of(rows(ovens(16))), width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    assert width < 9 or lines[0].startswith("reco")


def test_rows_have_one_parameter_each_if_they_fit() -> None:
    lines = screen(state_of(rows(ovens(3), bad=["oven_2"])), 80, 24)
    body = lines[4:] if lines[3].startswith("controller") else lines[3:]
    assert len(body) == 9
    assert re.fullmatch(r"oven_1 +process_value 1 +212\.50 °F +[▁█ ]+ ok", body[0])
    assert re.fullmatch(r"oven_2 +setpoint 1 +! +- +[▁█ ]+ timeout", body[4])


def test_a_line_per_controller_has_the_values_the_trend_and_the_status() -> None:
    lines = screen(state_of(rows(ovens(16), bad=["oven_2"])), 80, 24)
    heading = next(n for n, line in enumerate(lines) if line.startswith("controller"))
    assert lines[heading].split()[1:] == ["process_value", "setpoint", "output_power", "status"]
    body = lines[heading + 1 :]
    assert [line.split()[0] for line in body] == ovens(16)
    assert re.fullmatch(r"oven_1 +212\.50 °F +200\.00 °F +40\.00 % +[▁█ ]+ ok", body[0])
    assert re.fullmatch(r"oven_2 +! +- +! +- +! +- +[▁█ ]+ timeout", body[1])


def test_bad_controllers_come_first_if_not_all_fit() -> None:
    lines = screen(state_of(rows(ovens(64), bad=["oven_7", "oven_64"])), 80, 24)
    assert len(lines) == 24
    heading = next(n for n, line in enumerate(lines) if line.startswith("controller"))
    names = [line.split()[0] for line in lines[heading + 1 : -1]]
    assert names[:4] == ["oven_7", "oven_64", "oven_1", "oven_2"]
    assert lines[-1] == f"{64 - len(names)} of 64 controllers not shown, 0 with a bad status"


def test_the_last_line_counts_the_bad_controllers_not_shown() -> None:
    lines = screen(state_of(rows(ovens(64), bad=ovens(64))), 160, 50)
    hidden = re.fullmatch(r"(\d+) of 64 controllers not shown, (\d+) with a bad status", lines[-1])
    assert hidden, lines[-1]
    shown = sum(line.startswith("oven_") for line in lines)
    assert hidden[1] == hidden[2] == str(64 - shown)


def test_parameters_that_do_not_fit_are_counted() -> None:
    lines = screen(state_of(rows(ovens(16), parameters=6)), 80, 30)
    assert lines[-1] == "3 parameters not shown"
    assert sum(line.startswith("oven_") for line in lines) == 16


def test_a_bad_parameter_that_is_not_shown_makes_the_controller_bad() -> None:
    found = rows(ovens(16), parameters=6)
    found[5] = rows(["oven_1"], parameters=6, bad=["oven_1"])[5]
    lines = screen(state_of(found), 80, 30)
    assert next(line for line in lines if line.startswith("oven_1 ")).endswith(" timeout")


def test_a_changed_value_has_a_mark() -> None:
    found = rows(ovens(1))
    found[1] = found[1]._replace(changed=True)
    lines = screen(state_of(found), 80, 24)
    assert [bool(re.search(r" \* ", line)) for line in lines[-3:]] == [False, True, False]


def test_the_first_columns_are_value_set_point_and_output() -> None:
    found = rows(ovens(16))
    lines = screen(state_of(found[::-1]), 80, 24)
    heading = next(line for line in lines if line.startswith("controller"))
    assert heading.split()[1:4] == ["process_value", "setpoint", "output_power"]


def test_long_names_keep_both_ends() -> None:
    names = [f"{n}@serial/by-id/usb-FTDI_FT232R_USB_UART_A1-if00-port{n % 4}" for n in range(16)]
    for size in SIZES:
        lines = screen(state_of(rows(names)), *size)
        body = [line for line in lines if re.match(r"\d+@", line)]
        assert len(body) in (16, 48)
        for line in body:
            assert cell_len(line) <= size[0]
            assert line.endswith(" ok")
            name = line.split()[0]
            number, last = int(name.split("@")[0]), int(name[-1])
            assert last == number % 4


@pytest.mark.parametrize("width", range(1, 13))
@pytest.mark.parametrize("text", ["oven_top_1", "炉子上部一号机", "\nred\x1b[31m"])
def test_a_text_is_cut_to_its_width(text: str, width: int) -> None:
    done = cut(text, width, "…")
    assert cell_len(done) <= width
    assert done.isprintable()
    assert ("…" in done) == (cell_len(text.replace("\n", "?").replace("\x1b", "?")) > width)


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    lines = screen(state_of(rows(["[red]hot[/]"])), 80, 24)
    assert any(line.startswith("[red]hot[/] ") for line in lines)


def test_a_sink_that_lost_rows_has_a_mark_and_its_error() -> None:
    error = "no space left on device: " + "make room, " * 3
    failed = Output(SinkReport("run.csv", 10, 5, error))
    lines = screen(ViewState(SUMMARY, [], [failed, *OUTPUTS]), 80, 24)
    first = next(n for n, line in enumerate(lines) if "run.csv" in line)
    assert lines[first] == "! run.csv: 10 written, 0 unwritten, 0 waiting, 5 lost"
    assert lines[first + 1].startswith("! no space left on device: make room")


def test_a_recording_without_end_has_no_percentage() -> None:
    (line, *_) = screen(ViewState(SUMMARY), 80, 24)
    assert line.startswith("recording 1:01:01  ")


def test_large_counters_continue_on_a_second_line() -> None:
    large = AcquisitionSummary(
        NOON, NOON, 123456789, 1234567, 12345.6, rows=12345678901, ticks_dropped=1234567,
        duration_s=99 * 86400.0,
    )  # fmt: skip
    lines = screen(ViewState(large, rows(ovens(3))), 80, 24)
    assert "1234567 dropped" in lines[1]
    assert "drift 12345.6 ms" in lines[1]


def test_without_a_height_all_rows_are_shown() -> None:
    lines = screen(state_of(rows(ovens(64))), 80, None)
    assert sum(line.startswith("oven_") for line in lines) == 192


def test_the_ascii_glyphs_need_no_other_character() -> None:
    found = rows(["a_very_long_name_" * 10])[2:]  # a percentage: no degree sign
    assert all(line.isascii() for line in screen(state_of(found), 80, 24, ASCII))
