"""No message, log line, repr or file shows the password of a URL or a connection string."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from watlowlib import (
    ParquetSink,
    WatlowConfigurationError,
    WatlowManager,
    WatlowSinkError,
    find_devices,
    labview,
    open_device,
    open_sink,
    read_samples,
    record,
)
from watlowlib._internal.validation import masked, shown
from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus
from watlowlib.sync import Watlow

SECRET = "hunter2"
URL = f"postgressql://ann:{SECRET}@db.example/lab"
"""A URL with a mistyped scheme."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann:hunter2@db/lab", "postgresql://ann:***@db/lab"),
        ("x://ann:hun ter2@db/lab", "x://ann:***@db/lab"),
        ("x://ann:h@u:n/t@er2@db/lab", "x://ann:***@db/lab"),
        ("x://ann@tenant:hunter2@db/lab", "x://ann@tenant:***@db/lab"),
        ("x://:hunter2@db", "x://:***@db"),
        ("x:/ann:hunter2@db", "x:/ann:***@db"),
        ("x//ann:hunter2@db", "x//ann:***@db"),
        ("ann:hunter2@db/lab", "ann:***@db/lab"),
        ("postgresql:ann:hunter2@db/lab", "postgresql:***@db/lab"),
        ("x://db/lab?user=ann&password=hunter2", "x://db/lab?user=ann&password=***"),
        ("host=db password=hunter2 user=ann", "host=db password=*** user=ann"),
        (r"host=db PASSWORD = 'hun\' ter2' user=ann", "host=db PASSWORD = *** user=ann"),
        ("password='hunter2", "password=***"),
        (r"password=hun\ ter2 user=ann", "password=*** user=ann"),
        ("PGPASSWORD=hunter2", "PGPASSWORD=***"),
        ("x://ann:hunter2@db, zone2@tcp://host:502", "x://ann:***@db, zone2@tcp://host:502"),
        ("zone2@tcp://host:502, x://ann:hunter2@db", "zone2@tcp://host:***@db"),
        ("x://ann:zone2@tcp://db", "x://ann:***@tcp://db"),
    ],
)
def test_passwords_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert shown(text) == repr(expected)
    assert shown([text, (text,), {"sink": text}]) == repr(
        [expected, (expected,), {"sink": expected}]
    )


@pytest.mark.parametrize(
    "text",
    [
        "/dev/ttyUSB0",
        "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
        "socket://host:4001",
        "1@socket://host:4001",
        "zone1@tcp://host:502, zone2@tcp://host:502",
        "'1@socket://host:4001', '2@socket://host:4001'",
        "postgresql://ann@db:5432/lab",
        "C:\\data\\run@2.csv",
        "C:/data/run@2.csv",
        "oven: top @ 3",
        "2025-01-31T12:30@oven.csv",
        "passfile=/home/ann/.pgpass",
    ],
)
def test_other_texts_are_shown_as_they_are(text: str) -> None:
    assert masked(text) == text
    assert shown([text, text]) == repr([text, text])


def record_rates(parameters: Any, **options: Any) -> None:
    with SimulatedBus([1]) as bus, open_device(bus.port) as ctl:
        record(ctl, parameters=parameters, **options)


