"""How many rows an existing file holds, and whether an output can be written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sinks.samples import many
from watlowlib import PostgresConfig, PostgresSink, WatlowSinkError, open_sink
from watlowlib.sinks import count
from watlowlib.sinks.check import check_output
from watlowlib.sinks.count import describe_existing


@pytest.mark.parametrize("ending", ["csv", "jsonl", "sqlite", "parquet"])
def test_the_rows_of_a_file_are_counted(ending: str, tmp_path: Path) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    sink = open_sink(tmp_path / f"run.{ending}")
    assert describe_existing(sink) == ""
    for rows in (1, 1234):
        with sink:
            sink.write_many(many(rows))
    assert describe_existing(sink) == "1,235 rows"


def test_large_texts_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = open_sink(tmp_path / "run.csv")
    with sink:
        sink.write_many(many(1))
    monkeypatch.setattr(count, "MOST_BYTES", 10)
    size = (tmp_path / "run.csv").stat().st_size
    assert describe_existing(sink) == f"{size:,} bytes"


@pytest.mark.parametrize("ending", ["sqlite", "parquet"])
def test_a_file_of_another_kind_is_not_counted(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"run.{ending}"
    path.write_text("something else")
    assert describe_existing(open_sink(path)) == ""


def test_a_database_is_not_counted(tmp_path: Path) -> None:
    config = PostgresConfig(dsn="postgresql:///lab")
    assert describe_existing(PostgresSink(config, spool=tmp_path / "spool")) == ""


@pytest.mark.parametrize("ending", ["csv", "jsonl", "sqlite", "parquet"])
def test_a_check_of_an_output_changes_nothing(ending: str, tmp_path: Path) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"run.{ending}"
    assert check_output(str(path)) == "a new file"
    assert list(tmp_path.iterdir()) == []
    with open_sink(path) as sink:
        sink.write_many(many(2))
    before = sorted(each.name for each in tmp_path.iterdir())
    assert check_output(str(path)) == "appending to 2 rows"
    assert sorted(each.name for each in tmp_path.iterdir()) == before


def test_a_check_names_what_is_wrong_with_an_output(tmp_path: Path) -> None:
    with pytest.raises(WatlowSinkError, match="there is no folder .*nowhere'; make it first"):
        check_output(str(tmp_path / "nowhere" / "run.csv"))
    (tmp_path / "run.csv").write_text("a,b\n1,2\n")
    with pytest.raises(WatlowSinkError, match="another header"):
        check_output(str(tmp_path / "run.csv"))
