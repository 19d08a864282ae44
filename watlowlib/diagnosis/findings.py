"""The result of one check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watlowlib.model import TextEnum


class Result(TextEnum):
    """What a check has shown."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Finding:
    """What one check has found.

    Attributes:
        check: What was checked, such as "latency timer".
        subject: The port, or the port with the address of a controller.
        result: Whether it is in order.
        found: What was found.
        advice: What to do; empty if there is nothing to do.
        details: Figures and settings as JSON types.
    """

    check: str
    subject: str
    result: Result
    found: str
    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        text = f"  {self.result:<9}  {self.check}: {self.found}"
        return f"{text}\n{'':13}{self.advice}" if self.advice else text


def text_of(finding: Finding, before: Finding | None) -> str:
    """Return the lines of a finding, below its subject if the finding before had another one."""
    if before is not None and before.subject == finding.subject:
        return str(finding)
    return f"{finding.subject}\n{finding}"
