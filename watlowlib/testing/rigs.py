"""A copy of a rig file whose ports are simulated: `rig`."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind
from watlowlib.rig.load import load_rig, read_toml
from watlowlib.rig.values import Rig
from watlowlib.simulator.rig import simulated_controllers
from watlowlib.sinks.choose import URLS
from watlowlib.testing.simulated import TestBus


@dataclass(frozen=True)
class TestRig:
    """A rig file with simulated ports.

    Attributes:
        file: The copy of the rig file, with the simulated ports.
        lines: The simulated line of each port that has controllers, by the port's name.
    """

    __test__ = False  # pytest collects classes whose names begin with Test
    file: Path
    lines: Mapping[str, TestBus]

    def advance(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
        """Let all ovens run for this time; the time of the program does not change."""
        for line in self.lines.values():
            line.advance(hours=hours, minutes=minutes, seconds=seconds)


@contextmanager
def rig(
    file: str | os.PathLike[str],
    *,
    sinks: Iterable[str | os.PathLike[str]] | None = None,
    speed: float = 0.0,
    folder: str | os.PathLike[str] | None = None,
) -> Iterator[TestRig]:
    """Simulate the ports of a rig file; the file stays as it is, and a copy has the new ports.

    Args:
        file: The rig file.
        sinks: The files to record to, in place of the sinks in the file. Relative paths are in the
            folder of the copy.
        speed: Speed of the ovens' time relative to real time; with 0, only `advance` moves it.
        folder: The folder for the copy; None for a temporary one, removed at the end.

    Raises:
        WatlowConfigurationError: The file has problems, or a database as a sink, or a port of
            Modbus TCP.
    """
    original = load_rig(file)
    _check_ports(original)
    document = read_toml(original.path)
    _replace_sinks(document, original, sinks)
    _replace_captures(document, original)
    place = Path(folder if folder is not None else tempfile.mkdtemp(prefix="watlowlib-"))
    try:
        with ExitStack() as stack:
            lines = {
                name: stack.enter_context(TestBus(controllers, speed=speed))
                for name, controllers in simulated_controllers(original).items()
            }
            for name, line in lines.items():
                document["ports"][name]["port"] = _literal(line.port)
            copy = place / original.path.name
            copy.write_text(_toml_document(document), "utf-8")
            checked = load_rig(copy)
            for each in (
                *(sink.url for sink in checked.record.sinks if not sink.url.startswith(URLS)),
                *(port.capture for port in checked.ports.values() if port.capture),
            ):
                Path(each).parent.mkdir(parents=True, exist_ok=True)
            yield TestRig(copy, lines)
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _check_ports(original: Rig) -> None:
    for name, controller in original.controllers.items():
        if controller.zone is not None or controller.offset is not None:
            raise WatlowConfigurationError(
                f"{original.path}: controllers.{name} is a zone of a gateway, which a rig for "
                "tests does not have; test it with SimulatedGateway, or on a serial line with "
                "SimulatedZones, of watlowlib.simulator"
            )
    for name in {each.port for each in original.controllers.values()}:
        if original.ports[name].protocol is ProtocolKind.MODBUS_TCP:
            raise WatlowConfigurationError(
                f"{original.path}: ports.{name} is Modbus TCP, and a rig for tests has "
                "serial lines only; test it with watlowlib.simulator.SimulatedGateway"
            )


def _replace_sinks(
    document: dict[str, Any], original: Rig, sinks: Iterable[str | os.PathLike[str]] | None
) -> None:
    """Let every sink of a rig write a file in the folder of the rig."""
    if sinks is not None:
        if isinstance(sinks, (str, os.PathLike)):
            raise WatlowConfigurationError(f'sinks={shown(sinks)}: give a list: ["run.sqlite"]')
        urls = [{"url": _literal(os.fspath(each))} for each in sinks]
        document.setdefault("record", {})["sinks"] = urls
        return
    names: set[str] = set()
    for table, sink in zip(document.get("record", {}).get("sinks", ()), original.record.sinks):
        if sink.url.startswith(URLS):
            raise WatlowConfigurationError(
                f"{original.path} records to {shown(sink.url)}, which would receive simulated "
                'values; give files in its place: sinks=["run.sqlite"]'
            )
        name = _name_in_copy(Path(sink.url), original.path.parent)
        table["url"] = _literal(f"{len(names)}-{name}" if name in names else name)
        names.add(name)


def _replace_captures(document: dict[str, Any], original: Rig) -> None:
    """Let every capture of a rig be a file in the folder of the rig."""
    for name, port in original.ports.items():
        if port.capture:
            inside = _name_in_copy(Path(port.capture), original.path.parent)
            document["ports"][name]["capture"] = _literal(inside)


def _name_in_copy(path: Path, folder: Path) -> str:
    """Return the relative path of a file in `folder`, the name of a file elsewhere."""
    inside = path.is_relative_to(folder) and ".." not in path.parts
    return path.relative_to(folder).as_posix() if inside else path.name


def _literal(text: str) -> str:
    """Return a text of a rig file that has no variables."""
    return text.replace("$", "$$")


def _toml_document(document: Mapping[str, Any]) -> str:
    return "".join(f"{_toml(key)} = {_toml(value)}\n" for key, value in document.items())


def _toml(value: object) -> str:
    """Return a value as TOML, tables on one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_toml(key)} = {_toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, (date, time)) else repr(value)
