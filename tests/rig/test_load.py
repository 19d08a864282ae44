"""A rig file gives checked, frozen values; its problems are reported together."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import watlowlib
from tests.test_import import modules_after, run_script
from watlowlib import Rig, SerialSettings, WatlowConfigurationError, load_rig, open_sink
from watlowlib.model import ControllerFamily, ProtocolKind, WordOrder
from watlowlib.sinks.postgres import PostgresSink
from watlowlib.streaming.recorder import OverflowPolicy

DOCS = Path(__file__).parents[2] / "docs" / "rig.md"

SMALL = """
[ports.line]
port = "/dev/ttyUSB0"
[controllers.oven]
port = "line"
"""

FULL = """
[ports.line1]
port = "/dev/ttyUSB0"
temperature_unit = "F"
retries = 0
[ports.line2]
port = "./ttyV0"
capture = "wire.jsonl"
protocol = "modbus_rtu"
parity = "E"
timeout = 1
[controllers.retort]
port = "line2"
address = 247
family = "pm"
temperature_unit = "C"
[controllers."oven top"]
port = "line1"
address = 16
[record]
parameters = ["process_value", 7001]
rate_hz = 10
instances = [1]
duration = 60
overflow = "drop_oldest"
sensor_check = true
alarms = 0.2
switch_interval = 0.001
show_unit = "C"
[record.metadata]
operator = "Kim"
began = 2026-05-01
samples = [1, {mass = 2.5}]
[[record.sinks]]
url = "data/ovens.parquet"
[[record.sinks]]
url = "postgresql:///lab"
"""

Load = Callable[[str], Rig]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads a rig file with the given text."""

    def load_text(text: str) -> Rig:
        file = tmp_path / "rig.toml"
        file.write_text(text, "utf-8")
        return load_rig(file)

    return load_text


@pytest.fixture
def problems_of(load: Load, tmp_path: Path) -> Callable[[str], list[str]]:
    """Return a function that returns the problems of a text, without the name of the file."""

    def problems(text: str) -> list[str]:
        with pytest.raises(WatlowConfigurationError) as caught:
            load(text)
        file = f"{tmp_path / 'rig.toml'}: "
        lines = str(caught.value).split("\n")
        assert all(line.startswith(file) for line in lines)
        return [line.removeprefix(file) for line in lines]

    return problems


Problems = Callable[[str], list[str]]


def test_a_small_file_has_the_defaults_of_open_device_and_the_command(load: Load) -> None:
    rig = load(SMALL)
    assert list(rig.ports) == ["line"]
    defaults = dict(watlowlib.open_device.__kwdefaults__)
    assert defaults.pop("name") is None
    assert defaults.pop("wait_for_port") is False
    defaults.pop("capture_bytes")
    assert defaults.pop("protocol") is None  # that of the port
    assert rig.open_arguments("oven") == {
        "port": "/dev/ttyUSB0",
        "protocol": ProtocolKind.STDBUS,
        **defaults,
    }
    arguments = rig.record_arguments()
    assert (arguments["parameters"], arguments["rate_hz"]) == (["process_value", "setpoint"], 2.0)
    assert rig.record.sinks == ()


def test_a_modbus_tcp_server_needs_no_protocol(load: Load) -> None:
    rig = load('[ports.gw]\nport = "tcp://gw"\n[controllers.a]\nport = "gw"\naddress = 255\n')
    arguments = rig.open_arguments("a")
    assert (arguments["port"], arguments["protocol"]) == ("tcp://gw", ProtocolKind.MODBUS_TCP)
    assert arguments["serial_settings"] is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("baudrate = 9600", "baudrate=9600: a network has no serial settings; leave it out"),
        ('parity = "E"', "parity='E': a network has no serial settings; leave it out"),
        ('protocol = "stdbus"', "port: protocol='stdbus' with port='tcp://gw': tcp:// is a Modbus"),
        ('protocol = "auto"', "port: protocol='auto' with port='tcp://gw': .* leave the protocol"),
    ],
)
def test_what_a_modbus_tcp_server_cannot_have_is_a_problem(
    line: str, problem: str, problems_of: Problems
) -> None:
    text = f'[controllers.a]\nport = "gw"\n[ports.gw]\nport = "tcp://gw"\n{line}'
    (found,) = problems_of(text)
    assert re.match(f"ports.gw.{problem}", found), found


