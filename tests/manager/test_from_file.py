"""`WatlowManager.from_file` opens the controllers of a rig file."""

from __future__ import annotations

from pathlib import Path

import pytest

from watlowlib import (
    Unit,
    WatlowConfigurationError,
    WatlowManager,
    WatlowPortNotFoundError,
    read_samples,
    record,
)
from watlowlib.protocol import port_pool
from watlowlib.rig import load_rig
from watlowlib.simulator import SimulatedBus
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.pipe import pipe
from watlowlib.sync import SyncWatlowManager

RIG = """
[ports.line]
port = "{port}"
timeout = 20
temperature_unit = "F"
[controllers.top]
port = "line"
address = 1
[controllers.bottom]
port = "line"
address = 2
[record]
parameters = ["setpoint"]
rate_hz = 100
duration = 0.05
[record.metadata]
operator = "Kim"
[[record.sinks]]
url = "run.csv"
"""


@pytest.fixture
def file(bus: SimulatedBus, tmp_path: Path) -> Path:
    """A rig file with the two controllers of `bus`."""
    path = tmp_path / "rig.toml"
    path.write_text(RIG.format(port=bus.port), "utf-8")
    return path


@pytest.mark.parametrize("kind", [WatlowManager, SyncWatlowManager])
def test_the_controllers_have_the_names_and_settings_of_the_file(
    kind: type[WatlowManager], file: Path
) -> None:
    with kind.from_file(file) as mgr:
        assert type(mgr) is kind
        assert mgr.names == ("top", "bottom")
        assert [mgr.get(name).address for name in mgr.names] == [1, 2]
        assert mgr.get("bottom").session.temperature_unit is Unit.FAHRENHEIT
    assert port_pool._ports == []


def test_names_selects_controllers_of_the_file(file: Path) -> None:
    with WatlowManager.from_file(file, names="bottom") as mgr:
        assert mgr.names == ("bottom",)
    with WatlowManager.from_file(file, names=[]) as mgr:
        assert mgr.names == ()
    with pytest.raises(WatlowConfigurationError, match="no controller 'botom'; did you mean 'bot"):
        WatlowManager.from_file(file, names=["top", "botom"])


def test_a_port_that_cannot_be_opened_leaves_no_other_open(file: Path) -> None:
    text = file.read_text("utf-8") + '[ports.no]\nport = "/no"\n[controllers.no]\nport = "no"\n'
    file.write_text(text, "utf-8")
    with pytest.raises(WatlowPortNotFoundError, match="there is no port '/no'"):
        WatlowManager.from_file(file)
    assert port_pool._ports == []


def test_the_file_is_recorded_as_it_says(file: Path) -> None:
    rig = load_rig(file)
    (sink,) = [open_sink(each.url) for each in rig.record.sinks]
    with WatlowManager.from_file(file) as mgr, sink:
        with record(mgr, **rig.record_arguments()) as stream:
            pipe(stream, sink)
    samples = read_samples(file.with_name("run.csv"))
    assert {(row["device"], row["parameter"]) for row in samples} == {
        ("top", "setpoint"),
        ("bottom", "setpoint"),
    }
    assert [each["metadata"] for each in samples.metadata] == [{"operator": "Kim"}]
