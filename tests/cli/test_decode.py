"""`watlowlib decode`."""

from __future__ import annotations

import io
import json
import random
import re
import sys
from pathlib import Path

import pytest

from watlowlib.cli.main import main

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "decode.md").read_text("utf-8")
READ_PV = "55 FF 05 10 00 00 06 E8 01 03 01 04 01 01 E3 99"


@pytest.mark.parametrize(
    ("given", "shown"), re.findall(r"\$ watlowlib decode \"(.*?)\"\n(.*?)```", PAGE, re.DOTALL)
)
def test_the_page_shows_what_is_printed(
    given: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", given]) == 0
    assert capsys.readouterr().out == shown


def test_the_page_has_a_frame() -> None:
    assert PAGE.count("$ watlowlib decode") >= 2


def test_the_captured_frames_are_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(TESTS / "data" / "captures.jsonl")]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.count("data CRC") == 12
    assert "line 4: Standard Bus, read reply" in output.out
    assert re.search(r"^  value +01 00 47 +PID \(71\)$", output.out, re.MULTILINE)


def test_json_has_null_for_a_value_that_is_not_finite(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = "55ff060010000b88020301040101087fc0000044a8"
    assert main(["decode", frame, "--json"]) == 0
    text = capsys.readouterr().out
    assert "NaN" not in text
    value = json.loads(text)["fields"][-2]
    assert (value["meaning"], value["matches"][0]["value"]) == ("nan", None)


def test_json_has_one_object_a_frame(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", *READ_PV.split(), "--json"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["protocol"], row["kind"], row["problems"]) == ("stdbus", "read request", [])
    parameter = row["fields"][7]
    assert (parameter["name"], parameter["data"]) == ("parameter", "04 01 01")
    assert parameter["matches"][0]["parameter_id"] == 4001


def test_a_damaged_frame_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", READ_PV.replace("E3", "E4")]) == 1
    output = capsys.readouterr()
    assert "DAMAGED: wrong, expected e3 99" in output.out
    assert output.err == "watlowlib: the frame is damaged\n"


def test_modbus_registers_are_named_with_their_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "# a request and its reply\n28 03 01 68 00 02 43 d2\n28 03 04 66 66 42 96 0c a8\nthe end\n"
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["decode", "-"]) == 0
    output = capsys.readouterr()
    assert "map 1 and 2: 4001 process_value, instance 1 = 75.2, low_high" in output.out
    assert output.err == "1 line without a frame skipped\n"


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("nofile.txt", 2, "neither a file nor a frame"),
        ("55 FF 0", 2, "'0' is not hex"),
        (str(TESTS), 2, "cannot be read"),
        ("", 2, "neither a file nor a frame"),
        ("ab" * 5000, 1, "the frame is damaged"),
    ],
)
def test_what_is_no_frame_is_refused(
    given: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", given]) == code
    assert message in capsys.readouterr().err


def test_lines_that_are_not_hex_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "frames.txt"
    file.write_text(f"{READ_PV}\n55 FG\n55 5\n")
    assert main(["decode", str(file)]) == 1
    output = capsys.readouterr()
    assert "read request" in output.out
    assert "line 2: 'FG' is not hex" in output.err
    assert "and 1 more such line" in output.err
    file.write_text("no\nframes\n")
    assert main(["decode", str(file)]) == 1
    assert "has no line with a frame" in capsys.readouterr().err


@pytest.mark.timeout(60)  # a time that grows with the square of the size takes longer
@pytest.mark.parametrize("protocol", [(), ("--protocol", "modbus_rtu")])
def test_a_long_damaged_frame_prints_a_bounded_explanation(
    protocol: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "garbage.txt"
    file.write_text((b"\x55\xff\x05" + random.Random(1).randbytes(150_000)).hex())
    assert main(["decode", str(file), *protocol]) == 1
    assert len(capsys.readouterr().out) < 20_000
