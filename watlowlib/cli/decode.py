"""`watlowlib decode`: explain frames field by field. Opens no port."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.output import json_text
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.model.text import counted
from watlowlib.protocol.explain import Explainer
from watlowlib.protocol.explanation import Explanation, Field, Match, text_of
from watlowlib.protocol.frame_text import PROTOCOLS, FrameText, frames_of

NAMES = {
    None: "Unknown protocol",
    "stdbus": "Standard Bus",
    "modbus_rtu": "Modbus RTU",
    "modbus_tcp": "Modbus TCP",
}
MOST_SHOWN = 32
"""Of a longer field, only this many bytes are printed."""


@define(
    "decode",
    short_help="Explain a frame field by field.",
    help="Explain frames of Standard Bus or Modbus field by field, with the parameters that "
    "they name. FRAME is hex, a file, or - for standard input. A line of a file is hex with or "
    "without blanks, colons or 0x, a line that -vv has printed, or a JSON object with request and "
    "response. Ends with code 1 if a frame is damaged.",
    examples=(
        'watlowlib decode "55 FF 05 10 00 00 06 E8 01 03 01 04 01 01 E3 99"',
        "watlowlib decode frames.txt --protocol modbus_rtu --json",
    ),
)
@click.argument("frame", nargs=-1, required=True)
@click.option(
    "--protocol",
    type=click.Choice(list(PROTOCOLS)),
    help="[default: by the preamble 55 FF, a valid Modbus CRC or the head of Modbus TCP]",
)
@json_option
def command(frame: tuple[str, ...], protocol: str | None, as_json: bool) -> None:
    """Explain the frames; raise `CommandError` if one is damaged or there is none."""
    explainer = Explainer(ProtocolKind(protocol) if protocol else ProtocolKind.AUTO)
    explained = damaged = 0
    for number, text in _frames(frame):
        for each in explainer.explain(*text):
            if as_json:
                print(json_text({"line": number, **row_of(each)}))
            else:
                where = "" if number is None else f"line {number}: "
                print(*[""] * bool(explained), *lines_of(each, where), sep="\n")
            explained += 1
            damaged += bool(each.problems)
    if damaged:
        count = "the frame is" if explained == 1 else f"{damaged} of {explained} frames are"
        raise CommandError(f"{count} damaged", FAILED)


def _frames(words: tuple[str, ...]) -> Iterator[tuple[int | None, FrameText]]:
    """Yield each frame with its line; None for one of the command line."""
    if words == ("-",):
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")
        yield from _frames_in(sys.stdin, "standard input")
    elif len(words) == 1 and _exists(words[0]):
        try:
            with Path(words[0]).open(encoding="utf-8", errors="replace") as file:
                yield from _frames_in(file, words[0])
        except OSError as error:
            raise WatlowConfigurationError(
                f"{words[0]} cannot be read: {error.strerror}; give a text file with frames"
            ) from error
    else:
        for text in _frames_given(" ".join(words)):
            yield None, text


def _exists(word: str) -> bool:
    try:
        return bool(word) and Path(word).exists()
    except (OSError, ValueError):  # hex may be too long for a path
        return False


def _frames_given(text: str) -> list[FrameText]:
    found = frames_of(text)
    if not found:
        raise WatlowConfigurationError(
            f"{shown(text[:80])} is neither a file nor a frame; give hex such as "
            "'55 FF 05 10 ...', or the name of a file with frames"
        )
    return found


def _frames_in(file: TextIO, name: str) -> Iterator[tuple[int, FrameText]]:
    """Yield the frames of a file.

    Raises:
        CommandError: A line is not hex up to its end, or the file has no frame.
    """
    frames = unknown = 0
    broken: list[str] = []
    for number, line in enumerate(file, 1):
        try:
            found = frames_of(line)
        except WatlowConfigurationError as error:
            broken.append(f"line {number}: {error.message}")
            continue
        unknown += found is None
        for text in found or ():
            frames += 1
            yield number, text
    if broken:
        more = f", and {counted(len(broken) - 1, 'more such line')}" if len(broken) > 1 else ""
        raise CommandError(f"{name}, {broken[0]}{more}", FAILED)
    if not frames:
        raise CommandError(f"{name} has no line with a frame, such as 55 FF 05 10 ...", FAILED)
    if unknown:
        print(f"{counted(unknown, 'line')} without a frame skipped", file=sys.stderr)


def lines_of(frame: Explanation, where: str) -> Iterator[str]:
    """Yield the lines that explain a frame; the first one begins with `where`."""
    yield f"{where}{NAMES[frame.protocol]}, {frame.kind}, {counted(len(frame.data), 'byte')}"
    for field in frame.fields:
        yield f"  {field.name:<14} {_hex(field.data):<17} {_meaning(field)}".rstrip()
        if frame.protocol and frame.protocol.is_modbus:  # elsewhere the meaning has the name
            for match in field.matches:
                yield f"{'':<34} {match_text(match)}"


def _hex(data: bytes) -> str:
    if len(data) <= MOST_SHOWN:
        return data.hex(" ")
    return f"{data[:MOST_SHOWN].hex(' ')} ... ({counted(len(data), 'byte')})"


def _meaning(field: Field) -> str:
    problem = f"DAMAGED: {field.problem}" if field.problem else ""
    return "; ".join(filter(None, (field.meaning, problem)))


def match_text(match: Match) -> str:
    """Return a parameter that a register may hold, with its value."""
    text = f"{place_text(match)}: {name_text(match)}"
    if match.value is None:
        return text
    order = f", {match.word_order}" if match.word_order else ""
    return f"{text} = {text_of(match.value, match.label)}{order}"


def name_text(match: Match) -> str:
    """Return the number, name and instance of a parameter."""
    return f"{match.parameter_id} {match.parameter}, instance {match.instance}"


def place_text(match: Match) -> str:
    """Return the data maps in which a register holds the parameter."""
    if match.family is ControllerFamily.SD:
        return "Series SD"
    return f"map {' and '.join(map(str, match.data_maps))}"


def row_of(frame: Explanation) -> dict[str, Any]:
    """Return a frame as `--json` prints it."""
    return {
        "protocol": frame.protocol,
        "kind": frame.kind,
        "data": frame.data.hex(" "),
        "problems": frame.problems,
        "fields": [asdict(field) | {"data": field.data.hex(" ")} for field in frame.fields],
    }
