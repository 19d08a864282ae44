"""The screen of a running recording: counters, outputs and the latest values as lines of text.

`draw` is a pure function of a `ViewState` and the size of the screen. The counters and the
outputs are on top and always visible. Below them is one row per parameter. If these do not fit,
there is one line per controller. If these do not fit either, controllers with a bad status come
first and the last line says how many are not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.text import Text

from watlowlib.cli.output import printable
from watlowlib.cli.tracks import (
    BAD,
    TREND_POINTS,
    VALUE_WIDTH,
    Row,
    format_trend,
    format_value,
    status_of,
)
from watlowlib.model import AcquisitionSummary, SinkReport
from watlowlib.model.text import counted

SHORTEST_TREND, SHORTEST_NAME, LONGEST_VALUE = 8, 10, 24

NARROWEST = 30
"""The cells that a line of a controller needs beside its values: a name and a long status."""

FIRST_COLUMNS = ("process_value", "setpoint", "output_power")
"""The first columns of the lines with one controller each, if they are recorded."""


Column: TypeAlias = tuple[str, int]
"""A parameter and its instance."""


class Glyphs(NamedTuple):
    """The characters of a trend from low to high, and the one for text left out."""

    blocks: str
    ellipsis: str


UNICODE = Glyphs("▁▂▃▄▅▆▇█", "…")
ASCII = Glyphs("_.-~=+*#", "~")


class Output(NamedTuple):
    """One sink: its report, and how many rows were read for it but are not written yet."""

    report: SinkReport
    unwritten: int = 0


@dataclass(frozen=True)
class ViewState:
    """Everything that the screen shows.

    Attributes:
        summary: The counters of the recording.
        rows: One row per controller and parameter, in the order of the screen.
        outputs: One per sink.
        slots: The number of slots of the whole recording; None for no end.
    """

    summary: AcquisitionSummary
    rows: Sequence[Row] = ()
    outputs: Sequence[Output] = ()
    slots: int | None = None


class Line(NamedTuple):
    """A line of the screen: each value has a style, and so has the status."""

    names: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    trend: Sequence[float | None]
    status: str
    style: str = ""


def draw(state: ViewState, width: int, height: int | None, glyphs: Glyphs = UNICODE) -> Group:
    """Return the screen: at most `height` lines of at most `width` cells; None for no limit."""
    head = _head(state, width, glyphs)
    room = len(state.rows) if height is None else height - len(head) - 1  # one for the headings
    if not state.rows:
        body: list[Text] = []
    elif len(state.rows) <= room:
        body = _parameter_lines(state.rows, width, glyphs)
    else:
        body = _controller_lines(state.rows, width, room, glyphs)
    return Group(*(head + body)[:height])


def cut(text: str, width: int, ellipsis: str) -> str:
    """Return `text` with its middle left out so that it has at most `width` cells.

    Names of controllers often differ at one end only.
    """
    text = printable(text)
    if cell_len(text) <= width:
        return text
    tail = text[-(width // 2) :] if width > 1 else ""
    while cell_len(tail) > width // 2:
        tail = tail[1:]
    return set_cell_size(text, max(0, width - cell_len(tail) - 1)) + ellipsis + tail


def _fit(text: str, width: int, glyphs: Glyphs) -> str:
    """Return `text` cut or padded to `width` cells."""
    return set_cell_size(cut(text, width, glyphs.ellipsis), width)


def _head(state: ViewState, width: int, glyphs: Glyphs) -> list[Text]:
    """Return the status line, which may need several lines, and the lines of the outputs."""
    outputs = [text for each in state.outputs for text in _output_texts(each, width, glyphs)]
    lines = _packed(_counters(state), width, "  ", glyphs)
    lines += _packed(outputs, width, "  ", glyphs)
    return [
        Text(line, BAD if "! " in line else "bold", no_wrap=True, overflow="crop") for line in lines
    ]


def _counters(state: ViewState) -> list[str]:
    summary = state.summary
    done = ""
    if state.slots:
        share = (summary.samples_emitted + summary.samples_late) / state.slots
        done = f" {min(1.0, share):4.0%}"
    return [
        f"recording{done} {timedelta(seconds=int(summary.duration_s))}",
        f"{summary.samples_emitted} ticks, {summary.samples_late} late, {summary.rows} rows",
        f"{summary.ticks_dropped} dropped",
        f"drift {summary.max_drift_ms:.1f} ms",
    ]


def _output_texts(output: Output, width: int, glyphs: Glyphs) -> list[str]:
    """Return the counters, and the error if there is one; it may need a line of its own."""
    report, unwritten = output
    counts = f"{report.rows_written} written, {unwritten} unwritten, {report.rows_waiting} waiting"
    mark = "! " if report.rows_lost or report.error is not None else ""
    if mark:
        counts += f", {report.rows_lost} lost"
    name = cut(report.name, max(SHORTEST_NAME, width - len(f"{mark}: {counts}")), glyphs.ellipsis)
    return [f"{mark}{name}: {counts}", *([f"! {report.error}"] if report.error else [])]


def _packed(parts: Iterable[str], width: int, between: str, glyphs: Glyphs) -> list[str]:
    """Return lines with as many of `parts` as fit; a part that is too long is cut."""
    lines: list[str] = []
    for part in parts:
        part = cut(part, width, glyphs.ellipsis)
        longer = f"{lines[-1]}{between}{part}" if lines else ""
        if lines and cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _parameter_lines(rows: Sequence[Row], width: int, glyphs: Glyphs) -> list[Text]:
    """Return a line with headings, and one per parameter."""
    values = [format_value(each.sample) for each in rows]
    value_width = min(LONGEST_VALUE, max(VALUE_WIDTH, *map(cell_len, values)))
    lines = [Line(("controller", "parameter"), ((" value", ""),), (), "status")]
    for row in rows:
        sample = row.sample
        names = (sample.device, f"{sample.parameter} {sample.instance}")
        lines.append(Line(names, (_marked(row),), row.trend, status_of(sample), row.style))
    return _aligned(lines, value_width, width, glyphs)


def _controller_lines(rows: Sequence[Row], width: int, room: int, glyphs: Glyphs) -> list[Text]:
    """Return a heading and at most `room` lines of controllers; the last counts those left out."""
    found: dict[str, dict[Column, Row]] = {}
    for row in rows:
        found.setdefault(row.sample.device, {})[row.sample.parameter, row.sample.instance] = row
    columns = sorted(dict.fromkeys(column for each in found.values() for column in each), key=_rank)
    shown = columns[: max(1, (width - NARROWEST) // (VALUE_WIDTH + 2))]
    names = list(found)
    complete = len(names) <= room and len(shown) == len(columns)
    fit = room if complete else max(0, room - 1)
    if len(names) > fit:
        names.sort(key=lambda name: _bad_row(found[name]) is None)
    headings = tuple((f" {name}" if one == 1 else f" {name} {one}", "") for name, one in shown)
    lines = [Line(("controller",), headings, (), "status")]
    lines += [_controller_line(name, found[name], shown) for name in names[:fit]]
    texts = _aligned(lines, VALUE_WIDTH, width, glyphs)
    if not complete:
        hidden = [found[name] for name in names[fit:]]
        note = _hidden_note(hidden, len(names), len(columns) - len(shown))
        texts.append(Text(cut(note, width, glyphs.ellipsis), "bold", no_wrap=True, overflow="crop"))
    return texts


def _bad_row(found: Mapping[Column, Row]) -> Row | None:
    return next((row for row in found.values() if row.bad), None)


def _rank(column: Column) -> tuple[bool, int, int]:
    """Return the key by which columns are sorted: the first ones of each instance first."""
    parameter, instance = column
    known = parameter in FIRST_COLUMNS
    return not known, instance, FIRST_COLUMNS.index(parameter) if known else 0


def _controller_line(device: str, found: Mapping[Column, Row], shown: Sequence[Column]) -> Line:
    values = tuple(_marked(found[each]) if each in found else ("", "") for each in shown)
    trend = found[shown[0]].trend if shown[0] in found else ()
    bad = _bad_row(found)
    if bad is None:
        return Line((device,), values, trend, "ok")
    return Line((device,), values, trend, status_of(bad.sample), bad.style)


def _hidden_note(hidden: Sequence[Mapping[Column, Row]], controllers: int, parameters: int) -> str:
    """Return a text about what does not fit on the screen."""
    notes = []
    if hidden:
        bad = sum(_bad_row(each) is not None for each in hidden)
        notes.append(
            f"{len(hidden)} of {counted(controllers, 'controller')} not shown, "
            f"{bad} with a bad status"
        )
    if parameters:
        notes.append(f"{counted(parameters, 'parameter')} not shown")
    return "; ".join(notes)


def _marked(row: Row) -> tuple[str, str]:
    return f"{row.mark}{format_value(row.sample)}", row.style


def _aligned(lines: Sequence[Line], value_width: int, width: int, glyphs: Glyphs) -> list[Text]:
    """Return `lines` with the same columns; the names are cut so that a trend fits."""
    value_width += 1  # the mark
    status_width = max(cell_len(line.status) for line in lines)
    names = len(lines[0].names)
    free = width - len(lines[0].values) * (value_width + 1) - status_width - names - 1
    widths = [max(map(cell_len, column)) for column in zip(*(line.names for line in lines))]
    while sum(widths) > free - SHORTEST_TREND and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    trend_width = max(0, min(TREND_POINTS, free - sum(widths)))
    return [_assembled(line, widths, value_width, trend_width, glyphs) for line in lines]


def _assembled(
    line: Line, widths: Sequence[int], value_width: int, trend_width: int, glyphs: Glyphs
) -> Text:
    trend = format_trend(line.trend, trend_width, glyphs.blocks)
    return Text.assemble(
        *(f"{_fit(name, width, glyphs)} " for name, width in zip(line.names, widths)),
        *((f"{_fit(text, value_width, glyphs)} ", style) for text, style in line.values),
        f"{trend:<{trend_width}} ",
        (cut(line.status, LONGEST_VALUE, glyphs.ellipsis), line.style),
        no_wrap=True,
        overflow="crop",
    )