GATEWAY = """
[ports.gw]
port = "tcp://gw"
[controllers.a]
port = "gw"
zone = 2
[controllers.b]
port = "gw"
zone = 3
offset = 20000
"""


def test_zones_of_a_gateway_are_arguments_of_open_device(load: Load) -> None:
    rig = load(GATEWAY)
    keys = ("zone", "gateway_offset", "offset")
    assert [rig.open_arguments("a")[key] for key in keys] == [2, 5000, None]
    assert [rig.open_arguments("b")[key] for key in keys] == [3, 5000, 20_000]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("zone = 2", "controllers.c.address=1: is also the address of controllers.a"),
        ("offset = 7000", "controllers.c: the zone at 7000 overlaps with controllers.a; give each"),
        ("", "controllers.c: without a zone it overlaps with controllers.a; give each"),
        ("zone = 14", "controllers.c: zone=14, .* exceed 65535"),
        ("zone = 17", "controllers.c.zone=17: give a whole number from 1 to 16"),
    ],
)
def test_a_zone_that_cannot_be_is_a_problem(text: str, problem: str, problems_of: Problems) -> None:
    (found,) = problems_of(f'{GATEWAY}[controllers.c]\nport = "gw"\n{text}\n')
    assert re.match(problem, found), found


def test_a_zone_on_standard_bus_is_a_problem(problems_of: Problems) -> None:
    text = '[ports.x]\nport = "COM1"\n[controllers.c]\nport = "x"\nzone = 2\n'
    (found,) = problems_of(text)
    assert found.startswith("controllers.c.zone=2: a gateway is a Modbus device")


def test_the_values_of_a_file_are_the_arguments_of_open_device(load: Load, tmp_path: Path) -> None:
    rig = load(FULL)
    assert list(rig.controllers) == ["retort", "oven top"]
    assert rig.open_arguments("retort") == {
        "port": str(tmp_path / "ttyV0"),
        "protocol": ProtocolKind.MODBUS_RTU,
        "address": 247,
        "serial_settings": SerialSettings(baudrate=9600, parity="E"),
        "family": ControllerFamily.PM,
        "temperature_unit": "C",
        "timeout_s": 1.0,
        "retries": 1,
        "word_order": WordOrder.AUTO,
        "data_map": "auto",
        "registers_per_read": None,
        "zone": None,
        "gateway_offset": 5000,
        "offset": None,
        "capture": str(tmp_path / "wire.jsonl"),
    }
    oven = rig.open_arguments("oven top")
    assert (oven["address"], oven["retries"], oven["temperature_unit"]) == (16, 0, "F")
    with pytest.raises(WatlowConfigurationError, match="no controller 'retot'; did you mean 'ret"):
        rig.open_arguments("retot")


def test_the_values_of_record_are_the_arguments_of_record(load: Load, tmp_path: Path) -> None:
    rig = load(FULL)
    arguments = rig.record_arguments()
    began = {"operator": "Kim", "began": "2026-05-01", "samples": (1, {"mass": 2.5})}
    assert arguments.pop("metadata") == began
    assert arguments == {
        "parameters": ["process_value", 7001],
        "rate_hz": 10.0,
        "instances": [1],
        "duration": 60.0,
        "overflow": OverflowPolicy.DROP_OLDEST,
        "sensor_check": True,
        "alarms": 0.2,
        "show_unit": "C",
        "switch_interval": 0.001,
    }
    assert set(arguments) < set(watlowlib.record.__kwdefaults__ | {"parameters": ()})
    urls = [sink.url for sink in rig.record.sinks]
    assert urls == [str(tmp_path / "data" / "ovens.parquet"), "postgresql:///lab"]


