"""A copy of a rig file with simulated ports."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import watlowlib
from watlowlib import WatlowManager, load_rig
from watlowlib.errors import WatlowConfigurationError

RIG = """
[ports.line1]
port = "/dev/ttyUSB0"
temperature_unit = "C"
[ports."line 2"]
port = "${OVEN_PORT}"
protocol = "modbus_rtu"
[ports.unused]
port = "COM7"
[controllers.top]
port = "line1"
address = 3
[controllers.sd]
port = "line 2"
address = 41
family = "sd"
[record]
rates = {process_value = 2.0, setpoint = 0.5}
sensor_check = true
[record.metadata]
text = 'a "quoted" \\ $$ text'
since = 2024-05-06
[[record.sinks]]
url = "data/run.csv"
rotate = ["1 day", "100 MB"]
"""


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVEN_PORT", "COM3")
    file = tmp_path / "rig.toml"
    file.write_text(RIG)
    return file


def test_the_copy_differs_in_the_ports_only(original: Path) -> None:
    given = load_rig(original)
    with watlowlib.testing.rig(original) as rig:
        copy = load_rig(rig.file)
        assert copy.path.name == "rig.toml"
        assert list(rig.lines) == ["line1", "line 2"]
        assert copy.ports["unused"].port == "COM7"
        assert copy.ports["line 2"].port == rig.lines["line 2"].port
        assert copy.record_arguments() == given.record_arguments()
        assert copy.record.metadata["since"] == date(2024, 5, 6).isoformat()
        (sink,) = copy.record.sinks
        assert sink.url == str(rig.file.parent / "data" / "run.csv")
        assert sink.rotation == given.record.sinks[0].rotation
        assert Path(sink.url).parent.is_dir()
        with WatlowManager.from_file(rig.file) as mgr:
            mgr.get("sd").set_setpoint(80.0, confirm=True)
            rig.advance(minutes=20)
            assert mgr.get("top").read_pv().value > 50.0  # °C
        rig.lines["line 2"].assert_written("setpoint", 80.0, address=41, times=1)
        rig.lines["line1"].assert_nothing_written()
    assert not rig.file.parent.exists()
    assert original.read_text() == RIG


@pytest.mark.parametrize("url", ["/data/run.csv", "../run.csv", "../../a/run.csv"])
def test_files_elsewhere_are_written_beside_the_copy(original: Path, url: str) -> None:
    original.write_text(RIG.replace("data/run.csv", url))
    with watlowlib.testing.rig(original) as rig:
        (sink,) = load_rig(rig.file).record.sinks
        assert sink.url == str(rig.file.parent / "run.csv")


@pytest.mark.parametrize("capture", ["{}/wire.jsonl", "../wire.jsonl", "wires/wire.jsonl"])
def test_captures_are_written_beside_the_copy(original: Path, capture: str) -> None:
    real = original.parent / capture.format(original.parent.parent)
    option = f"capture = '{capture.format(original.parent.parent)}'"
    original.write_text(RIG.replace("[ports.line1]", f"[ports.line1]\n{option}"))
    with watlowlib.testing.rig(original) as rig:
        with WatlowManager.from_file(rig.file) as mgr:
            mgr.get("top").read_pv()
        (copy,) = rig.file.parent.rglob("wire.jsonl")
        assert '"sent"' in copy.read_text()
    assert not real.exists()


def test_files_of_one_name_stay_apart(original: Path) -> None:
    original.write_text(
        RIG + '[[record.sinks]]\nurl = "/a/b.csv"\n[[record.sinks]]\nurl = "/c/b.csv"'
    )
    with watlowlib.testing.rig(original) as rig:
        names = [Path(sink.url).name for sink in load_rig(rig.file).record.sinks]
        assert names[:2] == ["run.csv", "b.csv"]
        assert len(set(names)) == 3


def test_a_database_is_refused_unless_files_are_given(original: Path, tmp_path: Path) -> None:
    text = RIG.replace("data/run.csv", "postgresql://me:secret@host/lab")
    original.write_text(text.replace('rotate = ["1 day", "100 MB"]', ""))
    with pytest.raises(WatlowConfigurationError, match="simulated values") as caught:
        watlowlib.testing.rig(original).__enter__()
    assert "secret" not in str(caught.value)
    with pytest.raises(WatlowConfigurationError, match="give a list"):
        watlowlib.testing.rig(original, sinks="a.sqlite").__enter__()
    files = ["a.sqlite", tmp_path / "b$$c.csv"]
    with watlowlib.testing.rig(original, sinks=files) as rig:
        assert [sink.url for sink in load_rig(rig.file).record.sinks] == [
            str(rig.file.parent / "a.sqlite"),
            str(tmp_path / "b$$c.csv"),
        ]


def test_a_zone_of_a_gateway_is_refused(original: Path) -> None:
    original.write_text(
        'ports.line = {port = "/dev/ttyX", protocol = "modbus_rtu"}\n'
        'controllers.oven = {port = "line", zone = 2}\n'
    )
    with pytest.raises(WatlowConfigurationError, match=r"controllers\.oven is a zone .*Gateway"):
        watlowlib.testing.rig(original).__enter__()


def test_a_port_of_modbus_tcp_is_refused(original: Path) -> None:
    original.write_text('ports.net.port = "tcp://10.0.0.5"\ncontrollers.oven.port = "net"\n')
    with pytest.raises(WatlowConfigurationError, match=r"ports\.net is Modbus TCP"):
        watlowlib.testing.rig(original).__enter__()
