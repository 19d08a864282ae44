"""`watlowlib recover`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sinks.samples import many
from watlowlib import open_sink, read_samples
from watlowlib.cli.main import main
from watlowlib.sinks.parquet.journal import journal_of


def test_recover_sets_a_torn_line_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.csv"
    with open_sink(path) as sink:
        sink.write_many(many(3))
    size = path.stat().st_size
    with path.open("a") as file:
        file.write("oven_top,1,st")
    assert main(["recover", str(path), str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: a torn last line of 13 bytes was moved to {path}.torn",
        f"{path}: the file is complete, nothing to do",
    ]
    assert Path(f"{path}.torn").read_text() == "oven_top,1,st"
    assert path.stat().st_size == size


def test_json_has_a_row_for_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "run.csv", tmp_path / "run.parquet"]
    for path in paths:
        with open_sink(path) as sink:
            sink.write_many(many(3))
            kept = journal_of(path).read_bytes() if path.suffix == ".parquet" else b""
    paths[1].unlink()
    journal_of(paths[1]).write_bytes(kept)
    with paths[0].open("a") as file:
        file.write("oven")
    assert main(["recover", "--json", *map(str, paths)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    same = {"rows_waiting": 0, "problem": None}
    assert rows == [
        {"file": str(paths[0]), "rows": 0, "bytes_set_aside": 4, **same},
        {"file": str(paths[1]), "rows": 3, "bytes_set_aside": 0, **same},
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_recover_accepts_a_file_with_other_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = tmp_path / f"run.{ending}"
    with open_sink(path) as sink:
        sink.write_many([{"gas": "N2", "pressure": 1.5}])
    with path.open("a") as file:
        file.write('{"gas')
    assert main(["recover", str(path)]) == 0
    message = f"{path}: a torn last line of 5 bytes was moved to {path}.torn\n"
    assert capsys.readouterr().out == message
    assert list(read_samples(path)) == [{"gas": "N2", "pressure": 1.5}]


def test_recover_leaves_a_sqlite_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.sqlite"
    with open_sink(path) as sink:
        sink.write_many(many(3))
    assert main(["recover", str(path)]) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("by_journal", [True, False])
def test_recover_takes_a_parquet_file_or_its_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], by_journal: bool
) -> None:
    path = tmp_path / "run.parquet"
    with open_sink(path) as sink:
        sink.write_many(many(3))
        data = journal_of(path).read_bytes()
    path.unlink()
    journal_of(path).write_bytes(data)
    name = str(journal_of(path) if by_journal else path)
    for rows in (3, 0):
        assert main(["recover", str(path) if not rows else name]) == 0
        assert capsys.readouterr().out == f"{path}: {rows:,} rows recovered\n"
    assert [row["value"] for row in read_samples(path)] == [0.0, 1.0, 2.0]
    assert list(tmp_path.iterdir()) == [path]


def test_recover_refuses_a_file_that_is_being_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.parquet"
    with open_sink(path) as sink:
        sink.write_many(many(3))
        assert main(["recover", str(path)]) == 1
        assert "is being written to by another sink" in capsys.readouterr().err
    assert len(list(read_samples(path))) == 3


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_recover_names_a_file_in_another_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = tmp_path / f"run.{ending}"
    path.write_text('a,b\n1"x"z,2\n')
    assert main(["recover", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"watlowlib: {path} could not be read: ")


def test_recover_names_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run.csv", "run.parquet", "run"):
        assert main(["recover", str(tmp_path / name)]) == 1
        assert "there is no file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
