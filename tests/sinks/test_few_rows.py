"""Samples that are converted one by one, and rows of mappings, in text files and SQLite."""

from __future__ import annotations

import csv
import errno
import json
import pickle
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from io import FileIO
from pathlib import Path

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST, START
from watlowlib import Sample, WatlowSinkError, open_sink, read_samples
from watlowlib.sinks import text
from watlowlib.sinks.rows import ROWS_ONE_BY_ONE

LAB = timezone(timedelta(hours=5, minutes=30))
ODD = [
    *EVERY_KIND,
    replace(FIRST, value=(1, 2)),
    replace(FIRST, value=True, tick=0),
    replace(FIRST, requested_at=datetime(2026, 3, 2, 1, 2, 3, tzinfo=LAB)),
    replace(FIRST, received_at=START - timedelta(microseconds=1)),
    replace(FIRST, midpoint_at=START + timedelta(seconds=59, microseconds=999_999)),
    replace(FIRST, device="=1+2", status="100%"),
]
SAMPLES = ODD * (1 + ROWS_ONE_BY_ONE // len(ODD))


def stored(path: Path, batches: Sequence[Sequence[Sample]]) -> object:
    """Write `batches`; return the bytes of the file, or the rows of the table."""
    with open_sink(path) as sink:
        for batch in batches:
            sink.write_many(batch)
    if path.suffix != ".sqlite":
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT *, typeof(value) FROM samples").fetchall()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "sqlite"])
def test_samples_are_stored_the_same_one_by_one_and_at_once(tmp_path: Path, suffix: str) -> None:
    assert len(SAMPLES) > ROWS_ONE_BY_ONE
    at_once = stored(tmp_path / f"once.{suffix}", [SAMPLES])
    assert stored(tmp_path / f"single.{suffix}", [[each] for each in SAMPLES]) == at_once


def test_a_line_of_a_single_sample_is_what_the_standard_library_reads(tmp_path: Path) -> None:
    sample = replace(
        FIRST, device='a "b", 100%', tick=7, scheduled_at=START + timedelta(hours=1), value=None
    )
    for suffix in ("csv", "jsonl"):
        stored(tmp_path / f"run.{suffix}", [[sample]])
    with (tmp_path / "run.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    found = json.loads((tmp_path / "run.jsonl").read_text("utf-8"))
    assert (row["device"], row["value"]) == (sample.device, "")
    assert (found["device"], found["value"]) == (sample.device, None)
    for each in (row, found):
        assert datetime.fromisoformat(each["received_at"]) == sample.received_at
        assert datetime.fromisoformat(each["scheduled_at"]) == sample.scheduled_at


def test_text_in_a_column_of_times_stays_one_cell(tmp_path: Path) -> None:
    first, second = {"at": START, "n": 1}, {"at": 'lunch, "long"', "n": 2}
    for suffix in ("csv", "jsonl"):
        with open_sink(tmp_path / f"run.{suffix}") as sink:
            sink.write_many([first])
            sink.write_many([second])
    with (tmp_path / "run.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = (tmp_path / "run.jsonl").read_text("utf-8").splitlines()
    assert [row["at"] for row in rows] == ["2026-03-01T12:00:00.000000+00:00", 'lunch, "long"']
    assert [json.loads(line)["at"] for line in lines] == [row["at"] for row in rows]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_part_of_a_failed_write_is_cut_off_before_the_next(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(file: FileIO, data: bytes) -> None:
        file.write(data[:10])
        monkeypatch.setattr(text.TextSink, "_cut_off_part", lambda sink, file: None)
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / f"run.{suffix}"
    with open_sink(path) as sink:
        sink.write_many([FIRST])
        before = path.read_bytes()
        with monkeypatch.context() as disk:
            disk.setattr(text, "write_all", fill_disk)
            with pytest.raises(WatlowSinkError, match="No space left"):
                sink.write_many([FIRST])
        assert len(path.read_bytes()) == len(before) + 10
        monkeypatch.undo()
        sink.write_many([FIRST])
        row = path.read_bytes()[len(before) :]
    assert before.endswith(row)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "sqlite"])
def test_a_closed_sink_that_has_written_can_be_copied(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    with open_sink(path) as sink:
        sink.write_many([FIRST])
    copied = pickle.loads(pickle.dumps(sink))
    with copied:
        copied.write_many([FIRST])
    assert [each["value"] for each in read_samples(path)] == [FIRST.value] * 2
