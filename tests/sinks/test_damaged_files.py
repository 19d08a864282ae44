"""Damaged, rotated and replaced files: rows are kept or the sink refuses, never a silent loss."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sinks.samples import many
from watlowlib import CsvSink, JsonlSink, SqliteSink, WatlowSinkError, open_sink, read_samples
from watlowlib.cli.main import main
from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.parquet.journal import journal_of
from watlowlib.sinks.torn_line import ROW_LIMIT, torn_path

TEXT_FILES = ("run.csv", "run.jsonl")
TIMEOUT_S = 60


@pytest.fixture(params=TEXT_FILES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of a CSV or JSON Lines file."""
    name: str = request.param
    return tmp_path / name


def write(path: Path, rows: int, **options: str) -> None:
    with open_sink(path) as sink:
        sink.write_many(many(rows))


def make_sink(path: Path, on_replaced: str) -> TableSink:
    sinks = {".csv": CsvSink, ".jsonl": JsonlSink, ".sqlite": SqliteSink}
    sink: TableSink = sinks[path.suffix](path, on_replaced=on_replaced)  # type: ignore[operator]
    return sink


def test_a_stray_quote_removes_no_row(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    write(path, 10_000)
    lines = path.read_bytes().split(b"\r\n")
    lines[3] = lines[3].replace(b"oven", b'"oven', 1)
    damaged = b"\r\n".join(lines)
    path.write_bytes(damaged)
    with pytest.raises(
        WatlowSinkError, match=r'quotation mark \("\) in line 4 is not closed.*editor'
    ):
        CsvSink(path).open()
    assert path.read_bytes() == damaged
    assert main(["recover", str(path)]) == 1
    assert path.read_bytes() == damaged
    with pytest.raises(WatlowSinkError, match="in line 4 is not closed"):
        list(read_samples(path))


def test_a_stray_quote_in_a_short_file_removes_no_row(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    write(path, 5)
    path.write_bytes(path.read_bytes().replace(b"oven", b'"oven', 1))
    damaged = path.read_bytes()
    with pytest.raises(WatlowSinkError, match="in line 2 is not closed"):
        CsvSink(path).open()
    assert path.read_bytes() == damaged


def test_a_long_end_without_a_line_break_is_refused(path: Path) -> None:
    write(path, 3)
    with path.open("ab") as file:
        file.write(b"x" * (ROW_LIMIT + 1))
    damaged = path.read_bytes()
    lines = damaged.count(b"\n")
    with pytest.raises(WatlowSinkError, match=f"line {lines + 1} has {ROW_LIMIT + 1} bytes"):
        open_sink(path).open()
    assert path.read_bytes() == damaged


def test_a_long_first_line_is_refused(path: Path) -> None:
    data = b'{"device":"' + b"x" * (2 * ROW_LIMIT)
    path.write_bytes(data)
    with pytest.raises(WatlowSinkError, match="line 1 has"):
        open_sink(path).open()
    assert path.read_bytes() == data


def test_a_last_row_without_its_line_break_is_kept(tmp_path: Path) -> None:
    """An editor may remove the last line break; a JSON object is complete without it."""
    path = tmp_path / "run.jsonl"
    write(path, 3)
    path.write_bytes(path.read_bytes().rstrip())
    write(path, 1)
    assert len(list(read_samples(path))) == 4
    assert not torn_path(path).exists()


def test_a_last_csv_row_without_its_line_break_is_set_aside(tmp_path: Path) -> None:
    """Whether such a row is complete cannot be known: its last cell may be torn."""
    path = tmp_path / "run.csv"
    write(path, 3)
    data = path.read_bytes()
    path.write_bytes(data.rstrip())
    with CsvSink(path):
        assert torn_path(path).read_bytes() == data.rstrip().rpartition(b"\n")[2]
        assert len(list(read_samples(path))) == 2


def test_torn_lines_of_two_crashes_are_both_kept(path: Path) -> None:
    write(path, 3)
    for torn in (b'{"dev', b'{"device'):
        with path.open("ab") as file:
            file.write(torn)
        assert main(["recover", str(path)]) == 0
    assert torn_path(path).read_bytes() == b'{"dev{"device'
    write(path, 1)
    assert not torn_path(path).exists()


def test_recover_says_that_a_healthy_file_is_complete(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, 3)
    before = path.read_bytes()
    assert main(["recover", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: the file is complete, nothing to do\n"
    assert path.read_bytes() == before


def test_a_truncated_file_is_an_error_and_gets_no_hole(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write_many(many(5))
        os.truncate(path, 0)  # what the option copytruncate of logrotate does
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(1))
    assert path.read_bytes() == b""


def test_a_truncated_journal_is_an_error_and_gets_no_hole(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    with (
        pytest.raises(WatlowSinkError, match="changed by another program"),
        open_sink(path) as sink,
    ):
        sink.write_many(many(5))
        os.truncate(journal_of(path), 10)
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(1))
    assert journal_of(path).stat().st_size == 10


def test_a_truncated_file_is_continued_with_a_header(path: Path) -> None:
    with make_sink(path, "reopen") as sink:
        sink.write_many(many(5))
        shutil.copy(path, path.with_name("copy" + path.suffix))
        os.truncate(path, 0)
        sink.write_many(many(2))
        sink.write_many(many(1))
    assert len(list(read_samples(path.with_name("copy" + path.suffix)))) == 5
    assert len(list(read_samples(path))) == 3
    assert b"\0" not in path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed")
@pytest.mark.parametrize("name", [*TEXT_FILES, "run.sqlite"])
def test_a_file_that_was_moved_and_made_again_is_an_error(tmp_path: Path, name: str) -> None:
    path, moved = tmp_path / name, tmp_path / ("moved" + Path(name).suffix)
    with open_sink(path) as sink:
        sink.write_many(many(5))
        path.rename(moved)
        path.touch()
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(1))
    assert len(list(read_samples(moved))) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed")
@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("name", [*TEXT_FILES, "run.sqlite"])
def test_reopen_continues_in_a_new_file(
    tmp_path: Path, name: str, create: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path, moved = tmp_path / name, tmp_path / ("moved" + Path(name).suffix)
    caplog.set_level(logging.WARNING)
    with make_sink(path, "reopen") as sink:
        sink.write_many(many(5))
        path.rename(moved)
        if create:
            path.touch()
        sink.write_many(many(2))
        sink.write_many(many(1))
    assert len(list(read_samples(moved))) == 5
    assert len(list(read_samples(path))) == 3
    assert caplog.text.count("it is opened again") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed")
def test_a_moved_database_has_all_rows_after_close(tmp_path: Path) -> None:
    path, moved = tmp_path / "run.sqlite", tmp_path / "moved.sqlite"
    with SqliteSink(path) as sink:
        sink.write_many(many(5))
        path.rename(moved)
    assert len(list(read_samples(moved))) == 5


def test_reopen_refuses_a_file_with_other_columns(path: Path) -> None:
    with make_sink(path, "reopen") as sink:
        sink.write_many(many(1))
        path.unlink()
        path.write_text("gas,pressure\nN2,1.5\n" if path.suffix == ".csv" else '{"gas":"N2"}\n')
        with pytest.raises(WatlowSinkError):
            sink.write_many(many(1))


def test_rows_of_another_program_are_noticed(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write_many(many(1))
        with path.open("ab") as file:
            file.write(b"a line of another program\n")
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(1))


def test_an_unknown_on_replaced_is_refused(tmp_path: Path) -> None:
    for kind in (CsvSink, JsonlSink, SqliteSink):
        with pytest.raises(WatlowConfigurationError, match="allowed are raise, reopen"):
            kind(tmp_path / "run", on_replaced="ignore")


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="needs logrotate")
@pytest.mark.parametrize("method", ["copytruncate", "create"])
def test_logrotate_loses_no_row(tmp_path: Path, method: str) -> None:
    path, state = tmp_path / "run.csv", tmp_path / "state"
    settings = tmp_path / "settings"
    settings.write_text(f"su root root\n{path} {{\n  rotate 9\n  {method}\n}}\n")
    with CsvSink(path, on_replaced="reopen") as sink:
        for _ in range(3):
            sink.write_many(many(5))
            subprocess.run(
                ["logrotate", "--force", "--state", str(state), str(settings)],
                check=True,
                timeout=TIMEOUT_S,
            )
        sink.write_many(many(5))
    files = [file for file in tmp_path.iterdir() if file.name.startswith("run.csv")]
    assert len(files) == 4
    for file in files:
        file.rename(tmp_path / "one.csv")
        assert len(list(read_samples(tmp_path / "one.csv"))) == 5
