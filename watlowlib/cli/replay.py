"""`watlowlib replay`: print a capture, with its frames explained field by field. Opens no port."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

import click

from watlowlib._internal.clock import parse_time
from watlowlib._internal.validation import masked
from watlowlib.cli.base import define, json_option
from watlowlib.cli.decode import lines_of, row_of
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.output import json_text, printable
from watlowlib.cli.types import Numbers
from watlowlib.model import ProtocolKind
from watlowlib.protocol.explain import Explainer
from watlowlib.protocol.explanation import Explanation
from watlowlib.protocol.frame_text import PROTOCOLS
from watlowlib.protocol.stdbus.frames import PREAMBLE, address_of
from watlowlib.transport.capture_lines import CaptureLine, read_capture

MOST_JOINED = 4096
"""How many received bytes are explained together."""

DESTINATION = len(PREAMBLE) + 1
"""Where a request on Standard Bus has the address; on Modbus RTU it is the first byte."""

UNIT = 6
"""Where a request on Modbus TCP has it."""


class Entry(NamedTuple):
    """What is printed together: a line, or the bytes that came in several portions."""

    line: CaptureLine
    data: bytes
    address: int | None


class Time(click.ParamType):  # type: ignore[type-arg] # in old versions it has none
    """A date or time; without an offset in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the time."""
        try:
            when = parse_time(value)
        except ValueError:
            raise click.BadParameter(
                f"{masked(value)!r}: give a time such as 2026-05-01T12:00"
            ) from None
        return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


@define(
    "replay",
    short_help="Print a capture, explained.",
    help="Print a capture that --capture or capture= has written, with its frames explained field "
    "by field as in 'decode'. FILE.1 beside FILE is the part before it, and is printed first. "
    "Damaged lines are reported and left out; times without an offset are in UTC. In a test, "
    "ReplayTransport answers from a capture.",
    examples=(
        "watlowlib replay wire.jsonl --port /dev/ttyUSB0 --address 2",
        "watlowlib replay wire.jsonl --since 2026-05-01T12:00 --json",
    ),
)
@click.argument("file")
@click.option("--port", metavar="PORT", help="Only this port.")
@click.option("--address", type=Numbers(), metavar="N,...", help="Only requests to these.")
@click.option("--since", type=Time(), metavar="TIME", help="Such as 2026-05-01T12:00.")
@click.option("--until", type=Time(), metavar="TIME", help="The end, which is not included.")
@json_option
def command(
    file: str,
    port: str | None,
    address: tuple[int, ...] | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Print the entries that the options select."""
    ports: set[str] = set()

    def chosen() -> Iterator[CaptureLine]:
        for line in read_capture(file, lambda message: print(message, file=sys.stderr)):
            ports.update([line.port] if line.port else ())
            named = line.port is None or port in (None, line.port)
            if named and _in_time(line, since, until):
                yield line

    explainers: dict[str | None, Explainer] = {}
    found = False
    for entry in _entries(chosen()):
        line = entry.line
        if address is not None and line.port is not None and entry.address not in address:
            continue
        found = found or line.port is not None
        explainer = explainers.setdefault(line.port, Explainer())
        protocol = PROTOCOLS.get(str(line.fields.get("protocol")), ProtocolKind.AUTO)
        frames = list(explainer.explain(entry.data, protocol)) if entry.data else []
        if as_json:
            print(json_text(_row(entry, frames)))
        else:
            print(*_text(entry, frames), sep="\n")
    if not ports:
        raise CommandError(
            f"{masked(file)} has no bytes of a port: nothing was captured, or not yet", FAILED
        )
    if not found:
        raise CommandError(
            f"{masked(file)} has no such line; its ports are {', '.join(sorted(ports))}", FAILED
        )


def _in_time(line: CaptureLine, since: datetime | None, until: datetime | None) -> bool:
    if since is None and until is None:
        return True
    when = parse_time(line.fields["utc"])
    return (since is None or when >= since) and (until is None or when < until)


def _entries(lines: Iterable[CaptureLine]) -> Iterator[Entry]:
    """Yield the lines with their addresses; the portions that a port received in a row as one."""
    addresses: dict[str | None, int | None] = {}
    joined: dict[str | None, Entry] = {}
    for line in lines:
        before = joined.pop(line.port, None)
        if before is not None:
            if _continues(before, line):
                joined[line.port] = before._replace(data=before.data + line.data)
                continue
            yield before
        if line.what == "sent":
            addresses[line.port] = _address(line)
        entry = Entry(line, line.data, addresses.get(line.port))
        if line.what == "received":
            joined[line.port] = entry
        else:
            yield entry
    yield from joined.values()


def _continues(entry: Entry, line: CaptureLine) -> bool:
    stale = bool(entry.line.fields.get("stale"))
    return (
        line.what == "received"
        and bool(line.fields.get("stale")) == stale
        and len(entry.data) < MOST_JOINED
    )


def _address(line: CaptureLine) -> int | None:
    if line.data.startswith(PREAMBLE):
        place = DESTINATION
    else:
        place = UNIT if line.fields.get("protocol") == ProtocolKind.MODBUS_TCP else 0
    if len(line.data) <= place:
        return None
    return address_of(line.data[place]) if place == DESTINATION else line.data[place]


def _text(entry: Entry, frames: list[Explanation]) -> Iterator[str]:
    line = entry.line
    head = f"{line.fields['utc']} {line.fields['t']:+.6f} s"
    if line.port is not None:
        head += f" {line.port}"
    yield printable(f"{head} {_what(line)}")
    for frame in frames:
        yield from (f"  {each}" for each in lines_of(frame, ""))


def _what(line: CaptureLine) -> str:
    fields = line.fields
    if line.what == "failed":
        return f"{fields.get('call')} failed: {fields.get('error')}: {fields.get('message')}"
    if line.what == "dropped":
        return f"{line.missing}, not written in time"
    if line.what == "timeout":
        return "no more bytes before the timeout"
    if line.what == "start":
        return "the capture begins"
    return f"{line.what} before the next request" if fields.get("stale") else line.what


def _row(entry: Entry, frames: list[Explanation]) -> dict[str, Any]:
    values = {
        "file": entry.line.file.name,
        "line": entry.line.number,
        **entry.line.fields,
        "address": entry.address,
    }
    if entry.data:
        values |= {"raw": entry.data.hex(" "), "frames": list(map(row_of, frames))}
    return values
