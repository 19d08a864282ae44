"""Draws a chart with matplotlib: into a PNG, SVG or PDF file, or a window.

Files are drawn without pyplot, so nothing global changes; only a window needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.views.curves import SETPOINTS, Curve
from watlowlib.views.envelope import alone
from watlowlib.views.layout import (
    MAIN_TO_OUTPUT,
    MARGIN_PX,
    SHADE_OPACITY,
    Chart,
    Panel,
    local,
    zone_change,
    zone_of,
)
from watlowlib.views.marks import COLOR, LABEL, Mark
from watlowlib.views.steps import RISE, StepResponse

DPI = 100
LETTER_PX = 7.0
"""The width of a letter of the legend, about."""

KEY_PX = 60
"""The width of the colour beside a text of the legend, with the distances."""


def writer() -> Callable[[Chart, Path], None]:
    """Return the function that writes a chart into a file.

    Raises:
        WatlowSinkDependencyError: matplotlib is not installed.
    """
    import_optional("matplotlib")
    return _save


def window() -> Callable[[Chart], None]:
    """Return the function that shows a chart in a window until it is closed.

    Raises:
        WatlowSinkDependencyError: matplotlib is not installed.
        WatlowSinkError: There is no display.
    """
    pyplot = import_optional("matplotlib.pyplot")
    figure = new_figure("there is no display for a window: give an output file, such as -o run.png")
    pyplot.close(figure)

    def show(chart: Chart) -> None:
        draw(pyplot.figure(figsize=[each / DPI for each in chart.size]), chart)
        pyplot.show()

    return show


def new_figure(message: str) -> Any:
    """Return an empty figure of a new window.

    Raises:
        WatlowSinkDependencyError: matplotlib is not installed.
        WatlowSinkError: There is no display; with `message`.
    """
    pyplot = import_optional("matplotlib.pyplot")
    figure = pyplot.figure()
    if getattr(figure.canvas, "required_interactive_framework", None) is None:
        pyplot.close(figure)
        raise WatlowSinkError(message)
    return figure


def _save(chart: Chart, path: Path) -> None:
    backends = {".png": "agg", ".svg": "svg", ".pdf": "pdf"}
    figure = import_optional("matplotlib.figure").Figure([each / DPI for each in chart.size])
    draw(figure, chart)
    figure.savefig(path, dpi=DPI, backend=backends[path.suffix.lower()])


def draw(figure: Any, chart: Chart) -> None:
    """Draw `chart` into an empty matplotlib Figure."""
    figure.set_layout_engine("constrained", h_pad=0.05, hspace=0.02)
    heights = [1.0 if panel.output else MAIN_TO_OUTPUT for panel in chart.panels]
    axes = figure.subplots(
        len(heights), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    handles: dict[str, Any] = {}
    height_px = (chart.size[1] - MARGIN_PX) / sum(heights)
    for n, (panel, ax) in enumerate(zip(chart.panels, axes)):
        first = n == 0 or chart.panels[n - 1].device != panel.device
        _draw_panel(ax, panel, chart, handles, first)
        fits = len(panel.label) * LETTER_PX < 0.75 * height_px * heights[n]  # without titles
        ax.set_ylabel(panel.label if fits else panel.unit or "", parse_math=False)
    figure.align_ylabels(axes)
    _set_time_axis(axes[-1], chart)
    _add_legend(figure, handles, chart)


def _draw_panel(ax: Any, panel: Panel, chart: Chart, handles: dict[str, Any], first: bool) -> None:
    for shade in chart.shades_of(panel):
        style = {"color": chart.colors[shade.label], "alpha": SHADE_OPACITY, "linewidth": 0.6}
        for begin, end in zip(dates(shade.begins), dates(shade.ends)):
            span = ax.axvspan(begin, end, zorder=0.5, **style)
            handles.setdefault(shade.label, span)
    for curve in panel.curves:
        handles.setdefault(curve.label, _draw_curve(ax, curve, chart.colors[curve.label]))
    for step in chart.steps_of(panel):
        _mark_step(ax, step, handles)
    for mark in chart.marks_of(panel):
        _draw_mark(ax, mark, chart.side_of(mark), handles)
    ax.grid(True, color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.margins(x=0.0)
    texts = [panel.device] if first else []
    for step in chart.steps_of(panel):
        texts += wrap(step.text, int(chart.size[0] * 0.85 / LETTER_PX))
    if texts:
        font = {"fontsize": 10.0, "fontweight": "normal"}
        ax.set_title("\n".join(texts), loc="left", parse_math=False, **font)


def _draw_curve(ax: Any, curve: Curve, color: str) -> Any:
    setpoint = curve.parameter in SETPOINTS
    style = {"drawstyle": "steps-post", "linestyle": "--"} if setpoint else {}
    times = dates(curve.times)
    (line,) = ax.plot(times, curve.values, color=color, linewidth=1.2, label=curve.label, **style)
    single = alone(curve.values)
    if single.any():
        ax.plot(times[single], curve.values[single], color=color, linestyle="", marker=".")
    return line


def _draw_mark(ax: Any, mark: Mark, side: str, handles: dict[str, Any]) -> None:
    (at,) = dates(np.array([mark.at_us]))
    line = ax.axvline(at, color=COLOR, linestyle=":", linewidth=1.0, zorder=1.5)
    handles.setdefault(LABEL, line)
    if mark.short:
        text = mark.short.replace("$", r"\$")  # which begins a formula
        anchor = {"left": "right", "right": "left"}[side]
        place = {"rotation": 90, "va": "top", "ha": anchor, "fontsize": 7.0, "color": COLOR}
        ax.text(at, 0.98, text, transform=ax.get_xaxis_transform(), clip_on=True, **place)


def _mark_step(ax: Any, step: StepResponse, handles: dict[str, Any]) -> None:
    def at(seconds: float) -> Any:
        return dates(np.array([step.changed_us + round(seconds * 1e6)]))[0]

    end = dates(np.array([step.end_us]))[0]
    band = (step.setpoint - step.band, step.setpoint + step.band)
    handles.setdefault("band", ax.fill_between([at(0.0), end], *band, color="#D55E00", alpha=0.15))
    if step.rise_begin_s is not None and step.rise_end_s is not None:
        values = [step.start + part * (step.setpoint - step.start) for part in RISE]
        times = [at(step.rise_begin_s), at(step.rise_end_s)]
        (marks,) = ax.plot(times, values, "o:", color="#000000", markersize=5, markerfacecolor="w")
        handles.setdefault("rise, 10 % to 90 %", marks)
    if step.peak_s is not None:
        symbol = "^" if step.rising else "v"
        (mark,) = ax.plot([at(step.peak_s)], [step.peak], symbol, color="#000000")
        handles.setdefault("overshoot", mark)
    if step.settled_s is not None:
        line = ax.axvline(at(step.settled_s), color="#000000", linestyle="-.", linewidth=1.0)
        handles.setdefault("settled", line)


def dates(times_us: Any) -> Any:
    """Return microseconds since 1970 as datetime64 in UTC, which matplotlib converts itself."""
    return times_us.astype("datetime64[us]")


def _set_time_axis(ax: Any, chart: Chart) -> None:
    mdates, tz = import_optional("matplotlib.dates"), import_optional("dateutil.tz").tzlocal()
    locator = mdates.AutoDateLocator(tz=tz, minticks=3, maxticks=max(4, chart.size[0] // 110))
    day, minute, second = "%Y-%m-%d", "%H:%M", "%H:%M:%S"
    formatter = mdates.ConciseDateFormatter(
        locator,
        tz=tz,
        formats=["%Y", "%Y-%m", day, minute, second, "%H:%M:%S.%f"],
        zero_formats=["", "%Y", day, day, minute, second],
        show_offset=False,
    )
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)
    ax.set_xlim(*dates(np.array([chart.begin_us, chart.end_us])))
    text = _time_text(chart)
    ax.set_xlabel("\n".join(wrap(text, int(chart.size[0] * 0.7 / LETTER_PX))))


def _time_text(chart: Chart) -> str:
    """Return the dates and the zones."""
    begin, end = local(chart.begin_us), local(chart.end_us)
    days = list(dict.fromkeys(f"{each:%Y-%m-%d}" for each in (begin, end)))
    text = f"{' to '.join(days)}, local time, {zone_of(begin)}"
    changed_us = zone_change(chart.begin_us, chart.end_us)
    if changed_us is None:
        return text
    changed = local(changed_us)
    return f"{text}; from {changed:%Y-%m-%d %H:%M} {zone_of(changed)}"


def _add_legend(figure: Any, handles: dict[str, Any], chart: Chart) -> None:
    """Add one legend above all axes; the title is its title, and so they never overlap."""
    order = [*chart.colors, *handles]  # curves, then shades, then marks
    handles = {label: handles[label] for label in order if label in handles}
    longest = max(map(len, handles), default=0) * LETTER_PX + KEY_PX
    legend = figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=min(len(handles), max(1, int(chart.size[0] * 0.95 / longest))) or 1,
        frameon=False,
        title=chart.title or None,
        title_fontsize=12.0,
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)  # a name may have a $
