"""`watlowlib record --web` and `watlowlib serve` as a user runs them."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sinks.samples import FIRST
from tests.test_import import run_script
from tests.views.web.viewer import events, free_port
from watlowlib import CsvSink
from watlowlib.cli.main import main

pytest.importorskip("bottle")
pytest.importorskip("cheroot")
PATIENCE_S = 40.0
VIEWERS = 3


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command until the address of its page is printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "watlowlib", *words], cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"live page: (\S+)", process.stdout.readline())
        assert found
        yield process, found[1]
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def test_ctrl_c_ends_a_recording_with_viewers_and_keeps_its_rows(tmp_path: Path) -> None:
    words = ["record", "--simulate", "2", "--rate", "10", "-o", "run.csv", "--rotate", "1GB"]
    with running(*words, "--web", str(free_port()), cwd=tmp_path) as (process, url):
        with ExitStack() as stack:
            viewers = [stack.enter_context(events(url)) for _ in range(VIEWERS)]
            for each in viewers:
                while (state := each.next()) is not None and len(state["series"]) < 4:
                    pass
                assert state is not None
            assert state["title"] == "run.csv"  # not its folder
            assert [each["name"] for each in state["health"]["sinks"]] == ["run.csv"]
            process.send_signal(signal.SIGINT)
            for each in viewers:
                ended = each.until(ended=True)
                assert ended["health"]["ticks"] > 0
                while each.next() is not None:
                    pass
            output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
        rows = re.search(r"run\.csv: (\d+) rows written, 0 lost", output)
        assert rows
        assert int(rows[1]) == len((tmp_path / "run.csv").read_text().splitlines()) - 1
        assert "Traceback" not in output


def test_serve_follows_a_file_until_ctrl_c(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "run.csv") as sink:
        sink.write_many([FIRST])
        with running("serve", "run.csv", "--port", str(free_port()), cwd=tmp_path) as (
            process,
            url,
        ):
            with events(url) as viewer:
                values = []
                while (state := viewer.next()) is not None and values != [80.0]:
                    values = [each["number"] for each in state["series"]]
                    if values == [72.4]:
                        sink.write_many([replace(FIRST, value=80.0)])
                assert state is not None
                process.send_signal(signal.SIGINT)
                began_s = time.monotonic()
                output, _ = process.communicate(timeout=PATIENCE_S)
                assert time.monotonic() - began_s < PATIENCE_S / 2  # less than 1 s if idle
            assert process.returncode == 130
            assert "Traceback" not in output


def test_serving_loads_no_serial_library() -> None:
    modules = run_script("import watlowlib.cli.serve, watlowlib.views.web.server, sys\n"
                         "print(*sys.modules)").split()  # fmt: skip
    assert "watlowlib.views.web.stored" in modules
    assert not {name for name in modules if name.split(".")[0] in ("serial", "minimalmodbus")}
    assert not {"asyncio", "watlowlib.transport.serial_port"} & set(modules)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("serve missing.csv", "there is no file 'missing.csv'"),
        ("serve run.txt", "the file extension selects the format"),
        ("record --simulate 1 -o run.csv --web 0", "--web"),
        ("record --simulate 1 -o run.csv --web-host 0.0.0.0", "--web-host needs --web PORT"),
        ("record --simulate 1 -o run.csv --web {port}", "is in use by another program"),
    ],
)
def test_a_wrong_option_ends_the_command_before_anything_begins(
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(words.format(port=other.getsockname()[1]).split()) in (1, 2)
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
