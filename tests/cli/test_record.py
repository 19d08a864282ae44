"""`watlowlib record`: what it checks first, its outputs, and its reports."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.views.web.viewer import free_port, request
from watlowlib import CsvSink, load_rig, open_sink, pipe, read_events, read_samples
from watlowlib.cli.main import main
from watlowlib.cli.outputs import open_outputs
from watlowlib.cli.record import record_arguments
from watlowlib.simulator import SimulatedBus


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_controller_is_asked_first(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"record {bus.port} --address 1,2 --name top,bot --duration 0.2 -o run.csv"
    assert main([*words.split(), "--parameter", "setpoint"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for number, name in enumerate(("top", "bot"), 1):
        assert [name, str(number), "PM3R1CA-AAAAAAA", "1", "75.00", "ok"] in lines


def test_nothing_is_recorded_when_nothing_replies(
    bus: SimulatedBus, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"record {bus.port} --address 8,9 --timeout 0.05 --duration 0.2 -o run.csv".split()
    assert main(words) == 3
    assert "no controller replies" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
    assert main([*words, "--anyway"]) == 0
    assert {row["value"] for row in read_samples("run.csv")} == {None}


def test_an_output_that_is_also_the_capture_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "record --simulate 1 --duration 0.2 -o w.sqlite --capture ./w.sqlite".split()
    assert main(words) == 2
    assert "--capture ./w.sqlite is also an output; give another file" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_missing_controllers_are_named(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"record {bus.port} --address 1,9 --timeout 0.05 --duration 0.2 -o run.csv"
    assert main([*words.split(), "--name", "top,gone"]) == 0
    assert "warning: no answer from 1 of 2 controllers: gone;" in capsys.readouterr().out


def test_a_rate_that_does_not_fit_is_named_with_one_that_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SimulatedBus([1], turnaround_s=0.1) as bus:
        words = f"record {bus.port} --rate 50 --duration 0.2 -o run.csv".split()
        assert main(words) == 0
        found = re.search(r"a rate of (\S+) Hz would fit", capsys.readouterr().out)
        assert found
        # Two reads of more than 0.1 s each take more than 0.2 s.
        assert 0 < float(found[1]) < 5


@pytest.mark.parametrize("ending", ["csv", "jsonl", "sqlite", "parquet"])
def test_rows_of_an_existing_file_are_counted(
    ending: str, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    words = f"record {bus.port} --rate 20 --duration 0.3 -o run.{ending}".split()
    assert main(words) == 0
    assert "appending" not in capsys.readouterr().out
    rows = len(list(read_samples(f"run.{ending}")))
    assert main(words) == 0
    assert f"run.{ending}: appending to {rows} rows" in capsys.readouterr().out


def test_a_file_of_another_program_is_an_error_and_no_append(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.csv").write_text("a,b\n1,2\n", "utf-8")
    assert main(f"record {bus.port} --duration 0.3 -o other.csv".split()) == 1
    printed = capsys.readouterr()
    assert "has another header ('a,b')" in printed.err
    assert "appending" not in printed.out
    assert Path("other.csv").read_text("utf-8") == "a,b\n1,2\n"


def test_each_output_has_its_own_counts(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"record {bus.port} --rate 20 --duration 0.3 -o a.csv -o b.jsonl".split()
    assert main(words) == 0
    rows = len(list(read_samples("a.csv")))
    output = capsys.readouterr().out
    for name in ("a.csv", "b.jsonl"):
        assert f"{name}: {rows} rows written, 0 lost" in output


def test_json_prints_the_rows_of_the_recording(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"record {bus.port} --rate 20 --duration 0.3 --json -o run.jsonl".split()
    assert main(words) == 0
    output = capsys.readouterr()
    printed = [json.loads(line) for line in output.out.splitlines()]
    stored = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert printed == stored != []
    assert "late, largest drift" in output.err


def test_simulate_obeys_the_unit(capsys: pytest.CaptureFixture[str]) -> None:
    words = "record --simulate 1 --unit C --rate 20 --duration 0.3 --json"
    assert main(words.split()) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["unit"] for row in rows} == {"°C"}
    # 150 °F, as of the first simulated oven.
    (setpoint,) = {row["value"] for row in rows if row["parameter"] == "setpoint"}
    assert setpoint == pytest.approx((150 - 32) / 1.8, abs=0.1)


def test_rows_of_a_sink_that_waits_end_with_4(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Waiting(type(open_sink("run.jsonl"))):  # type: ignore[misc]
        rows_waiting = 2

    monkeypatch.setattr("watlowlib.cli.outputs.open_sink", Waiting)
    assert main(f"record {bus.port} --rate 20 --duration 0.3 -o run.jsonl".split()) == 4
    output = capsys.readouterr()
    assert ", 2 waiting" in output.out
    assert "rows are waiting" in output.err


RATES = """
[ports.line1]
port = "/dev/ttyUSB77"
[controllers.oven]
port = "line1"
[record.rates]
process_value = 10.0
setpoint = 0.5
"""


@pytest.mark.parametrize(
    ("options", "parameters", "rate_hz"),
    [
        ({}, {"process_value": 10.0, "setpoint": 0.5}, None),
        ({"rate": 4.0}, ["process_value", "setpoint"], 4.0),
        ({"parameter": ("pv",)}, ["pv"], 2.0),
        ({"parameter": ("pv",), "rate": 4.0}, ["pv"], 4.0),
    ],
)
def test_options_replace_the_rates_of_a_file(
    options: dict[str, Any], parameters: Any, rate_hz: float | None, folder: Path
) -> None:
    (folder / "rig.toml").write_text(RATES)
    names = ("parameter", "instance", "rate", "alarms", "duration", "show_unit")
    given: dict[str, Any] = dict.fromkeys(names) | options
    arguments = record_arguments(load_rig("rig.toml"), **given)
    assert (arguments["parameters"], arguments["rate_hz"]) == (parameters, rate_hz)


def test_alarms_and_events_are_options(bus: SimulatedBus, folder: Path) -> None:
    words = f"record {bus.port} --rate 5 --duration 0.4 --parameter setpoint -o".split()
    assert main([*words, "with.csv", "--alarms", "5"]) == 0
    recorded = {row["parameter"] for row in read_samples("with.csv")}
    assert recorded == {
        "setpoint", "alarm_state", "alarm_latched", "alarm_silenced", "alarm_clearable",
        "limit_state",
    }  # fmt: skip
    assert read_events("with.csv")[0].kind == "recording_started"
    assert main([*words, "without.csv", "--no-events"]) == 0
    assert {row["parameter"] for row in read_samples("without.csv")} == {"setpoint"}
    assert not (folder / "without.events.csv").exists()


def test_rows_have_the_shown_unit_and_a_contradicting_scale_is_named(
    bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    for unit in bus.controllers.values():
        unit.set("setpoint", 86.0)
    words = f"record {bus.port} --address 1,2 --name top,bot --duration 0.2 -o run.csv --unit F"
    arguments = [*words.split(), "--parameter", "setpoint", "--show-unit", "C"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "30.00 °C" in shown
    assert "warning" not in shown
    assert {(row["value"], row["unit"]) for row in read_samples("run.csv")} == {(30.0, "°C")}
    for unit in bus.controllers.values():
        unit.set(17050, 15)
    assert main(arguments) == 0
    assert (
        capsys.readouterr().out.count("warning: top, bot: the scale of the wire is declared") == 1
    )


def test_nothing_is_converted_from_an_unknown_scale(
    bus: SimulatedBus, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", bus.port, "-o", "run.csv", "--show-unit", "C"]) == 2
    assert "is not known; open the controller with" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_the_options_of_a_rotation_apply_to_the_outputs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["record", "--simulate", "1", "--duration", "0.2", "--compress"]
    for _ in range(2):  # the second one finds a file of this size
        assert main([*words, "--rotate", "1 B", "--rotate", "1 day", "-o", "roll.csv"]) == 0
    (part,) = folder.glob("roll-*.csv.gz")
    written = re.findall(r"roll\.csv: (\d+) rows written", capsys.readouterr().out)
    assert [len(list(read_samples(each))) for each in (part, "roll.csv")] == list(map(int, written))
    assert len(list(read_samples("roll*.csv*"))) == sum(map(int, written)) > 0
    assert main([*words, "--keep", "1 day", "-o", "roll.csv"]) == 2
    assert "give rotate too" in capsys.readouterr().err
    assert main([*words, "--rotate", "1 dya", "-o", "roll.csv"]) == 2
    assert "rotate='1 dya': give a time" in capsys.readouterr().err


def test_the_options_of_a_rotation_replace_those_of_the_rig_file(folder: Path) -> None:
    Path("rig.toml").write_text(
        '[ports.line]\nport = "/dev/ttyUSB0"\n[controllers.oven]\nport = "line"\n'
        '[[record.sinks]]\nurl = "roll.csv"\nrotate = "1 day"\nkeep = "90 days"\n'
    )
    (sink,) = open_outputs([], load_rig("rig.toml"), needed=True, rotation={"rotate": ("1 B",)})
    assert isinstance(sink, CsvSink)
    policy = sink._policy
    assert policy is not None
    assert (policy.period, policy.most_bytes, policy.keep_age) == (None, 1, timedelta(days=90))


def test_metrics_have_the_rows_of_each_output(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cheroot")
    pytest.importorskip("prometheus_client")
    port = free_port()
    scraped: list[str] = []

    def pipe_and_scrape(*arguments: Any) -> None:
        pipe(*arguments)
        scraped.append(request(f"http://127.0.0.1:{port}/metrics")[2].decode())

    monkeypatch.setattr("watlowlib.cli.record.pipe", pipe_and_scrape)
    words = f"record {bus.port} --duration 0.2 -o a.csv -o b.jsonl --metrics {port}"
    assert main([*words.split(), "--parameter", "setpoint"]) == 0
    assert f"metrics: http://127.0.0.1:{port}/metrics" in capsys.readouterr().out
    for name in ("a.csv", "b.jsonl"):
        rows = len(list(read_samples(name)))
        assert rows > 0
        assert f'watlowlib_sink_rows_total{{sink="{name}"}} {rows}.0' in scraped[0]
    assert main(["record", bus.port, "-o", "a.csv", "--metrics-host", "0.0.0.0"]) == 2
    assert "needs --metrics PORT" in capsys.readouterr().err
