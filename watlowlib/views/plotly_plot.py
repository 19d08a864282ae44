"""Draws a chart with plotly into one interactive HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from watlowlib._internal.optional import import_optional
from watlowlib.views.curves import SETPOINTS, Curve
from watlowlib.views.envelope import alone
from watlowlib.views.layout import (
    MAIN_TO_OUTPUT,
    SHADE_OPACITY,
    Chart,
    Panel,
    local,
    zone_change,
    zone_of,
)
from watlowlib.views.marks import COLOR, LABEL
from watlowlib.views.steps import RISE, StepResponse

CONFIG = {"displaylogo": False, "responsive": True}
LINE_PX, GAP_PX = 18, 38
"""The heights of a line of text, and of the space between two rows of axes with two such lines."""


def writer() -> Callable[[Chart, Path], None]:
    """Return the function that writes a chart into a file.

    Raises:
        WatlowSinkDependencyError: plotly is not installed.
    """
    import_optional("plotly")
    return _save


def _save(chart: Chart, path: Path) -> None:
    html = figure_of(chart).to_html(CONFIG, include_plotlyjs=True, full_html=True)
    path.write_text(html, "utf-8")


def figure_of(chart: Chart) -> Any:
    """Return the plotly Figure of `chart`.

    Plotly has no time zones. All times are in the one that was valid at the first of them, also
    after the clocks have changed: two different times are never at the same place.
    """
    heights = [1.0 if panel.output else MAIN_TO_OUTPUT for panel in chart.panels]
    figure = import_optional("plotly.subplots").make_subplots(
        rows=len(heights),
        cols=1,
        shared_xaxes=True,
        row_heights=heights,
        vertical_spacing=GAP_PX / chart.size[1] if len(heights) > 1 else None,
    )
    shift_us = _shift_us(chart)
    shown: set[str] = set()
    for row, panel in enumerate(chart.panels, start=1):
        _draw_panel(figure, row, panel, chart, shift_us, shown)
        if row == 1 or chart.panels[row - 2].device != panel.device:
            _add_heading(figure, row, panel, chart)
    figure.update_xaxes(
        type="date", range=_dates(np.array([chart.begin_us, chart.end_us]), shift_us).astype(str)
    )
    figure.update_xaxes(title_text=_zone_text(chart), row=len(heights), col=1)
    figure.update_layout(
        title=_plain(chart.title) or None,
        height=chart.size[1],
        template="plotly_white",
        hovermode="x",
        legend={"groupclick": "togglegroup"},
        margin={"t": 60 + LINE_PX * bool(chart.title), "r": 20},
    )
    return figure


def _draw_panel(
    figure: Any, row: int, panel: Panel, chart: Chart, shift_us: int, shown: set[str]
) -> None:
    for shade in chart.shades_of(panel):
        times = (_dates(each, shift_us).astype(str) for each in (shade.begins, shade.ends))
        for begin, end in zip(*times):
            figure.add_shape(
                type="rect",
                x0=begin,
                x1=end,
                y0=0,
                y1=1,
                yref="y domain",
                row=row,
                col=1,
                fillcolor=chart.colors[shade.label],
                opacity=SHADE_OPACITY,
                line={"width": 1, "color": chart.colors[shade.label]},
                layer="below",
                name=_plain(shade.label),
                **_in_legend(shade.label, shown),
            )
    for curve in panel.curves:
        _draw_curve(figure, row, curve, chart.colors[curve.label], shift_us, shown)
    for step in chart.steps_of(panel):
        _mark_step(figure, row, step, shift_us, shown)
    for mark in chart.marks_of(panel):
        (at,) = _dates(np.array([mark.at_us]), shift_us).astype(str)
        line = {"color": COLOR, "width": 1, "dash": "dot"}
        figure.add_vline(x=at, line=line, row=row, col=1, **_in_legend(LABEL, shown), name=LABEL)
        figure.add_annotation(
            x=at,
            y=1,
            yref="y domain",
            text=_plain(mark.short) or "▾",
            hovertext=_plain(mark.text),
            textangle=-90 if mark.short else 0,
            showarrow=False,
            xanchor="left" if chart.side_of(mark) == "right" else "right",
            yanchor="top",
            font={"size": 9, "color": COLOR},
            row=row,
            col=1,
        )
    figure.update_yaxes(title_text=_plain(panel.label), row=row, col=1)
    if not panel.curves:  # without a trace plotly would leave out the axes
        begin = _dates(np.array([chart.begin_us]), shift_us)
        figure.add_scatter(x=begin, y=[None], showlegend=False, row=row, col=1)


def _in_legend(label: str, shown: set[str]) -> dict[str, Any]:
    """Return the options by which each label is once in the legend, and hides all that have it."""
    first = label not in shown
    shown.add(label)
    return {"legendgroup": label, "showlegend": first}


def _draw_curve(
    figure: Any, row: int, curve: Curve, color: str, shift_us: int, shown: set[str]
) -> None:
    unit = f" {_plain(curve.unit)}" if curve.unit else ""
    setpoint = curve.parameter in SETPOINTS
    single = alone(curve.values)
    figure.add_scatter(
        x=_dates(curve.times, shift_us),
        y=curve.values,
        mode="lines+markers" if single.any() else "lines",
        marker={"size": np.where(single, 5, 0)} if single.any() else None,
        line={
            "color": color,
            "width": 1.5,
            "dash": "dash" if setpoint else "solid",
            "shape": "hv" if setpoint else "linear",
        },
        name=_plain(curve.label),
        hovertemplate=f"%{{x|%Y-%m-%d %H:%M:%S.%L}}<br>%{{y:.6~g}}{unit}",
        row=row,
        col=1,
        **_in_legend(curve.label, shown),
    )


def _mark_step(figure: Any, row: int, step: StepResponse, shift_us: int, shown: set[str]) -> None:
    def add(label: str, seconds: list[float], values: list[float], **style: Any) -> None:
        times = step.changed_us + np.round(np.array(seconds) * 1e6).astype("int64")
        figure.add_scatter(
            x=_dates(times, shift_us),
            y=values,
            name=label,
            row=row,
            col=1,
            **style,
            **_in_legend(label, shown),
        )

    end_s = (step.end_us - step.changed_us) / 1e6
    low, high = step.setpoint - step.band, step.setpoint + step.band
    corners = [0.0, end_s, end_s, 0.0], [low, low, high, high]
    add("band", *corners, mode="none", fill="toself", fillcolor="rgba(213,94,0,0.15)")
    black = {"color": "#000000", "size": 8}
    if step.rise_begin_s is not None and step.rise_end_s is not None:
        values = [step.start + part * (step.setpoint - step.start) for part in RISE]
        times = [step.rise_begin_s, step.rise_end_s]
        line = {"color": "#000000", "dash": "dot"}
        open_marker = {**black, "symbol": "circle-open"}
        add("rise, 10 % to 90 %", times, values, marker=open_marker, line=line)
    if step.peak_s is not None:
        marker = {**black, "symbol": "triangle-up" if step.rising else "triangle-down"}
        add("overshoot", [step.peak_s], [step.peak], mode="markers", marker=marker)
    if step.settled_s is not None:
        at = [step.settled_s, step.settled_s]
        ends = [step.start, step.setpoint]
        add("settled", at, ends, mode="lines", line={"color": "#000000", "dash": "dashdot"})


def _add_heading(figure: Any, row: int, panel: Panel, chart: Chart) -> None:
    texts = [f"<b>{_plain(panel.device)}</b>"]
    texts += [_plain(step.text) for step in chart.steps_of(panel)]
    figure.add_annotation(
        text="<br>".join(texts),
        x=0,
        y=1,
        xref="x domain",
        yref="y domain",
        xanchor="left",
        yanchor="bottom",
        align="left",
        showarrow=False,
        row=row,
        col=1,
    )


def _plain(text: str) -> str:
    """Return `text` so that plotly, which knows some tags of HTML, shows it as it is."""
    return escape(text, quote=False)


def _shift_us(chart: Chart) -> int:
    offset = local(chart.begin_us).utcoffset() or timedelta()
    return round(offset.total_seconds() * 1e6)


def _dates(times_us: Any, shift_us: int) -> Any:
    """Return times as datetime64; plotly would show numbers in the zone of the browser."""
    return ((times_us + shift_us) // 1000).astype("datetime64[ms]")


def _zone_text(chart: Chart) -> str:
    zone = zone_of(local(chart.begin_us))
    changed_us = zone_change(chart.begin_us, chart.end_us)
    if changed_us is None:
        return f"local time, {zone}"
    changed = local(changed_us)
    return (
        f"time in {zone}, also after the clocks changed to {zone_of(changed)} at "
        f"{changed:%Y-%m-%d %H:%M}"
    )