def test_a_switch_interval_of_0_leaves_that_of_the_interpreter(load: Load) -> None:
    assert load(SMALL).record_arguments()["switch_interval"] == 0.0005
    unchanged = load(SMALL + "[record]\nswitch_interval = 0\n")
    assert unchanged.record_arguments()["switch_interval"] is None


def test_the_options_of_a_sink_are_those_of_open_sink(load: Load, tmp_path: Path) -> None:
    rig = load(
        SMALL + '[[record.sinks]]\nurl = "roll.csv"\nrotate = ["1 day", "10 MB"]\n'
        'keep = "90 days"\ncompress = true\nmin_free = "1 GB"'
    )
    (sink,) = rig.record.sinks
    assert sink.rotation == {
        "rotate": ("1 day", "10 MB"),
        "keep": "90 days",
        "compress": True,
        "min_free": "1 GB",
    }
    with open_sink(sink.url, **sink.rotation):
        assert (tmp_path / "roll.csv").exists()
    (plain,) = load(SMALL + '[[record.sinks]]\nurl = "run.csv"').record.sinks
    assert plain.rotation == {"rotate": None, "keep": None, "compress": False, "min_free": None}
    assert repr(plain) == f"RigSink(url='{tmp_path / 'run.csv'}')"


def test_the_table_of_a_sink_may_have_parts(load: Load) -> None:
    (sink,) = load(
        SMALL + '[[record.sinks]]\nurl = "postgresql:///lab"\npartition = "1 month"\n'
        'keep = "2 years"'
    ).record.sinks
    pytest.importorskip("psycopg_pool")
    postgres = open_sink(sink.url, **sink.rotation)
    assert isinstance(postgres, PostgresSink)
    config = postgres.config
    assert (config.partition, config.keep, config.create_table) == ("1 month", "2 years", True)


def test_rates_replace_parameters_and_rate_hz(load: Load) -> None:
    arguments = load(
        SMALL + "[record.rates]\nprocess_value = 10\nsetpoint = 0.2"
    ).record_arguments()
    assert arguments["parameters"] == {"process_value": 10.0, "setpoint": 0.2}
    assert arguments["rate_hz"] is None


