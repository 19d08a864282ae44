"""`watlowlib replay`, and `--capture` of `watlowlib record`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus
from watlowlib.transport.capture_lines import read_capture

LINES = [
    {"t": 0.0, "what": "start", "format": 1},
    {"t": 0.25, "port": "p", "protocol": "stdbus", "what": "opened"},
    {
        "t": 0.5,
        "port": "p",
        "protocol": "stdbus",
        "what": "sent",
        "raw": "55 ff 05 10 00 00 06 e8 01 03 01 04 01 01 e3 99",
    },
    {"t": 0.75, "port": "p", "protocol": "stdbus", "what": "received", "raw": "00 55 ff 06 00"},
    {"t": 0.9, "port": "q", "protocol": "modbus_rtu", "what": "sent", "raw": "28 03"},
    {
        "t": 1.0,
        "port": "p",
        "protocol": "stdbus",
        "what": "received",
        "raw": "10 00 0b 88 02 03 01 04 01 01 08 45 1e 3c d4 a7 28",
    },
    {"t": 1.5, "port": "p", "protocol": "stdbus", "what": "timeout"},
    {"t": 1.6, "what": "dropped", "count": 3},
    {
        "t": 1.75,
        "port": "q",
        "what": "failed",
        "call": "read",
        "error": "WatlowConnectionError",
        "message": "the port was lost",
    },
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A capture whose last line is cut short."""
    path = tmp_path / "wire.jsonl"
    lines = [
        json.dumps({"utc": f"2026-03-01T08:00:{number:02}Z", **line})
        for number, line in enumerate(LINES)
    ]
    path.write_text("\n".join([*lines, '{"utc": "2026-']), "utf-8")
    return path


def test_a_capture_is_printed_with_its_frames_explained(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(file)]) == 0
    output = capsys.readouterr()
    heads = [line for line in output.out.splitlines() if not line.startswith(" ")]
    assert heads == [
        "2026-03-01T08:00:00Z +0.000000 s the capture begins",
        "2026-03-01T08:00:01Z +0.250000 s p opened",
        "2026-03-01T08:00:02Z +0.500000 s p sent",
        "2026-03-01T08:00:04Z +0.900000 s q sent",
        "2026-03-01T08:00:03Z +0.750000 s p received",
        "2026-03-01T08:00:06Z +1.500000 s p no more bytes before the timeout",
        "2026-03-01T08:00:07Z +1.600000 s 3 lines are missing, not written in time",
        "2026-03-01T08:00:08Z +1.750000 s q read failed: WatlowConnectionError: the port was lost",
    ]
    # The reply came in two portions, after a byte of noise.
    assert "  Standard Bus, no frame, 1 byte" in output.out
    assert "  Standard Bus, read reply, 21 bytes" in output.out
    assert "4001 process_value, instance 1" in output.out
    assert output.err == f"{str(file)!r}: line 10 is damaged, and left out\n"


def test_a_capture_cannot_control_the_terminal(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"utc": "2026-03-01T08:00:00Z", "t": 0, "port": "\x1b[2J", "what": "a\nb\udcff"}
    file.write_text(json.dumps(line), "utf-8")
    assert main(["replay", str(file)]) == 0
    assert capsys.readouterr().out == "2026-03-01T08:00:00Z +0.000000 s ?[2J a?b?\n"


def test_json_has_the_lines_and_the_frames(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file), "--json", "--address", "1"]) == 0
    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(row["line"], row["what"]) for row in rows] == [
        (1, "start"),
        (3, "sent"),
        (4, "received"),
        (7, "timeout"),
        (8, "dropped"),
    ]
    assert [frame["kind"] for frame in rows[2]["frames"]] == ["no frame", "read reply"]
    assert rows[2]["address"] == 1


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--port", "q"], [1, 5, 8, 9]),
        (["--since", "2026-03-01T08:00:04", "--until", "2026-03-01T10:00:07+02:00"], [5, 6, 7]),
        (["--address", "40"], [1, 5, 8, 9]),
    ],
)
def test_lines_are_selected(
    options: list[str], lines: list[int], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(file), "--json", *options]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert sorted(json.loads(row)["line"] for row in rows) == lines


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["missing.jsonl"], 2, "'missing.jsonl' cannot be read: No such file or directory; give"),
        (["."], 2, "'.' cannot be read: Is a directory"),
        (["other.csv"], 2, "'other.csv' has no line of a capture; give a file that was written"),
        (["other.csv", "--since", "noon"], 2, "'noon': give a time such as 2026-05-01T12:00"),
        (
            ["empty.jsonl"],
            1,
            "empty.jsonl has no bytes of a port: nothing was captured, or not yet",
        ),
        (["empty.jsonl", "--port", "p"], 1, "empty.jsonl has no bytes of a port"),
        (["wire.jsonl", "--port", "r"], 1, "wire.jsonl has no such line; its ports are p, q"),
    ],
)
def test_an_error_says_what_to_do(
    words: list[str],
    code: int,
    message: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(file.parent)
    Path("other.csv").write_text("a,b\n", "utf-8")
    Path("empty.jsonl").touch()
    assert main(["replay", *words]) == code
    assert message in capsys.readouterr().err


def test_record_writes_a_capture(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture, rows = tmp_path / "wire.jsonl", tmp_path / "run.csv"
    words = ["--address", "1,2", "--duration", "0.2", "--rate", "10", "--timeout", "5"]
    assert main(["record", bus.port, *words, "-o", str(rows), "--capture", str(capture)]) == 0
    sent = [line.data for line in read_capture(capture) if line.what == "sent"]
    assert {data[3] for data in sent} == {0x10, 0x11}  # both controllers
    assert main(["record", bus.port, "--capture-bytes", "200000"]) == 2
    assert "--capture-bytes needs --capture FILE" in capsys.readouterr().err


def test_a_rig_file_names_the_capture_of_a_port(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        f'[ports.line]\nport = "{bus.port}"\ncapture = "wire.jsonl"\ntimeout = 5.0\n'
        '[controllers.oven]\nport = "line"\n',
        "utf-8",
    )
    assert main(["read", "--config", str(rig)]) == 0
    assert "sent" in {line.what for line in read_capture(tmp_path / "wire.jsonl")}