CALLS: dict[str, Callable[[str], object]] = {
    "open_sink": open_sink,
    "open_sink with an ending": lambda url: open_sink(url + ".csv"),
    "open_sink of a path": lambda url: open_sink(Path(url)),
    "read_samples": read_samples,
    "read_samples with an ending": lambda url: read_samples(url + ".db"),
    "read_samples of a path": lambda url: read_samples(Path(url + ".parquet")),
    "read_samples table": lambda url: read_samples("run.db", table=url),
    "ParquetSink": lambda url: ParquetSink(Path(url) / "run.parquet").open(),
    "ParquetSink compression": lambda url: ParquetSink("a.parquet", compression=url),
    "open_device": open_device,
    "open_device protocol": lambda url: open_device("/dev/ttyUSB77", protocol=url),
    "open_device address": lambda url: open_device("/dev/ttyUSB77", address=url),  # type: ignore[arg-type]
    "open_device unit": lambda url: open_device("/dev/ttyUSB77", temperature_unit=url),
    "find_devices": lambda url: find_devices(["/dev/ttyUSB77", url]),
    "WatlowManager.add": lambda url: WatlowManager().add("oven", url),
    "WatlowManager.get": lambda url: WatlowManager().get(url),
    "WatlowManager.record_to_sink": lambda url: WatlowManager().record_to_sink(
        parameters="pv",
        rate_hz=1.0,
        sink=url,  # type: ignore[arg-type]
    ),
    "record parameters": lambda url: record_rates(url, rate_hz=1.0),
    "record rates": lambda url: record_rates({url: -1.0}),
    "Watlow.open": Watlow.open,
    "labview.open_controller": labview.open_controller,
    "labview.discover": labview.discover,
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("url", [URL, f"postgresql://ann:{SECRET}@db/lab"])
def test_no_error_shows_a_password(
    name: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        result = repr(CALLS[name](url))
    except Exception as error:
        result = str(error)
    assert result
    assert SECRET not in result
    assert list(tmp_path.iterdir()) == []


def test_labview_recordings_show_no_password(bus: SimulatedBus) -> None:
    handle = labview.open_controller(bus.port)
    try:
        with pytest.raises(
            RuntimeError, match=r"'postgressql://ann:\*\*\*@.* did you mean"
        ) as caught:
            labview.start_recording([handle], ["pv"], 1.0, URL)
    finally:
        labview.close_all()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "scheme", ["postgressql", "postgrsql", "postgres+psycopg", "POSTGRESQL", "psql"]
)
def test_a_mistyped_scheme_suggests_the_right_one(scheme: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"did you mean postgresql://\?$"):
        open_sink(f"{scheme}://ann@db.example/lab")
    with pytest.raises(WatlowConfigurationError, match=r"known are .* and postgresql://$"):
        open_sink("mysql://ann@db.example/lab.csv")


def test_reading_a_database_that_refuses_shows_no_password(tmp_path: Path) -> None:
    stored = read_samples(f"postgresql://ann:{SECRET}@/lab?host={tmp_path}")
    with pytest.raises(WatlowSinkError, match=r"lab\.public\.samples could not be read") as caught:
        list(stored)
    assert SECRET not in str(caught.value) + repr(stored)
    assert caught.value.__context__ is None
    with pytest.raises(WatlowConfigurationError, match="give a file, a folder, a pattern or"):
        read_samples(f"mysql://ann:{SECRET}@db/lab.db")


@pytest.mark.parametrize(
    "words",
    [
        "record --simulate 1 -o {url}",
        "record --simulate 1 {url} --duration 1",
        "record --simulate 1 --parameter pv {url}",
        "record --simulate 1 --parameter {url} --duration 1 -o run.csv",
        "record --simulate {url} -o run.csv",
        "record --simulate 1 --rate={url} -o run.csv",
        "record --simulate 1 --duration={url} -o run.csv",
        "record --simulate 1 --outptu={url}",
        "record --simulate 1 --protocol {url} -o run.csv",
        "record {url} -o run.csv",
        "record --config {url} -o run.csv",
        "record --simulate 1 --output {url} --duration 1",
        "record --simulate 1 --output {url}.parquet",
        "set {url} setpoint 5",
        "set /dev/ttyUSB77 setpoint {url}",
        "configure {url} --new-address 5",
        "identify --config {url}",
        "doctor {url}",
        "doctor --config {url}",
        "check {url}",
        "init {url}",
        "init /dev/ttyUSB77 -o {url}",
        "recover {url}",
        "recover {url}.csv",
        "read {url}",
        "read {url} {url}",
        "discover {url}",
        "discover --address {url}",
        "discover --baudrate {url}",
        "parameters {url}",
        "simulate {url}",
        "{url}",
    ],
)
@pytest.mark.parametrize("url", [URL, f"host=db password={SECRET} user=ann"])
def test_the_command_shows_no_password(
    words: str,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG, logger="watlowlib")  # restores what -vv sets
    given = ["-vv", *(word.format(url=url) for word in words.split())]
    code = main(given)
    output = capsys.readouterr()
    assert code in (1, 2)
    assert output.err
    assert SECRET not in output.out + output.err + caplog.text
    assert list(tmp_path.iterdir()) == []


def test_the_command_suggests_the_right_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--simulate", "1", "--parameter", "pv", "-o", URL]) == 2
    assert "did you mean postgresql://?" in capsys.readouterr().err