PROBLEMS = {
    "ports.line.adress: unknown key; known are port, .*": "adress = 1",
    "ports.line.protocl: unknown key; did you mean 'protocol'\\?": 'protocl = "stdbus"',
    "ports.line.timeout='0.5': give a number of seconds above 0, up to 3600": 'timeout = "0.5"',
    "ports.line.retries=true: give a whole number from 0 to 100": "retries = true",
    "ports.line.retries=101: give a whole number from 0 to 100": "retries = 101",
    "ports.line.timeout=nan: give a number .*": "timeout = nan",
    "ports.line.baudrate=9601: give one of 1200, .*": "baudrate = 9601",
    "ports.line.protocol='modbus': give one of stdbus, modbus_rtu, modbus_tcp, auto": (
        'protocol = "modbus"'
    ),
    "ports.line.parity='E': give baudrate too, .*": 'protocol = "auto"\nparity = "E"',
    "ports.line.vary_source=true: only Standard Bus .*": 'protocol = "auto"\nvary_source = true',
    "ports.b.port is missing: give a text such as .*": "[ports.b]",
    "ports.b.port='/dev/ttyUSB0': is also the port of ports.line; .*": (
        '[ports.b]\nport = "/dev/ttyUSB0"'
    ),
    "ports.b.port='postgresql://me:\\*\\*\\*@h/lab': give a text such as .*": (
        '[ports.b]\nport = "postgresql://me:geheim@h/lab"'
    ),
    "ports.b=3: give a table with the keys port, .*": "[ports]\nb = 3",
    "port: unknown key; did you mean 'ports'\\?": "[port.line]",
    "controllers.b.port='lin': there is no port of this name; did you mean 'line'\\?": (
        '[controllers.b]\nport = "lin"'
    ),
    "controllers.b.address=1: is also the address of controllers.oven on this port; .*": (
        '[controllers.b]\nport = "line"'
    ),
    "controllers.b.address=17: on stdbus it is from 1 to 16; J .17. .*": (
        '[controllers.b]\nport = "line"\naddress = 17'
    ),
    "controllers.b.address=0: on stdbus it is from 1 to 16": (
        '[controllers.b]\nport = "line"\naddress = 0'
    ),
    'controllers."b c".data_map=1.0: give 1, 2 or "auto"': (
        '[controllers."b c"]\nport = "line"\naddress = 2\ndata_map = 1.0'
    ),
    "controllers.b.family='sd': a Series SD supports only Modbus RTU; .*": (
        '[controllers.b]\nport = "line"\naddress = 2\nfamily = "sd"'
    ),
    'controllers."": the name is empty; give one': ('[controllers.""]\nport = "line"\naddress = 2'),
    "record.parameters: there is no parameter 'proces_value'; did you mean 'process_value' .*": (
        '[record]\nparameters = ["proces_value"]'
    ),
    "record.rates: there is no parameter 'proces_value'; .*": "[record.rates]\nproces_value = 1",
    "record.parameters\\[1\\]=1.5: give a list of names, .*": '[record]\nparameters = ["pv", 1.5]',
    "record.parameters=\\[\\]: give a list of names, .*": "[record]\nparameters = []",
    "record.parameters: instance=9: .* has instances 1 to .*": (
        '[record]\nparameters = ["pv"]\ninstances = [9]'
    ),
    "record.rate_hz=2: record.rates has the rates; leave it out": (
        "[record]\nrate_hz = 2\nrates = {pv = 1}"
    ),
    "record.parameters=\\['pv'\\]: record.rates has the rates; leave it out": (
        '[record]\nparameters = ["pv"]\nrates = {pv = 1}'
    ),
    "record.rates.pv=0: give a table of parameters, .*": "[record.rates]\npv = 0",
    "record.rates=\\(a table\\): give .*; at most 6 different ones": (
        "[record.rates]\n4001 = 1\n7001 = 2\npv = 3\nsp = 4\n8003 = 5\n4002 = 6\n17009 = 7"
    ),
    "record.metadata\\['x'\\]=inf: give .*": "[record.metadata]\nx = inf",
    "record.sinks\\[0\\].url='run.xls': give a file with the extension .csv, .*": (
        '[[record.sinks]]\nurl = "run.xls"'
    ),
    "record.sinks\\[0\\].password: unknown key; known are url, rotate, .*": (
        '[[record.sinks]]\nurl = "run.csv"\npassword = "geheim"'
    ),
    "record.sinks\\[0\\].url: is also a capture; give another file": (
        '[ports.a]\nport = "/dev/ttyUSB1"\nprotocol = "stdbus"\ncapture = "w.jsonl"\n'
        '[[record.sinks]]\nurl = "w.jsonl"'
    ),
    "record.sinks\\[1\\].url: is also that of another sink; .*": (
        '[[record.sinks]]\nurl = "run.csv"\n[[record.sinks]]\nurl = "./run.csv"'
    ),
    "record.sinks\\[0\\].rotate='1 dya': give a time .*": (
        '[[record.sinks]]\nurl = "run.csv"\nrotate = "1 dya"'
    ),
    "record.sinks\\[0\\].rotate=1: give a time .*": (
        '[[record.sinks]]\nurl = "run.csv"\nrotate = 1'
    ),
    "record.sinks\\[0\\].keep=\\['1 day', '2 days'\\]: give a time .*": (
        '[[record.sinks]]\nurl = "run.csv"\nrotate = "1 day"\nkeep = ["1 day", "2 days"]'
    ),
    "record.sinks\\[0\\].min_free='5 %': give a size .*": (
        '[[record.sinks]]\nurl = "run.csv"\nrotate = "1 day"\nmin_free = "5 %"'
    ),
    "record.sinks\\[1\\].keep='90 days': give rotate too, .*": (
        '[[record.sinks]]\nurl = "a.csv"\n[[record.sinks]]\nurl = "b.csv"\nkeep = "90 days"'
    ),
    "record.sinks\\[0\\].compress=true: .parquet files are not compressed .*": (
        '[[record.sinks]]\nurl = "run.parquet"\nrotate = "1 day"\ncompress = true'
    ),
    "record.sinks\\[0\\].rotate='1 day': only files are rotated, .*": (
        '[[record.sinks]]\nurl = "postgresql://me:geheim@host/lab"\nrotate = "1 day"'
    ),
    "record.sinks\\[0\\].keep='2 years': give partition, such as '1 month'": (
        '[[record.sinks]]\nurl = "postgresql://me:geheim@host/lab"\nkeep = "2 years"'
    ),
    "record.sinks\\[0\\].keep='20 GB': allowed are a number of days, .*": (
        '[[record.sinks]]\nurl = "postgresql://me:geheim@host/lab"\npartition = "1 day"\n'
        'keep = "20 GB"'
    ),
    "record.sinks\\[0\\].partition='2 days': give \"1 day\", .*; only for PostgreSQL": (
        '[[record.sinks]]\nurl = "postgresql:///lab"\npartition = "2 days"'
    ),
    "record.sinks\\[0\\].partition='1 day': only tables of PostgreSQL have parts; .*": (
        '[[record.sinks]]\nurl = "run.csv"\npartition = "1 day"'
    ),
    "record.sinks\\[0\\].keep='2 years': give a time .*": (
        '[[record.sinks]]\nurl = "run.csv"\nrotate = "1 day"\nkeep = "2 years"'
    ),
    "record.sinks\\[0\\].keep=7: give a time .*": (
        '[[record.sinks]]\nurl = "run.csv"\nrotate = "1 day"\nkeep = 7'
    ),
    "record.sinks\\[0\\].url='\\${NO_SUCH}.csv': the environment variable NO_SUCH is not set; .*": (
        '[[record.sinks]]\nurl = "${NO_SUCH}.csv"'
    ),
    "record.metadata.x='\\${USER': write \\${NAME} for a variable, or \\$\\$ for a \\$": (
        '[record.metadata]\nx = "${USER"'
    ),
}


