"""The code blocks of the documentation's pages, and a simulated line to run them against.

A page marks a block that cannot run with a comment in the line before it:
`<!-- not run: needs a PostgreSQL server -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from watlowlib.model import ProtocolKind
from watlowlib.simulator import (
    SimulatedBus,
    SimulatedController,
    SimulatedGateway,
    SimulatedSD,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>.*?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```", re.M | re.S
)


class Block(NamedTuple):
    """A code block: its language, its text, its line, and why it is not run ("" if it is)."""

    kind: str
    text: str
    line: int
    not_run: str


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page that have a language."""
    text = page.read_text("utf-8")
    return [
        Block(
            each["kind"], each["text"], text.count("\n", 0, each.start("text")), each["why"] or ""
        )
        for each in _BLOCK.finditer(text)
    ]


def commands(page: Path) -> list[str]:
    """Return the `watlowlib` command lines of a page, without comments."""
    return [
        f"watlowlib {found[1].strip()}"
        for block in blocks(page)
        if block.kind in ("sh", "powershell")
        for line in block.text.replace("\\\n", " ").splitlines()
        if (found := re.search(r"(?:^|bin/)watlowlib ([^#&|;]*)", line))
    ]


@contextmanager
def lines(page: Path) -> Iterator[dict[str, str]]:
    """Run the simulated lines of a page's examples; yield the ports that take the place of theirs.

    `/dev/ttyUSB0` has two controllers on Standard Bus, and over Modbus a PM at address 3 and a
    Series SD at address 4; `/dev/ttyUSB1` has one controller. On the page of the RM family they
    are of that family. `tcp://gateway.lab` has three controllers.
    """
    modbus = SimulatedController(3, protocol=ProtocolKind.MODBUS_RTU)
    first, second = [1, 2, modbus, SimulatedSD(4)], [SimulatedController(1)]
    if page.stem == "family_rm":
        first = [1, SimulatedController(2, family="rmh")]
        second = [SimulatedController(1, family="rmh", protocol=ProtocolKind.MODBUS_RTU)]
    zones: dict[str, Any] = {"gateway_offset": 5000, "offsets": {3: 20000}}
    gateway = SimulatedGateway([1, 2, 3], **zones if page.stem == "gateway" else {})
    with SimulatedBus(first, speed=100.0) as bus, SimulatedBus(second) as other, gateway:
        yield {
            "/dev/ttyUSB0": bus.port,
            "/dev/ttyUSB1": other.port,
            "tcp://gateway.lab": gateway.port,
        }


def runnable(text: str, ports: dict[str, str]) -> str:
    """Return a block with other ports and short durations; nothing else is replaced."""
    for name, port in ports.items():
        text = text.replace(name, port)
    return re.sub(r"\bduration=\d+\.\d+", "duration=0.5", text)
