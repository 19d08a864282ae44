"""The zip file for a bug report."""

from __future__ import annotations

import getpass
import json
import logging
import platform
import zipfile
from pathlib import Path

import pytest

import watlowlib
from watlowlib.diagnosis import Finding, Result, write_bundle
from watlowlib.diagnosis.bundle import RunLog
from watlowlib.diagnosis.redact import Redactor
from watlowlib.errors import WatlowConfigurationError

SECRET = "Geheim-77"
RIG = f"""
# the password is {SECRET}
[ports.line]
port = "/dev/ttyUSB77"
[record]
rate_hz = 1.0
[record.metadata]
operator_password = "two {SECRET} words"
api_token = '''
{SECRET}
'''
[[record.sinks]]
url = "postgresql://ann:{SECRET}@db/lab"
[[record.sinks]]
url = "host=db password='{SECRET}' user=ann"
"""
LOG = [
    f"connecting to postgresql://ann:{SECRET}@db/lab",
    f"the token: {SECRET} was refused",
    f"environment {SECRET}",
    "/dev/ttyUSB77 address 1 sent 55 ff 05 10",
]


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The files of a bundle made by user `zoe-x` on `labor-pc`, from inputs full of secrets."""
    home = tmp_path / "zoe-x"
    home.mkdir()
    monkeypatch.setattr(getpass, "getuser", lambda: "zoe-x")
    monkeypatch.setattr(platform, "node", lambda: "labor-pc")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MY_DB_PASSWORD", SECRET)
    rig = home / "rig.toml"
    rig.write_text(RIG, "utf-8")
    findings = [
        Finding("port", "/dev/ttyUSB77", Result.OK, f"it exists in {home} on labor-pc"),
        Finding("controller", "one", Result.OK, "PM3", "", {"serial_number": 200001}),
        Finding("replies", "one", Result.WARNING, "late", "advice", {"port": {"timeouts": 3}}),
    ]
    write_bundle(
        tmp_path / "report.zip",
        findings,
        log=LOG,
        settings={"config": str(rig), "passwd": SECRET, "user": "zoe-x"},
        rig_file=rig,
    )
    return contents(tmp_path / "report.zip")


def test_a_bundle_has_what_a_bug_report_needs(packed: dict[str, str]) -> None:
    assert json.loads(packed["versions.json"])["python"] == platform.python_version()
    assert json.loads(packed["versions.json"])["watlowlib"] == watlowlib.__version__
    assert json.loads(packed["identity.json"]) == [{"subject": "one", "serial_number": 200001}]
    assert json.loads(packed["counters.json"]) == [{"subject": "one", "port": {"timeouts": 3}}]
    assert [each["check"] for each in json.loads(packed["findings.json"])] == [
        "port",
        "controller",
        "replies",
    ]
    assert "address 1 sent 55 ff 05 10" in packed["log.txt"]
    assert json.loads(packed["rig.json"])["ports"] == {"line": {"port": "/dev/ttyUSB77"}}
    assert json.loads(packed["settings.json"])["config"] == "~/rig.toml"


@pytest.mark.parametrize("secret", [SECRET, "zoe-x", "labor-pc"])
def test_a_bundle_has_no_secrets(secret: str, packed: dict[str, str]) -> None:
    assert {name for name, text in packed.items() if secret in text} == set()


def test_a_secret_that_is_in_no_variable_is_masked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_DB_PASSWORD", raising=False)
    redactor = Redactor()
    for text in (*LOG[:2], f"password = {SECRET} {SECRET}", f"'api_key': '{SECRET}'"):
        assert SECRET not in redactor.text(text)
    assert redactor.value({"token": SECRET, "a": [{"pwd": [SECRET]}], "n": 1.5, "x": None}) == {
        "token": "***",
        "a": [{"pwd": "***"}],
        "n": 1.5,
        "x": None,
    }


@pytest.mark.parametrize(
    "name", ["passphrase", "db_pass", "pw", "api-key", "private_key", "access_key", "Authorization"]
)
def test_other_names_of_a_secret_are_masked(name: str) -> None:
    redactor = Redactor()
    assert redactor.value({name: SECRET}) == {name: "***"}
    assert redactor.text(f"{name}: {SECRET}") == f"{name}: ***"


def test_the_working_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/dev")
    monkeypatch.setenv("OLDPWD", "/dev/bus")
    assert Redactor().text("/dev/ttyUSB0 and /dev/bus") == "/dev/ttyUSB0 and /dev/bus"


def test_a_user_name_inside_a_word_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "pi")
    text = Redactor().text("pi opens a pipe of okapi in /run/pi/x")
    assert text == "USER opens a pipe of okapi in /run/USER/x"


def test_a_bundle_replaces_no_file(tmp_path: Path) -> None:
    (tmp_path / "report.zip").touch()
    with pytest.raises(WatlowConfigurationError, match="exists already"):
        write_bundle(tmp_path / "report.zip", [])
    with pytest.raises(WatlowConfigurationError, match="folder does not exist"):
        write_bundle(tmp_path / "no" / "report.zip", [])


def test_the_log_of_a_run_has_every_frame_and_others_get_what_they_got(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = logging.getLogger("watlowlib.wire")
    with RunLog() as log:
        assert wire.isEnabledFor(logging.DEBUG)
        wire.debug("a frame")
        wire.warning("a warning")
    assert [line.split(" ", 2)[2] for line in log.lines] == [
        "DEBUG watlowlib.wire a frame",
        "WARNING watlowlib.wire a warning",
    ]
    assert caplog.messages == ["a warning"]
    assert not wire.isEnabledFor(logging.DEBUG)
    assert logging.getLogger("watlowlib").propagate
