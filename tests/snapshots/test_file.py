"""Snapshots in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.snapshots.settings import entry, snapshot
from watlowlib import snapshots
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import Unit
from watlowlib.snapshots import Refusal

TAKEN = replace(
    snapshot(
        entry("setpoint", 0.1, unit=Unit.CELSIUS),
        entry("part_number", "PM3"),
        entry("heat_algorithm", 71),
        entry("assembly_pointer_1", (360, 361), 2),
    ),
    refusals=(Refusal(8012, "cool_proportional_band", 1, "absent"),),
)


def test_a_snapshot_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "ctl.json"
    snapshots.save(TAKEN, path)
    assert snapshots.load(str(path)) == TAKEN
    assert [each.name for each in tmp_path.iterdir()] == ["ctl.json"]


def test_a_file_that_cannot_be_replaced_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ctl.json"
    snapshots.save(TAKEN, path)
    before = path.read_bytes()

    def fail(new: Path, old: Path) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("watlowlib.sinks.files.replace", fail)
    with pytest.raises(WatlowError, match="the disk is full"):
        snapshots.save(snapshot(), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["ctl.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"format": "other"}', "\x80", "5"])
def test_a_file_that_is_no_snapshot_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ctl.json"
    path.write_text(text, "latin-1")
    with pytest.raises(WatlowConfigurationError, match="'.*ctl.json' is not a snapshot"):
        snapshots.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match="none.json"):
        snapshots.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.pop("entries"),
        lambda file: file.update(identity=None),
        lambda file: file["identity"].update(temperature_unit=5),
        lambda file: file.update(taken_at="yesterday"),
        lambda file: file["entries"][0].pop("value"),
        lambda file: file["entries"][0].update(value=None),
        lambda file: file["entries"][0].update(value=float("nan")),
        lambda file: file["entries"][0].update(value=True),
        lambda file: file["entries"][0].update(number="7001"),
        lambda file: file["entries"][0].update(unit="K"),
        lambda file: file["entries"].append(file["entries"][0]),
        lambda file: file["refusals"].append(5),
    ],
)
def test_a_damaged_snapshot_is_refused(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "ctl.json"
    snapshots.save(TAKEN, path)
    document = json.loads(path.read_text("utf-8"))
    damage(document)
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(WatlowConfigurationError, match="is damaged"):
        snapshots.load(path)


def test_a_file_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ctl.json"
    snapshots.save(TAKEN, path)
    path.write_text(path.read_text("utf-8").replace('"version": 1', '"version": 2'), "utf-8")
    with pytest.raises(WatlowConfigurationError, match="install a later one"):
        snapshots.load(path)
