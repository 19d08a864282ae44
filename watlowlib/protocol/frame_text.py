"""Reads frames from a line of text: hex, the log of frames, or a JSON object."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind
from watlowlib.protocol import trace

JSON_KEYS = ("request", "response", "reply", "frame", "raw")
"""The keys of a JSON object that have a frame in hex, in the order of the wire."""

PROTOCOLS = {str(kind): kind for kind in ProtocolKind if kind is not ProtocolKind.AUTO}

_SEPARATORS = re.compile(r"[\s:,]+|0x|\\x", re.IGNORECASE)
_BYTES = re.compile(r"(?:[0-9a-f]{2})+", re.IGNORECASE)


class FrameText(NamedTuple):
    """Bytes from a line, and their protocol; AUTO where the line does not name it."""

    data: bytes
    protocol: ProtocolKind = ProtocolKind.AUTO


def frames_of(line: str) -> list[FrameText] | None:
    """Return the frames in a line: none in a blank one or a comment, None for another text.

    A comment begins with # or ;.

    Raises:
        WatlowConfigurationError: The line begins with hex, and not all of it is.
    """
    text = re.split("[#;]", line, maxsplit=1)[0].strip()
    if text.startswith("{"):
        return _from_json(line)
    if not text:
        return []
    logged = trace.bytes_of(line.rstrip())
    if logged is not None:
        return [FrameText(logged)] if logged else []
    words = [word for word in _SEPARATORS.split(text) if word]
    if not words or not _BYTES.fullmatch(words[0]):
        return None
    for word in words:
        if not _BYTES.fullmatch(word):
            raise WatlowConfigurationError(f"{shown(word[:40])} is not hex; give two digits a byte")
    return [FrameText(bytes.fromhex("".join(words)))]


def _from_json(line: str) -> list[FrameText] | None:
    try:
        found: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        return None
    protocol = PROTOCOLS.get(str(found.get("protocol")), ProtocolKind.AUTO)
    return [
        FrameText(each.data, protocol)
        for key in JSON_KEYS
        if isinstance(found.get(key), str)
        for each in frames_of(found[key]) or ()
    ]
