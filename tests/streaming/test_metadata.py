"""The metadata of a recording: its check, and what a recording knows about its controllers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

import watlowlib
from watlowlib import WatlowManager, record
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import WatlowConfigurationError
from watlowlib.simulator import SimulatedBus
from watlowlib.streaming.metadata import as_metadata


class Material(str, Enum):
    STEEL = "steel"


ITSELF: dict[str, Any] = {}
ITSELF["again"] = ITSELF


def test_metadata_of_every_json_type_is_kept_as_a_copy() -> None:
    given: dict[str, Any] = {
        "operator": "Jörg",
        "batch": 12,
        "mass_g": 1.5,
        "dry": True,
        "note": None,
        "material": Material.STEEL,
        "steps": [1, ("a", {"b": False})],
    }
    kept = as_metadata(given)
    given["steps"].append(2)
    assert kept == {
        "operator": "Jörg",
        "batch": 12,
        "mass_g": 1.5,
        "dry": True,
        "note": None,
        "material": "steel",
        "steps": [1, ["a", {"b": False}]],
    }
    assert type(kept["material"]) is str
    assert json.loads(json.dumps(kept)) == kept


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Kim", r"metadata='Kim': give a dict"),
        ([("operator", "Kim")], r"metadata=\[.*: give a dict"),
        ({1: "a"}, r"metadata: the key 1 is not a text"),
        ({"a": {"b": {2: 3}}}, r"metadata\['a'\]\['b'\]: the key 2 is not a text"),
        ({"mass": Decimal("1.5")}, r"metadata\['mass'\]=Decimal.*: give a text, a finite number"),
        ({"at": [datetime(2026, 1, 1)]}, r"metadata\['at'\]\[0\]=datetime.*: give a text"),
        ({"mass": float("nan")}, r"metadata\['mass'\]=nan: give a text, a finite number"),
        ({"who": "\ud800"}, r"metadata\['who'\]=.*no file or database can store"),
        ({"\ud800": 1}, r"a key of metadata=.*no file or database can store"),
        (ITSELF, "more than 20 levels"),
    ],
)
def test_other_metadata_is_refused_before_the_start(given: Any, message: str) -> None:
    with WatlowManager() as mgr, SimulatedBus([1], baudrate=None) as bus:
        mgr.add("oven", bus.port)
        with pytest.raises(WatlowConfigurationError, match=message):
            record(mgr, parameters="pv", rate_hz=1.0, metadata=given)


@pytest.fixture
def bus() -> Iterator[SimulatedBus]:
    with SimulatedBus([1, 2], baudrate=None) as line:
        yield line


def test_a_recording_knows_its_controllers_without_reading_them(bus: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        identity = mgr.add("top", bus.port, address=1, temperature_unit="F").identify()
        mgr.add("bottom", bus.port, address=2)
        assert identity.part_number is not None
        stream = record(
            mgr, parameters={"pv": 10.0, 7001: 1.0}, duration=0.1, metadata={"operator": "Kim"}
        )
        exchanges = mgr.get("bottom").port_stats.exchanges
        info = stream.info
        assert mgr.get("bottom").port_stats.exchanges == exchanges
    common = {"port": bus.port, "protocol": "stdbus"}
    unknown = dict.fromkeys(
        ("part_number", "serial_number", "firmware_id", "software_revision", "software_build")
    )
    assert info.as_dict() == {
        "id": stream.id,
        "started_at": info.started_at.isoformat(timespec="microseconds"),
        "library_version": watlowlib.__version__,
        "rates": [
            {"rate_hz": 10.0, "parameters": ["pv"]},
            {"rate_hz": 1.0, "parameters": [7001]},
        ],
        "controllers": [
            {
                **common,
                "name": "top",
                "address": 1,
                "family": "pm",
                "part_number": identity.part_number.text,
                "serial_number": identity.serial_number,
                "firmware_id": identity.firmware_id,
                "software_revision": identity.software_revision,
                "software_build": identity.software_build,
                "temperature_unit": "°F",
            },
            {
                **common,
                **unknown,
                "name": "bottom",
                "address": 2,
                "family": "unknown",
                "temperature_unit": None,
            },
        ],
        "metadata": {"operator": "Kim"},
    }
    assert identity.serial_number is not None
    assert len(info.id) == 32


@pytest.mark.parametrize("ports", [1, 2])
def test_the_first_tick_finds_part_number_and_firmware_known(ports: int) -> None:
    with ExitStack() as stack:
        buses = [stack.enter_context(SimulatedBus([1, 2], baudrate=None)) for _ in range(ports)]
        mgr = stack.enter_context(WatlowManager())
        for number, line in enumerate(buses):
            mgr.add(f"top_{number}", line.port, address=1)
            mgr.add(f"bottom_{number}", line.port, address=2, timeout_s=0.05, retries=0)
            line.power_off(2)
        with record(mgr, parameters="pv", rate_hz=10.0, duration=0.1) as stream:
            batches = list(stream)
        known = {each["name"]: each for each in stream.info.controllers}
        expected = {}
        for number in range(ports):
            identity = mgr.get(f"top_{number}").identify()
            assert identity.part_number is not None
            expected[f"top_{number}"] = (
                identity.part_number.text,
                identity.serial_number,
                identity.firmware_id,
            )
            expected[f"bottom_{number}"] = (None, None, None)
    fields = ("part_number", "serial_number", "firmware_id")
    assert {name: tuple(each[f] for f in fields) for name, each in known.items()} == expected
    assert {sample.status == "ok": sample.device[:3] for sample in batches[0]} == {
        True: "top",
        False: "bot",
    }


def test_identities_are_read_before_the_first_slot(bus: SimulatedBus) -> None:
    clock = ManualClock()
    with WatlowManager() as mgr:
        ctl = mgr.add("oven", bus.port, address=1)
        with record(ctl, parameters="pv", rate_hz=1.0, duration=1.0, clock=clock) as stream:
            assert [len(batch) for batch in stream] == [1]
        assert stream.summary.max_drift_ms == 0.0
        # Word order aside, Standard Bus needs one exchange for each.
        assert ctl.port_stats.exchanges == len(("serial", "part", "firmware", "value"))


def test_a_recording_of_one_controller_knows_its_start(bus: SimulatedBus) -> None:
    with watlowlib.open_device(bus.port, address=1, name="oven") as ctl:
        before = datetime.now(timezone.utc)
        with record(ctl, parameters="pv", rate_hz=100.0, duration=0.02) as stream:
            batches = list(stream)
    assert before <= stream.info.started_at == stream.summary.started_at
    assert batches[0][0].scheduled_at == stream.info.started_at
    assert [each["name"] for each in stream.info.controllers] == ["oven"]
