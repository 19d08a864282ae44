"""`watlowlib plot`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.views.recordings import run
from watlowlib import open_sink
from watlowlib.cli.main import main

pytestmark = pytest.mark.usefixtures("fonts")


@pytest.fixture(autouse=True)
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording in the working directory."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    with open_sink("run.sqlite") as sink:
        sink.write_many(list(run()))


def test_plot_writes_a_picture_of_the_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("plot run.sqlite -o run.png --size 640x480 --device oven".split()) == 0
    assert capsys.readouterr() == ("run.png: written\n", "")
    data = Path("run.png").read_bytes()
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (640, 480)


def test_plot_prints_step_responses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("plot run.sqlite -o run.png --step".split()) == 0
    first, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("oven, 2026-03-01 ")
    assert "set point 100 to 150 °F, rise 9.8" in first
    assert main("plot run.sqlite -o run.png --step --band 10 --json".split()) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["changed_at"], found["band"]) == ("2026-03-01T12:00:20.000000+00:00", 5.0)
    assert main("plot run.sqlite -o run.png --step --until 2026-03-01T12:00:10".split()) == 0
    assert "no set point with a process value changes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("missing.sqlite -o run.png", 1, "there is no file 'missing.sqlite'"),
        ("run.sqlite -o run.gif", 2, "known are .png, .svg, .pdf, .html"),
        ("run.sqlite -o run.png --size 640", 2, "such as 1280x800"),
        ("run.sqlite -o run.png --device ofen", 2, "the devices are oven"),
    ],
)
def test_plot_says_what_is_wrong(
    words: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", *words.split()]) == code
    assert message in capsys.readouterr().err
    assert not list(Path().glob("*run*.png"))
