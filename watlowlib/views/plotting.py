"""`plot`: reads stored rows and draws them into a file or a window."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from watlowlib._internal.validation import as_bool, as_positive, shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.files import replace
from watlowlib.sinks.reading.query import Names, When, make_query
from watlowlib.sinks.reading.samples import StoredSamples, read_samples
from watlowlib.views import matplotlib_plot, plotly_plot
from watlowlib.views.curves import (
    ALARMS,
    COLUMNS,
    DRAWN,
    PROCESS_VALUES,
    SETPOINTS,
    Stored,
    read_curves,
    split,
)
from watlowlib.views.layout import LARGEST_PX, WIDTH_PX, Chart, local, make_chart
from watlowlib.views.marks import read_marks
from watlowlib.views.responses import BAND, responses_of
from watlowlib.views.steps import StepResponse

Source: TypeAlias = "str | os.PathLike[str] | StoredSamples"

MEASURED = (PROCESS_VALUES[0], *SETPOINTS)

WRITERS: dict[str, Callable[[], Callable[[Chart, Path], None]]] = {
    ".png": matplotlib_plot.writer,
    ".svg": matplotlib_plot.writer,
    ".pdf": matplotlib_plot.writer,
    ".html": plotly_plot.writer,
}
"""By extension, what checks the packages and returns the function that writes a chart."""


def plot(
    source: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    devices: Names = None,
    parameters: Names = None,
    since: When = None,
    until: When = None,
    table: str = "samples",
    size: tuple[int, int] | None = None,
    title: str = "",
    step: bool = False,
    band: float = BAND,
) -> list[StepResponse]:
    """Draw the process values, set points and outputs of a recording over local time.

    Each controller has a row of axes for each unit, and one for its outputs. Gaps are shaded
    with their status, alarms (9009) too if they are recorded. A value whose status is not "ok" is
    a gap. Events are marked, if they are stored.

    Args:
        source: A file, folder, pattern or URL as for `read_samples`, or what it returned.
        output: The file, which is replaced if it exists: `.png`, `.svg`, `.pdf`, or `.html` for
            an interactive page that needs no network. None shows a window.
        devices: One or several names of devices.
        parameters: One or several parameters, names as recorded or numbers, instead of process
            values, set points and outputs.
        since: The first time, as for `read_samples`.
        until: The end of the times, which is not included.
        table: The table in a SQLite file or a database.
        size: The width and height in pixels; 100 are an inch.
        title: The title.
        step: Whether to mark the response of each loop to its largest set point change.
        band: Half the width of the band in which a response is settled, as a part of the change
            of the set point.

    Returns:
        The step responses; empty without `step`.

    Raises:
        WatlowConfigurationError: An argument is invalid, an unknown extension, or nothing to
            draw.
        WatlowSinkError: A file cannot be read or written, a package is not installed, or no
            output was given and there is no display.
    """
    write = _writer(output)
    size = _checked_size(size)
    chosen = _Chosen(source, table, devices, parameters, since, until)
    stored = read_curves(chosen.samples((*DRAWN, *ALARMS)), (size or (WIDTH_PX, 0))[0])
    chosen.check(stored)
    steps = []
    if as_bool("step", step):
        chosen = _Chosen(source, table, devices, None, since, until)
        steps = responses_of(chosen.samples(MEASURED), _checked_band(band))
    marks = read_marks(chosen.files, stored.begin_us, stored.end_us)
    write(make_chart(stored, steps, title, size, marks))
    return steps


def step_response(
    source: Source,
    *,
    devices: Names = None,
    since: When = None,
    until: When = None,
    table: str = "samples",
    band: float = BAND,
) -> list[StepResponse]:
    """Return how each loop responds to its largest set point change in the time chosen.

    Of equal changes it is the last. The response lasts until the next change or the last row.
    Loops whose set point does not change are left out.

    Args:
        source: As for `plot`, and so are `devices`, `since`, `until` and `table`.
        devices: One or several names of devices.
        since: The first time.
        until: The end of the times, which is not included.
        table: The table in a SQLite file or a database.
        band: Half the width of the band in which a response is settled, as a part of the change
            of the set point.

    Raises:
        WatlowConfigurationError: An argument is invalid.
        WatlowSinkError: A file cannot be read.
    """
    chosen = _Chosen(source, table, devices, None, since, until)
    return responses_of(chosen.samples(MEASURED), _checked_band(band))


class _Chosen:
    """The rows that were asked for."""

    def __init__(
        self,
        source: Source,
        table: str,
        devices: Names,
        parameters: Names,
        since: When,
        until: When,
    ) -> None:
        filters = {"devices": devices, "parameters": parameters, "since": since, "until": until}
        given = [name for name, value in filters.items() if value is not None]
        if isinstance(source, StoredSamples):
            if given:
                raise WatlowConfigurationError(
                    f"{source!r} selects its rows itself: give {', '.join(given)} to read_samples"
                )
            self._all = self._rows = source
            self._wanted: list[str | int] = []
        else:
            self._all = read_samples(source, table=table)
            query = make_query(devices, parameters, since, until, None)
            names = query.parameters and (*query.parameters, *ALARMS)
            self._rows = read_samples(
                source,
                table=table,
                device=query.devices,
                parameter=names,
                since=query.since,
                until=query.until,
            )
            self._wanted = [*(query.devices or ()), *query.parameter_names]

    @property
    def files(self) -> list[str]:
        """The paths and URLs of what is read."""
        return self._rows.files

    def samples(self, parameters: tuple[str, ...]) -> StoredSamples:
        """Return the rows with the columns needed, of `parameters` unless others were chosen."""
        return self._rows.narrowed(COLUMNS, parameters)

    def check(self, stored: Stored) -> None:
        """Check that everything that was asked for was found.

        Raises:
            WatlowConfigurationError: It was not; the message says what there is.
        """
        missing = [
            each for each in self._wanted if each not in (*stored.devices, *stored.parameters)
        ]
        if stored.drawable and not missing:
            return
        what = ", ".join(map(repr, missing)) or "process values, set points and outputs"
        raise WatlowConfigurationError(f"nothing to draw of {what}: {_contents(self._all)}")


def _contents(samples: StoredSamples) -> str:
    """Return the devices, parameters and times in `samples` as text."""
    devices: dict[str, None] = {}
    parameters: dict[str, None] = {}
    times: list[Any] = []
    for table in samples.narrowed(COLUMNS, ()).tables():
        for (device, parameter, _), rows in split(table):
            devices[device] = parameters[parameter] = None
            times = [min([*times[:1], rows.times.min()]), max([*times[1:], rows.times.max()])]
    if not devices:
        return (
            f"{samples!r} has no rows to draw: they need a device, a parameter, a time, and a "
            "number or no value"
        )
    first, last = (local(int(each)).isoformat(" ", "seconds") for each in times)
    return (
        f"the devices are {', '.join(devices)}; the parameters {', '.join(parameters)}; "
        f"the times {first} to {last}"
    )


def _writer(output: str | os.PathLike[str] | None) -> Callable[[Chart], None]:
    """Return the function that draws a chart into `output`, before anything is read."""
    if output is None:
        return matplotlib_plot.window()
    path = Path(output)
    save = WRITERS.get(path.suffix.lower())
    if save is None:
        raise WatlowConfigurationError(
            f"{shown(output)}: the extension selects the format; known are {', '.join(WRITERS)}"
        )
    if not path.absolute().parent.is_dir():
        raise WatlowSinkError(f"{path} could not be written: there is no folder {path.parent}")
    return partial(_save, save(), path)


def _save(write: Callable[[Chart, Path], None], path: Path, chart: Chart) -> None:
    """Write the file under another name, and rename it when it is complete."""
    new = path.with_name(f"_{path.stem}.new{path.suffix}")
    try:
        write(chart, new)
        replace(new, path)
    except OSError as error:
        raise WatlowSinkError(f"{path} could not be written: {error}") from error
    finally:
        with suppress(OSError):
            new.unlink()


def _checked_size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    if (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(each, int) and 0 < each <= LARGEST_PX for each in size)
    ):
        return size
    raise WatlowConfigurationError(
        f"size={shown(size)}: give the width and the height in pixels, such as (1280, 800), "
        f"at most {LARGEST_PX}"
    )


def _checked_band(band: float) -> float:
    return as_positive("band", band, 1.0, "a part of the change of the set point")
