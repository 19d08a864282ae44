"""Read a rig file: `load_rig`.

The file is parsed, then the names of environment variables are replaced, then each value is
checked by its model (`watlowlib.rig.model`), then what concerns several values
(`watlowlib.rig.checks`). All problems of these steps are reported together.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watlowlib._internal.validation import check_storable, shown
from watlowlib.devices.factory import default_protocol
from watlowlib.errors import WatlowConfigurationError
from watlowlib.rig.checks import check_rig
from watlowlib.rig.problems import Place, Problems, key_text
from watlowlib.rig.rule_checks import check_rules
from watlowlib.rig.values import (
    FrozenMapping,
    Rig,
    RigController,
    RigPort,
    RigRecord,
    RigSink,
    located_port,
)
from watlowlib.rules.rule import Rule, RuleWrite
from watlowlib.sinks.choose import URLS

if TYPE_CHECKING:
    from watlowlib.rig.model import PortTable, RecordTable, RigTable, RuleTable, SinkTable

_VARIABLE = re.compile(r"\$\$|\$\{(?:(\w+)\})?")


def load_rig(path: str | os.PathLike[str]) -> Rig:
    """Return the contents of a rig file; nothing is opened.

    Relative paths in the file are relative to its folder. `${NAME}` in a text is the value of an
    environment variable, and `$$` is `$`. `docs/rig.md` describes the keys.

    Raises:
        WatlowConfigurationError: The file cannot be read, is not TOML, or has problems: all of
            them, one per line, with the file and the key.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WatlowConfigurationError(f"path={shown(path)}: give a file, such as 'rig.toml'")
    from watlowlib.rig.model import check_tables  # pydantic is loaded only where it is used

    file = Path(path).absolute()
    problems = Problems(file)
    document = _expanded(read_toml(file), (), problems)
    rig = _rig(file, check_tables(document, problems))
    check_rig(rig, document, problems)
    check_rules(rig, document, problems)
    problems.check()
    return rig


def read_toml(file: Path) -> dict[str, Any]:
    """Return the tables of a rig file as they are written.

    Raises:
        WatlowConfigurationError: The file cannot be read, or is not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise WatlowConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WatlowConfigurationError(
            f"{file}: not UTF-8 at byte {error.start}; save the file as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise WatlowConfigurationError(f"{file}: not valid TOML: {error}") from error


def _expanded(given: Any, place: Place, problems: Problems) -> Any:
    """Return a copy of a value of the file, with environment variables replaced in its texts."""
    if isinstance(given, dict):
        return {key: _expanded(each, (*place, key), problems) for key, each in given.items()}
    if isinstance(given, list):
        return [_expanded(each, (*place, n), problems) for n, each in enumerate(given)]
    if not isinstance(given, str):
        return given

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match[1] is None:
            raise WatlowConfigurationError("write ${NAME} for a variable, or $$ for a $")
        if match[1] not in os.environ:
            raise WatlowConfigurationError(
                f"the environment variable {match[1]} is not set; set it"
            )
        return os.environ[match[1]]

    try:
        text = _VARIABLE.sub(value, given)
        if text != given:
            problems.written[text] = given
        check_storable(key_text(place), text)
    except WatlowConfigurationError as error:
        problems.add_value(place, given, error.message)
        return given
    return text


def _rig(file: Path, tables: RigTable) -> Rig:
    ports = {
        name: RigPort(**dict(table) | _located(file.parent, table))
        for name, table in tables.ports.items()
    }
    controllers = {name: RigController(**dict(table)) for name, table in tables.controllers.items()}
    record = _record(file, tables.record)
    rules = tuple(_rule(file.parent, each, record.show_unit) for each in tables.rules)
    return Rig(file, FrozenMapping(ports), FrozenMapping(controllers), record, rules)


def _located(folder: Path, table: PortTable) -> dict[str, Any]:
    """Return the port and the capture, relative paths from `folder` on, and the protocol."""
    given = "protocol" in table.model_fields_set
    protocol = table.protocol if given else default_protocol(table.port)
    capture = None if table.capture is None else str(folder / table.capture)
    return {
        "port": located_port(folder, table.port),
        "protocol": protocol,
        "capture": capture,
    }


def _record(file: Path, table: RecordTable) -> RigRecord:
    values = {key: _frozen(value) for key, value in table}
    if table.rates:
        values |= {"parameters": (), "rate_hz": None}
    values["sinks"] = tuple(_sink(file.parent, each) for each in table.sinks)
    return RigRecord(**values)


def _rule(folder: Path, table: RuleTable, unit: str | None) -> Rule:
    values = {key: _frozen(value) for key, value in table}
    if table.command:
        program = located_port(folder, table.command[0])
        values["command"] = (program, *table.command[1:])
    if table.write is not None:
        written = dict(table.write)
        del written["confirm"]
        values["write"] = RuleWrite(**written, unit=unit)
    return Rule(**values, folder=folder)


def _sink(folder: Path, table: SinkTable) -> RigSink:
    values = {key: _frozen(value) for key, value in table}
    url = table.url if table.url.startswith(URLS) else str(folder / table.url)
    return RigSink(**values | {"url": url})


def _frozen(value: Any) -> Any:
    """Return a value that cannot be changed; a date or time is its ISO 8601 text."""
    if isinstance(value, dict):
        return FrozenMapping({key: _frozen(each) for key, each in value.items()})
    if isinstance(value, (date, time)):
        return value.isoformat()
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