@pytest.mark.parametrize(("problem", "text"), PROBLEMS.items(), ids=range(len(PROBLEMS)))
def test_a_problem_names_the_key_the_value_and_what_is_allowed(
    problem: str, text: str, problems_of: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    # The controller comes first: keys without a heading belong to the port.
    base = '[controllers.oven]\nport = "line"\n[ports.line]\nport = "/dev/ttyUSB0"\n'
    (found,) = problems_of(base + text)
    assert re.fullmatch(problem, found), found
    assert "geheim" not in found


@pytest.mark.parametrize(
    "text",
    [
        "timeout = 0",
        "timeout = 3600.1",
        "retries = -1",
        "stopbits = 3",
        "[controllers.b]\nport = 'line'\naddress = 256",
        "[controllers.b]\nport = 'line'\naddress = 2\nregisters_per_read = 1",
        "[controllers.b]\nport = 'line'\naddress = 2\nregisters_per_read = 126",
        "[record]\nrate_hz = 0",
        "[record]\nrate_hz = 1000001",
        "[record]\ninstances = [0]",
        "[record]\nduration = 0",
        "[record]\nduration = 1000000001",
    ],
)
def test_a_number_out_of_range_is_refused(text: str, problems_of: Problems) -> None:
    base = '[controllers.a]\nport = "line"\n[ports.line]\nport = "COM3"\nprotocol = "modbus_rtu"\n'
    (found,) = problems_of(base + text)
    key, number = text.split("\n")[-1].split(" = ")
    assert f"{key}=" in found or f"{key}[0]=" in found
    assert f"={number.strip('[]')}: give " in found


def test_all_problems_are_reported_together(problems_of: Problems) -> None:
    found = problems_of("""
[ports.line]
port = "/dev/ttyUSB0"
baudrte = 9600
retries = "1"
[ports.second]
protocol = "modbus"
[controllers.a]
port = "line"
address = 3
[controllers.b]
port = "line"
address = 3
[controllers.c]
port = "second"
[controllers.d]
port = "third"
[record]
parameters = [1.5, 2.5, "proces_value", "setpoit"]
[[record.sinks]]
url = "run.xls"
""")
    assert [re.split("[:=]| is ", each)[0] for each in found] == [
        "ports.line.retries",
        "ports.line.baudrte",
        "ports.second.port",
        "ports.second.protocol",
        "record.parameters[0]",
        "record.parameters[1]",
        "record.sinks[0].url",
        "controllers.b.address",
        "controllers.d.port",
        "record.parameters",
        "record.parameters",
    ]


def test_a_file_without_controllers_is_refused(problems_of: Problems) -> None:
    assert problems_of("") == [
        "controllers is missing: give at least one table, such as [controllers.oven]"
    ]


def test_a_syntax_error_has_its_line(problems_of: Problems) -> None:
    (found,) = problems_of('[ports.line]\nport = "/dev/ttyUSB0"\naddress 1\n')
    assert found.startswith("not valid TOML: ")
    assert "line 3" in found


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"no\.toml: cannot be read: No such file"):
        load_rig(tmp_path / "no.toml")
    with pytest.raises(WatlowConfigurationError, match="cannot be read: Is a directory"):
        load_rig(tmp_path)
    (tmp_path / "rig.toml").write_bytes(b'# \xe9\n[ports.a]\nport = "b"')
    with pytest.raises(WatlowConfigurationError, match=r"rig\.toml: not UTF-8 at byte 2"):
        load_rig(tmp_path / "rig.toml")
    with pytest.raises(WatlowConfigurationError, match="path=3: give a file"):
        load_rig(3)  # type: ignore[arg-type]


