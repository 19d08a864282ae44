"""The result of one check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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


def text_of(finding: Finding, before: Sequence[Finding]) -> str:
    """Return the lines of a finding, below its subject if the finding before had another one.

    Advice that a finding before had is not repeated.
    """
    if finding.advice and finding.advice in {each.advice for each in before}:
        text = str(replace(finding, advice="the advice is the same as above"))
    else:
        text = str(finding)
    new = not before or before[-1].subject != finding.subject
    return f"{finding.subject}\n{text}" if new else text
