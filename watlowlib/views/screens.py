"""Places where a chart is redrawn: a window of a script, or the output of a notebook."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from typing import Any, Protocol

from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.views.layout import NARROWEST_PX, Chart
from watlowlib.views.matplotlib_plot import DPI, draw, new_figure


class Screen(Protocol):
    """What shows charts; all calls are made by one thread."""

    def show(self, chart: Chart) -> None:
        """Draw `chart` in place of the one before."""

    def refresh(self) -> bool:
        """Handle what the user did; return False when there is nothing to draw on any more."""


class Window:
    """A window of matplotlib.

    Raises:
        WatlowSinkDependencyError: matplotlib is not installed.
        WatlowSinkError: There is no display, or this is not the main thread.
    """

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise WatlowSinkError("only the main thread can draw a window: call live there")
        self._pyplot = import_optional("matplotlib.pyplot")
        self._figure = new_figure(
            "there is no display for a window: write with pipe(stream, ...) and draw the file "
            "with plot afterwards, or record with 'watlowlib record --web 8080' and open the page"
        )
        self._panels = 0

    def show(self, chart: Chart) -> None:
        """Draw `chart`; the user's size of the window stays while the number of axes does."""
        figure = self._figure
        if len(chart.panels) != self._panels:
            self._panels = len(chart.panels)
            figure.set_size_inches([each / DPI for each in chart.size])
            figure.canvas.manager.show()
        width, height = (round(each * DPI) for each in figure.get_size_inches())
        figure.clear()
        draw(figure, replace(chart, size=(max(width, NARROWEST_PX), height)))
        figure.canvas.draw()
        figure.canvas.flush_events()

    def refresh(self) -> bool:
        """Handle events of the window; return False when the user has closed it."""
        if not self._pyplot.fignum_exists(self._figure.number):
            return False
        self._figure.canvas.flush_events()
        return True


class Notebook:
    """One output of a cell in Jupyter, which is replaced.

    Raises:
        WatlowSinkDependencyError: matplotlib is not installed.
    """

    def __init__(self) -> None:
        self._figure = import_optional("matplotlib.figure").Figure()
        self._display = import_module("IPython.display")
        self._handle: Any = None

    def show(self, chart: Chart) -> None:
        """Draw `chart` as a PNG."""
        self._figure.clear()
        self._figure.set_size_inches([each / DPI for each in chart.size])
        draw(self._figure, chart)
        png = BytesIO()
        self._figure.savefig(png, format="png", dpi=DPI)
        image = self._display.Image(png.getvalue())
        if self._handle is None:
            self._handle = self._display.display(image, display_id=True)
        else:
            self._handle.update(image)

    def refresh(self) -> bool:
        """Return True: an output stays."""
        return True


def open_screen() -> Screen:
    """Return the output of the notebook in which this runs, or a new window.

    Raises:
        WatlowSinkDependencyError: matplotlib is not installed.
        WatlowSinkError: There is no display.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return Window() if getattr(shell, "kernel", None) is None else Notebook()
