"""Makes the pictures of the README and of these pages, from simulated ovens.

    python docs/make_pictures.py

It needs `pip install -e ".[test]"`, and Chromium for the live page, which stays as it is without.
The ovens are 10 times as fast as real ones, and so is the time of the pictures.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from watlowlib import AcquisitionSummary, Sample, SinkReport, WatlowManager, open_sink, record
from watlowlib.cli.tracks import Track
from watlowlib.cli.view import Output, ViewState, draw
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.views import plot
from watlowlib.views.web.board import Board
from watlowlib.views.web.live import SinkState, health_of, points_of
from watlowlib.views.web.page import WebPage

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
PLOT, LIVE_PAGE, TERMINAL = "plot.png", "live_page.png", "terminal.svg"

SPEED = 10.0
RATE_HZ, SECONDS = 2.0, 30.0
PARAMETERS = ["process_value", "setpoint", "output_power"]
FILE = "run.sqlite"


def recorded() -> tuple[list[Sample], AcquisitionSummary]:
    """Return five minutes of two ovens: a set point changes, and one oven is off for a while."""
    ovens = [SimulatedController(1, setpoint=150.0), SimulatedController(2, setpoint=120.0)]
    samples: list[Sample] = []
    with SimulatedBus(ovens, speed=SPEED) as bus, WatlowManager() as mgr:
        for address, name in ((1, "oven_top"), (2, "oven_bot")):
            mgr.add(name, bus.port, address=address, temperature_unit="F", timeout_s=0.2)
        with record(mgr, parameters=PARAMETERS, rate_hz=RATE_HZ, duration=SECONDS) as stream:
            for batch in stream:
                samples += batch
                tick = batch[0].tick
                if tick == 20:
                    bus.controllers[1].set("setpoint", 200.0)
                if tick == 34:
                    bus.power_off(2)
                if tick == 40:
                    bus.power_on(2)
    last = samples[-1].received_at

    def scaled(when: datetime) -> datetime:
        return last - SPEED * (last - when)

    times = ("requested_at", "received_at", "midpoint_at", "scheduled_at")
    return [
        replace(each, **{name: scaled(getattr(each, name)) for name in times}) for each in samples
    ], stream.summary


def make_plot(samples: list[Sample]) -> None:
    """Draw the rows of a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        with open_sink(path) as sink:
            sink.write_many(samples)
        plot(path, PICTURES / PLOT, size=(1000, 720))
    compress(PICTURES / PLOT)


def make_terminal(samples: list[Sample], summary: AcquisitionSummary) -> None:
    """Draw the screen of `watlowlib record`."""
    tracks: dict[tuple[str, str], Track] = {}
    for each in samples:
        key = (each.device, each.parameter)
        if key in tracks:
            tracks[key].add(each)
        else:
            tracks[key] = Track(each)
    rows = [track.row() for track in tracks.values()]
    outputs = [Output(SinkReport(FILE, len(samples), 0))]
    console = Console(record=True, width=100, file=StringIO(), force_terminal=True)
    console.print(draw(ViewState(summary, rows, outputs), 100, None))
    console.print()  # the picture cuts the lower edge of its last line
    without_fonts = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(
        title="watlowlib record", theme=MONOKAI, code_format=without_fonts, unique_id="terminal"
    )
    (PICTURES / TERMINAL).write_text(svg.replace("Fira Code, ", ""), "utf-8")


def make_live_page(samples: list[Sample], summary: AcquisitionSummary) -> None:
    """Draw the live page with Chromium."""
    sys.path.insert(0, str(ROOT))
    from tests.views.web.browser import browser, chromium

    if chromium() is None:
        print(f"there is no Chromium: {LIVE_PAGE} stays as it is", file=sys.stderr)
        return
    points = list(points_of(samples))
    board = Board(FILE, live=True, clock=lambda: points[-1].seen_s + 0.1)
    board.add(points)
    with WebPage(board, port=0) as page, browser() as tab:
        page.publish(health_of(summary, [SinkState(FILE, len(samples), 0, 0)], ended=False))
        tab.show(1000, 620)
        tab.open(page.url)
        # The trends are there when the one of the second oven shows its gap.
        tab.wait_for("""document.querySelector('canvas[aria-label*="with 1 gap"]') !== null""")
        tab.wait_for("""document.querySelector("#connection").textContent === "Live\"""")
        tab.screenshot(PICTURES / LIVE_PAGE)
    compress(PICTURES / LIVE_PAGE)


def compress(path: Path) -> None:
    """Write a PNG again with at most 128 colours."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(128).save(path, optimize=True)


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    samples, summary = recorded()
    make_plot(samples)
    make_terminal(samples, summary)
    make_live_page(samples, summary)


if __name__ == "__main__":
    main()