def test_a_byte_order_mark_is_accepted(load: Load) -> None:
    assert list(load("\N{BYTE ORDER MARK}" + SMALL).controllers) == ["oven"]


def test_environment_variables_are_replaced_in_texts(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RIG_PORT", "/dev/ttyACM7")
    monkeypatch.setenv("RIG_WORD", "with ${RIG_PORT} and $$")
    rig = load(
        SMALL.replace("/dev/ttyUSB0", "${RIG_PORT}")
        + '[record.metadata]\nx = ["$${RIG_PORT} $5 $$", "${RIG_WORD}"]\n'
        + '[[record.sinks]]\nurl = "${RIG_PORT}.csv"'
    )
    assert rig.ports["line"].port == "/dev/ttyACM7"
    assert rig.record.metadata["x"] == ("${RIG_PORT} $5 $", "with ${RIG_PORT} and $$")
    assert rig.record.sinks[0].url == "/dev/ttyACM7.csv"


def test_the_values_of_variables_are_not_shown(
    load: Load, problems_of: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "geheim")
    sink = '[[record.sinks]]\nurl = "{}"\n'
    found = problems_of(
        SMALL.replace('"line"', '"${SECRET}"')
        + '[record]\nparameters = ["${SECRET}", "a ${SECRET}"]\nshow_unit = "${SECRET}"\n'
        + sink.format("${SECRET}")
        + sink.format("mysql://me:${SECRET}@host/lab")
    )
    assert len(found) == 6
    assert not [each for each in found if "geheim" in each]
    assert not [each for each in found if "SECRET" not in each and "***" not in each]
    rig = load(SMALL + sink.format("postgresql://me:${SECRET}@host/lab"))
    assert rig.record.sinks[0].url == "postgresql://me:geheim@host/lab"
    assert "geheim" not in repr(rig)


def test_a_variable_that_is_not_utf_8_is_refused(
    problems_of: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIG_PORT", "/dev/geheim\udcff")
    (found,) = problems_of(SMALL.replace("/dev/ttyUSB0", "${RIG_PORT}"))
    assert found.startswith("ports.line.port='${RIG_PORT}': ")
    assert "half of a character" in found
    assert "geheim" not in found


def test_the_values_cannot_be_changed(load: Load) -> None:
    rig = load(FULL)
    for value, name in [
        (rig, "path"),
        (rig.ports["line1"], "port"),
        (rig.controllers["retort"], "address"),
        (rig.record, "sinks"),
        (rig.record.sinks[0], "url"),
    ]:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)
    mappings: list[Any] = [rig.ports, rig.controllers, rig.record.metadata, rig.record.rates]
    for mapping in [*mappings, rig.record.metadata["samples"][1]]:
        with pytest.raises(TypeError):
            mapping["new"] = 1
    rig.record_arguments()["parameters"].clear()
    assert rig.record_arguments()["parameters"] == ["process_value", 7001]


def test_a_rig_can_be_copied(load: Load) -> None:
    rig = load(FULL)
    assert copy.deepcopy(rig) == pickle.loads(pickle.dumps(rig)) == rig


OPENED_BY_A_SECOND_CALL = """
import sys, watlowlib

watlowlib.load_rig(sys.argv[1])
opened = []
kinds = ("open", "os.", "socket.", "sqlite3.", "subprocess.")
sys.addaudithook(
    lambda event, args: opened.append(f"{event} {args[0]}") if event.startswith(kinds) else None
)
watlowlib.load_rig(sys.argv[1])
print(*opened, sep="\\n")
"""


def test_load_rig_opens_only_the_file(tmp_path: Path) -> None:
    file = tmp_path / "rig.toml"
    file.write_text(FULL, "utf-8")
    assert run_script(OPENED_BY_A_SECOND_CALL, str(file)) == f"open {file}\n"
    assert [each.name for each in tmp_path.iterdir()] == ["rig.toml"]


def test_pydantic_is_loaded_only_by_load_rig(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(SMALL, "utf-8")
    load = f"watlowlib.load_rig({str(tmp_path / 'rig.toml')!r})"
    assert "pydantic" not in modules_after("from watlowlib import open_device, WatlowManager, Rig")
    assert "pydantic" in modules_after(f"import watlowlib; {load}")


def test_the_example_of_the_page_is_valid(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "Kim")
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    rig = load(text)
    assert list(rig.controllers) == ["oven_top", "oven_bot"]
    assert rig.record.metadata["operator"] == "Kim"


@pytest.mark.parametrize("table", ["[ports.line]", "[controllers.oven]"])
def test_a_shown_unit_needs_the_scale_of_each_controller(table: str, load: Load) -> None:
    text = SMALL + '[record]\nshow_unit = "C"\n'
    with pytest.raises(WatlowConfigurationError) as caught:
        load(text)
    assert "record.show_unit='C': the scale of controllers.oven on the wire" in str(caught.value)
    load(text.replace(table, f'{table}\ntemperature_unit = "F"'))
    modbus = text.replace('"/dev/ttyUSB0"', '"/dev/ttyUSB0"\nprotocol = "modbus_rtu"')
    load(modbus.replace('port = "line"', 'port = "line"\nfamily = "sd"'))  # reports its scale


def test_alarms_of_a_series_sd_are_a_problem(load: Load) -> None:
    text = SMALL.replace('"/dev/ttyUSB0"', '"/dev/ttyUSB0"\nprotocol = "modbus_rtu"')
    text += "[record]\nalarms = 0.2\n"
    load(text)
    with pytest.raises(WatlowConfigurationError, match=r"record\.alarms=0\.2: a Series SD does"):
        load(text.replace('port = "line"', 'port = "line"\nfamily = "sd"'))
