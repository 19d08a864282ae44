"""Packs what a bug report needs into a zip file, without secrets: `write_bundle`."""

from __future__ import annotations

import io
import json
import logging
import os
import platform
import zipfile
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from watlowlib._internal.validation import shown
from watlowlib._version import __version__
from watlowlib.diagnosis.findings import Finding, text_of
from watlowlib.diagnosis.redact import Redactor
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.rig.load import read_toml
from watlowlib.transport.capture_lines import read_capture

PACKAGES = (
    "watlowlib-threaded",
    "pyserial",
    "minimalmodbus",
    "click",
    "rich",
    "pydantic",
    "pyarrow",
    "psycopg",
    "psycopg_pool",
    "pandas",
    "polars",
    "xlsxwriter",
)
MOST_LINES = 50_000
"""How many lines of the log are kept, the last ones."""


class RunLog(logging.Handler):
    """Keeps the log of the library with every frame, in a `with` block.

    Other handlers get what they got before.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        self._log = logging.getLogger("watlowlib")
        self._before = (self._log.level, self._log.propagate)
        self._level = self._log.getEffectiveLevel()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, and pass it on if it would have been logged without this handler."""
        self.lines.append(self.format(record))
        if record.levelno >= self._level and self._log.parent is not None:
            self._log.parent.handle(record)

    def __enter__(self) -> RunLog:
        self._log.addHandler(self)
        self._log.setLevel(logging.DEBUG)
        self._log.propagate = False
        return self

    def __exit__(self, *error: object) -> None:
        self._log.removeHandler(self)
        self._log.level, self._log.propagate = self._before
        self._log.setLevel(self._log.level)  # empties the cache of `isEnabledFor`


def check_bundle_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a new bundle.

    Raises:
        WatlowConfigurationError: It exists already, or its folder does not.
    """
    file = Path(path)
    if file.exists():
        raise WatlowConfigurationError(f"{shown(path)} exists already; give another name")
    if not file.absolute().parent.is_dir():
        raise WatlowConfigurationError(f"{shown(path)}: its folder does not exist; make it first")
    return file


def write_bundle(
    path: str | os.PathLike[str],
    findings: Iterable[Finding],
    *,
    log: Iterable[str] = (),
    settings: Mapping[str, Any] | None = None,
    rig_file: str | os.PathLike[str] | None = None,
    capture: str | os.PathLike[str] | None = None,
) -> None:
    """Write a zip file with versions, settings, findings, identities, counters, log and a capture.

    Passwords, and the names of the user, the home folder and the computer are replaced.

    Args:
        path: The file, which must not exist.
        findings: What `examine` has found.
        log: The lines of a log, such as `RunLog.lines`.
        settings: With which arguments the findings were made.
        rig_file: A rig file; its contents are packed as JSON, without comments.
        capture: A capture, such as that of `examine`; if there is no such file, none is packed.

    Raises:
        WatlowConfigurationError: The file exists, or its folder does not.
        WatlowError: The file could not be written.
    """
    file, known = check_bundle_path(path), list(findings)
    values = {
        "versions": versions(),
        "settings": dict(settings or {}),
        "findings": [asdict(each) for each in known],
        "identity": [_details(each) for each in known if each.check == "controller"],
        "counters": [_details(each) for each in known if each.check == "replies"],
    }
    if rig_file is not None:
        values["rig"] = _rig(rig_file)
    redactor = Redactor()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in values.items():
            text = json.dumps(redactor.value(value), indent=2, ensure_ascii=False)
            archive.writestr(f"{name}.json", text)
        lines = "\n".join(text_of(each, known[:at]) for at, each in enumerate(known))
        archive.writestr("findings.txt", redactor.text(lines))
        archive.writestr("log.txt", redactor.text("\n".join(log)))
        if capture is not None and Path(capture).exists():
            archive.writestr("wire.jsonl", _capture(capture, redactor))
    try:
        with file.open("xb") as target:
            target.write(buffer.getvalue())
    except OSError as error:
        raise WatlowError(f"{shown(path)} could not be written: {error.strerror}") from error


def versions() -> dict[str, str | None]:
    """Return the versions of Python, the system and the packages; None for a missing package."""
    known: dict[str, str | None] = {
        "watlowlib": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.platform(),
    }
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = None
    return known


def _details(finding: Finding) -> dict[str, Any]:
    return {"subject": finding.subject, **finding.details}


def _capture(path: str | os.PathLike[str], redactor: Redactor) -> str:
    """Return the lines of a capture; its bytes in hex may look like a name, and stay."""
    lines = (
        json.dumps(
            {
                key: each if key == "raw" else redactor.value(each)
                for key, each in line.fields.items()
            }
        )
        for line in read_capture(path)
    )
    return "".join(f"{line}\n" for line in lines)


def _rig(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        return read_toml(Path(path))
    except WatlowConfigurationError as error:
        return {"error": error.message}
