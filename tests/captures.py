"""The frames captured from a real PM3: the reference for everything on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class Capture(NamedTuple):
    what: str
    request: bytes
    response: bytes


CAPTURES = [
    Capture(line["what"], bytes.fromhex(line["request"]), bytes.fromhex(line["response"]))
    for line in map(
        json.loads,
        (Path(__file__).parent / "data/captures.jsonl").read_text("utf-8").splitlines(),
    )
]
FRAMES = [frame for capture in CAPTURES for frame in capture[1:]]
