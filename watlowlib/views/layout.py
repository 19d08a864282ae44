"""What a plot shows, whatever draws it: rows of axes, colours, texts and the time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model.text import counted
from watlowlib.registry.parameters import Kind
from watlowlib.views.curves import (
    NO_ROWS,
    OUTPUTS,
    PROCESS_VALUES,
    SETPOINTS,
    Curve,
    Stored,
    kind_of,
)
from watlowlib.views.marks import TEXT_PX, Mark
from watlowlib.views.shades import Shade, united
from watlowlib.views.steps import StepResponse

CURVE_COLORS = {
    PROCESS_VALUES[0]: "#0072B2",
    SETPOINTS[0]: "#D55E00",
    SETPOINTS[1]: "#CC79A7",
    OUTPUTS[0]: "#009E73",
    OUTPUTS[1]: "#E69F00",
    OUTPUTS[2]: "#56B4E9",
}
"""The colours of the usual curves. All colours are from the palette of Okabe and Ito, which people
with every kind of colour vision can tell apart."""

OTHER_COLORS = ("#CC79A7", "#56B4E9", "#E69F00", "#000000", "#0072B2", "#D55E00", "#009E73")
GAP_COLORS = {
    "timeout": "#777777",
    "offline": "#8C6D31",
    "crc": "#CC79A7",
    "sensor_error": "#56B4E9",
    NO_ROWS: "#C8C8C8",
}
OTHER_GAP_COLORS = ("#B2A3D4", "#5F8A8B", "#D3B683")
ALARM_COLORS = ("#F0E442", "#E69F00", "#D55E00")
SHADE_OPACITY = 0.4
MAIN_TO_OUTPUT = 2.4
"""The height of a row of axes as a multiple of the height of one with outputs."""

NARROWEST_PX, LOWEST_PX, LARGEST_PX = 300, 100, 20_000
"""The smallest width of a plot, height of a row of axes, and the largest of both."""

WIDTH_PX, MAIN_PX, OUTPUT_PX, MARGIN_PX = 1280, 320, 140, 150
MOST_ROWS = 40
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Panel:
    """A row of axes: curves of one controller with the same unit.

    Attributes:
        device: The controller.
        label: The text at the axis.
        unit: The unit; None if it is not known.
        curves: The curves.
        output: Whether it has the outputs, and less height.
    """

    device: str
    label: str
    unit: str | None
    curves: tuple[Curve, ...]
    output: bool


@dataclass(frozen=True)
class Chart:
    """All that a plot shows.

    Attributes:
        panels: The rows of axes, from the top; those of a controller follow each other.
        shades: The intervals to shade.
        colors: The colour of each label, of curves and of shades.
        steps: The step responses to mark.
        marks: The events to mark, in order of time.
        begin_us: The first time, in microseconds since 1970.
        end_us: The last time.
        title: The title; empty for none.
        size: The width and height in pixels.
    """

    panels: Sequence[Panel]
    shades: Sequence[Shade]
    colors: dict[str, str]
    steps: Sequence[StepResponse]
    marks: Sequence[Mark]
    begin_us: int
    end_us: int
    title: str
    size: tuple[int, int]

    def shades_of(self, panel: Panel) -> list[Shade]:
        """Return the intervals to shade in `panel`, one Shade for each label.

        The gaps of a curve are shaded where it is drawn, or everywhere if it has no values.
        """
        own = {curve.label for curve in panel.curves}
        drawn = {curve.label for each in self.panels if each.device == panel.device
                 for curve in each.curves}  # fmt: skip
        found: dict[str, list[Shade]] = {}
        for shade in self.shades:
            if shade.device in (None, panel.device) and (
                shade.curve in own or shade.curve not in drawn
            ):
                found.setdefault(shade.label, []).append(shade)
        return [united(each) for each in found.values()]

    def marks_of(self, panel: Panel) -> list[Mark]:
        """Return the events to mark in `panel`.

        They have a text in the uppermost row of axes of a controller, unless the text before is
        too near.
        """
        first = next(each for each in self.panels if each.device == panel.device) is panel
        distance_us = TEXT_PX * (self.end_us - self.begin_us) // self.size[0]
        found: list[Mark] = []
        text_us = self.begin_us - distance_us
        for mark in self.marks:
            if mark.device in (None, panel.device):
                shows = first and mark.at_us >= text_us + distance_us
                text_us = mark.at_us if shows else text_us
                found.append(mark if shows else replace(mark, short=""))
        return found

    def side_of(self, mark: Mark) -> str:
        """Return on which side of a mark its text has room: "left" or "right"."""
        return "right" if 2 * mark.at_us < self.begin_us + self.end_us else "left"

    def steps_of(self, panel: Panel) -> list[StepResponse]:
        """Return the step responses to mark in `panel`."""
        found = [each for each in self.steps if each.device == panel.device]
        return [each for each in found if each.unit == panel.unit and not panel.output]


def make_chart(
    stored: Stored,
    steps: Sequence[StepResponse],
    title: str,
    size: tuple[int, int] | None,
    marks: Sequence[Mark] = (),
) -> Chart:
    """Return the chart of what was read.

    Raises:
        WatlowConfigurationError: There are too many rows of axes, or too many for the size.
    """
    panels = [panel for device in stored.devices for panel in _panels(device, stored.curves)]
    return Chart(
        panels,
        stored.shades,
        _colors(stored),
        steps,
        marks,
        stored.begin_us,
        max(stored.end_us, stored.begin_us + 1_000_000),
        title,
        _size(panels, size),
    )


def _panels(device: str, curves: Sequence[Curve]) -> list[Panel]:
    found: dict[tuple[bool, str, str | None], list[Curve]] = {}
    for curve in sorted(curves, key=_rank):
        if curve.device == device:
            output = curve.parameter in OUTPUTS
            found.setdefault((output, _quantity(curve), curve.unit), []).append(curve)
    panels = [
        Panel(device, ", ".join(filter(None, (what, unit))), unit, tuple(found[key]), key[0])
        for key in sorted(found, key=lambda key: key[0])
        for _, what, unit in [key]
    ]
    return panels or [Panel(device, "no values", None, (), False)]


def _rank(curve: Curve) -> tuple[int, int]:
    usual = (*PROCESS_VALUES, *SETPOINTS, *OUTPUTS)
    return curve.instance, usual.index(curve.parameter) if curve.parameter in usual else len(usual)


def _quantity(curve: Curve) -> str:
    """Return the text at the axis, without the unit."""
    if curve.parameter in OUTPUTS:
        return "output"
    if curve.unit in ("°C", "°F", None) and kind_of(curve.parameter) is Kind.TEMPERATURE:
        return "temperature"
    return "" if curve.unit else curve.label


def _size(panels: Sequence[Panel], size: tuple[int, int] | None) -> tuple[int, int]:
    if len(panels) > MOST_ROWS:
        raise WatlowConfigurationError(
            f"the plot would have {len(panels)} rows of axes; at most {MOST_ROWS} are possible: "
            "choose fewer devices"
        )
    if size is None:
        heights = (OUTPUT_PX if panel.output else MAIN_PX for panel in panels)
        return WIDTH_PX, sum(heights) + MARGIN_PX
    lowest = LOWEST_PX * (len(panels) + 1)
    width, height = size
    if not (NARROWEST_PX <= width <= LARGEST_PX and lowest <= height <= LARGEST_PX):
        raise WatlowConfigurationError(
            f"size={shown(size)}: with {counted(len(panels), 'row')} of axes the width must be "
            f"{NARROWEST_PX} to {LARGEST_PX} and the height {lowest} to {LARGEST_PX}; give a "
            "larger size, or choose fewer devices"
        )
    return width, height


def _colors(stored: Stored) -> dict[str, str]:
    """Return a colour for each label, the same for all controllers."""
    colors: dict[str, str] = {}
    others = 0
    for curve in sorted(stored.curves, key=_rank):
        if curve.label not in colors:
            usual = CURVE_COLORS.get(curve.parameter) if curve.instance == 1 else None
            colors[curve.label] = usual or OTHER_COLORS[others % len(OTHER_COLORS)]
            others += usual is None
    for alarm, palette in ((False, OTHER_GAP_COLORS), (True, ALARM_COLORS)):
        labels = dict.fromkeys(each.label for each in stored.shades if each.alarm is alarm)
        usual_gaps = {} if alarm else GAP_COLORS
        unusual = [label for label in labels if label not in usual_gaps]
        colors |= {label: usual_gaps[label] for label in labels if label in usual_gaps}
        colors |= {label: palette[n % len(palette)] for n, label in enumerate(unusual)}
    return colors


def local(time_us: int) -> datetime:
    """Return a time in the zone of this computer."""
    return datetime.fromtimestamp(time_us // 1_000_000).astimezone()


def zone_of(when: datetime) -> str:
    """Return the name of the zone with its offset: "CEST (UTC+02:00)"."""
    offset = when.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    text = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    name = when.tzname() or ""
    if name == "UTC" or not name.isalpha():  # a zone without a name has "+03"
        return name if name == "UTC" else text
    return f"{name} ({text})"


def zone_change(begin_us: int, end_us: int) -> int | None:
    """Return the first time at which the zone has another offset; None if it does not change."""
    offset = local(begin_us).utcoffset()
    days: list[int] = [*range(begin_us, end_us, DAY_US), end_us]
    same_us = begin_us
    for at_us in days:
        if local(at_us).utcoffset() != offset:
            break
        same_us = at_us
    else:
        return None
    while at_us - same_us > 1_000_000:
        middle_us = (same_us + at_us) // 2
        if local(middle_us).utcoffset() == offset:
            same_us = middle_us
        else:
            at_us = middle_us
    return at_us - at_us % 1_000_000
