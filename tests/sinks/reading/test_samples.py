"""Tests of `read_samples`: rows and tables of all file formats."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.sinks.samples import EVERY_KIND, many
from watlowlib import SqliteSink, WatlowConfigurationError, WatlowSinkError, open_sink, read_samples

SUFFIXES = ["csv", "jsonl", "sqlite", "parquet"]


@pytest.fixture(params=SUFFIXES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / f"run.{request.param}"
    with open_sink(made) as sink:
        sink.write_many(EVERY_KIND)
    return made


def test_rows_can_be_read_repeatedly(path: Path) -> None:
    stored = read_samples(path)
    assert list(stored) == list(stored)
    assert [row["device"] for row in stored] == [sample.device for sample in EVERY_KIND]
    assert [row["requested_at"] for row in stored] == [each.requested_at for each in EVERY_KIND]


def test_to_arrow_splits_numbers_and_text(path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = read_samples(path).to_arrow()
    assert table.num_rows == len(EVERY_KIND)
    assert table.column("requested_at").type == pa.timestamp("us", "UTC")
    numbers = [v.value if isinstance(v.value, (int, float)) else None for v in EVERY_KIND]
    assert table.column("value").to_pylist() == numbers
    assert table.column("value_text").to_pylist()[3:5] == ["71", "PM3R1CA-AAAAAAA"]


def test_to_pandas(path: Path) -> None:
    pytest.importorskip("pandas")
    frame = read_samples(path).to_pandas()
    assert list(frame["device"]) == [sample.device for sample in EVERY_KIND]
    assert frame["value"][0] == 72.4
    assert str(frame["requested_at"].dt.tz) == "UTC"


def test_to_polars(path: Path) -> None:
    pytest.importorskip("polars")
    # In a separate process: polars keeps threads that cannot be stopped.
    code = "import sys, watlowlib as w; f = w.read_samples(sys.argv[1]).to_polars()"
    command = [sys.executable, "-c", f"{code}; print(*f['value'][:2], f.height)", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert shown.stdout.split() == ["72.4", "72.0", str(len(EVERY_KIND))]


def test_empty_file_reads_as_empty_table(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with open_sink(tmp_path / "run.csv"):
        pass
    table = read_samples(tmp_path / "run.csv").to_arrow()
    assert (table.num_rows, table.column_names[0]) == (0, "device")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        with pytest.raises(WatlowSinkError, match="there is no file"):
            read_samples(tmp_path / f"no.{suffix}")


def test_unknown_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"known are \.csv, \.jsonl, \.sqlite"):
        read_samples(tmp_path / "run.xls")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_of_another_format_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    path.write_bytes(b'"not what it says' * 100 + b"\n\xff\xfe\n")
    with pytest.raises(WatlowSinkError):
        assert list(read_samples(path)) == []
        raise WatlowSinkError("no complete row")


def test_sqlite_table_is_selected_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, table="ovens") as sink:
        sink.write_many(many(3))
    assert len(list(read_samples(path, table="ovens"))) == 3
    with pytest.raises(WatlowSinkError, match="has no table 'samples'; there is 'ovens'"):
        list(read_samples(path))
    with pytest.raises(WatlowConfigurationError, match="allowed are letters"):
        read_samples(path, table="x; y")


def test_reading_does_not_change_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE samples (device, value)")
        database.execute("INSERT INTO samples VALUES ('a', 1)")
        database.commit()
    before = path.read_bytes()
    assert list(read_samples(path)) == [{"device": "a", "value": 1}]
    assert path.read_bytes() == before
