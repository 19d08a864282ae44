"""Sinks that rotate: names of parts, size, restarts, failures, what is kept, and reading."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import sqlite3
import sys
import threading
from collections import namedtuple
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import FIRST
from watlowlib import (
    CsvSink,
    ParquetSink,
    SqliteSink,
    WatlowConfigurationError,
    WatlowSinkError,
    open_sink,
    pipe,
    read_samples,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.sinks.meta_file import recordings_beside
from watlowlib.sinks.rotation import finisher, moving
from watlowlib.sinks.rotation.compress import compress
from watlowlib.sinks.rotation.finisher import Finisher
from watlowlib.sinks.rotation.names import PartNames
from watlowlib.sinks.rotation.policy import make_policy
from watlowlib.sinks.rotation.sink import RotatingSink

FORMATS = ["csv", "jsonl", "sqlite", "parquet"]
DAY = 86_400.0
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
Usage = namedtuple("Usage", "total used free")

formats = pytest.mark.parametrize("suffix", FORMATS)


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock()
    clock.step_wall(NOON.timestamp())
    return clock


@pytest.fixture
def rename_fails(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The errors of the next calls of rename; after them it works."""
    errors: list[Exception] = []

    def rename(old: Path, new: Path) -> None:
        if errors:
            raise errors.pop(0)
        os.rename(old, new)  # noqa: PTH104

    monkeypatch.setattr(moving, "rename", rename)
    monkeypatch.setattr(moving, "PAUSES_S", (0.0, 0.0, 0.0))
    return errors


class Writer:
    """Writes rows with the values 0, 1, 2, ... to a sink with a clock that is turned by hand."""

    def __init__(self, clock: ManualClock, path: Path, **options: Any) -> None:
        self.clock, self.path, self.options = clock, path, options
        self.count = 0
        self.open()

    def open(self) -> None:
        sink = open_sink(self.path, **self.options)
        assert isinstance(sink, RotatingSink)
        sink._clock = self.clock
        self.sink = sink
        sink.open()

    def write(self, rows: int = 3) -> None:
        first, self.count = self.count, self.count + rows
        self.sink.write_many([replace(FIRST, value=float(n)) for n in range(first, self.count)])

    def close(self) -> None:
        """Close the sink, as if the time were that of the clock."""
        self.sink.close()
        if self.path.exists():
            os.utime(self.path, (self.clock.utc().timestamp(),) * 2)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def files(self) -> list[str]:
        hidden = ("-wal", "-shm", ".journal")
        return sorted(
            each.name for each in self.path.parent.iterdir() if not each.name.endswith(hidden)
        )

    def check_rows(self) -> None:
        """Check that all rows are there once, in their order."""
        expected = [float(n) for n in range(self.count)]
        pattern = self.path.with_name(f"roll*{self.path.suffix}*")
        assert [row["value"] for row in read_samples(pattern)] == expected
        assert read_samples(self.path.parent).to_arrow().column("value").to_pylist() == expected


@formats
def test_a_part_has_the_rows_of_a_day_and_the_name_of_its_midnight(
    suffix: str, tmp_path: Path, clock: ManualClock
) -> None:
    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 day") as writer:
        for _ in range(6):
            writer.write()
            clock.advance(DAY / 2)
        writer.close()
    assert writer.files == [
        f"roll-20261121T000000Z.{suffix}",
        f"roll-20261122T000000Z.{suffix}",
        f"roll-20261123T000000Z.{suffix}",
        f"roll.{suffix}",
    ]
    writer.check_rows()
    first = read_samples(tmp_path / f"roll-20261121T000000Z.{suffix}")
    assert [row["value"] for row in first] == [0.0, 1.0, 2.0]


@formats
def test_a_part_ends_at_its_size_and_parts_of_one_time_have_numbers(
    suffix: str, tmp_path: Path, clock: ManualClock
) -> None:
    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 B") as writer:
        for _ in range(3):
            writer.write()
    assert writer.files == [
        f"roll-20261121T120000Z.{suffix}",
        f"roll-20261121T120000Z_0002.{suffix}",
        f"roll.{suffix}",
    ]
    writer.check_rows()


@formats
def test_a_file_of_an_earlier_day_becomes_a_part_when_it_is_opened(
    suffix: str, tmp_path: Path, clock: ManualClock
) -> None:
    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 day") as writer:
        writer.write()
        writer.close()
        writer.open()
        writer.write()  # on the same day: continued
        writer.close()
        assert writer.files == [f"roll.{suffix}"]
        clock.advance(DAY)
        writer.open()
        assert f"roll-20261121T000000Z.{suffix}" in writer.files
        writer.write()
    writer.check_rows()


@formats
@pytest.mark.parametrize("step_s", [-DAY, 400 * DAY])
def test_a_step_of_the_clock_never_makes_two_parts_of_one_name(
    step_s: float, suffix: str, tmp_path: Path, clock: ManualClock
) -> None:
    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 day") as writer:
        for step in (0.0, step_s, -step_s, step_s, -step_s):
            clock.step_wall(step)
            writer.write()
    names = writer.files
    assert len(names) == 5
    assert f"roll-20261121T000000Z_0002.{suffix}" in names
    rows = [row["value"] for row in read_samples(tmp_path)]
    assert sorted(rows) == [float(n) for n in range(writer.count)]


def test_compressed_parts_are_read_and_keep_their_metadata(
    tmp_path: Path, clock: ManualClock
) -> None:
    from tests.sinks.test_metadata import recording

    for suffix in ("csv", "jsonl"):
        folder = tmp_path / suffix
        folder.mkdir()
        path = folder / f"roll.{suffix}"
        with Writer(clock, path, rotate="1 day", compress=True) as writer:
            stream = recording(operator="ann")
            with stream:
                pipe(stream, writer.sink)
            clock.advance(DAY)
            writer.count = 0
            writer.write()
        part = next(folder.glob("roll-*.gz"))
        assert gzip.decompress(part.read_bytes()).count(b"\n") >= 5
        for source in (part, path, folder):
            found = read_samples(source).metadata
            assert [each["metadata"] for each in found] == [{"operator": "ann"}]
        assert recordings_beside(path)
        assert sorted(each.suffix for each in folder.iterdir()) == sorted(
            [f".{suffix}", ".gz", ".json", ".json"]
        )


@formats
def test_a_new_file_has_the_metadata_of_the_recording(
    suffix: str, tmp_path: Path, clock: ManualClock
) -> None:
    from tests.sinks.test_metadata import recording

    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 day") as writer:
        info = recording(operator="ann").info
        writer.sink.write_recording(info)
        writer.write()
        clock.advance(DAY)
        writer.write()
    for name in (f"roll-20261121T000000Z.{suffix}", f"roll.{suffix}"):
        assert [each["id"] for each in read_samples(tmp_path / name).metadata] == [info.id], name


@formats
def test_a_file_that_cannot_be_renamed_is_continued_and_renamed_later(
    suffix: str,
    tmp_path: Path,
    clock: ManualClock,
    rename_fails: list[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 day") as writer:
        writer.write()
        writer.close()
        writer.open()  # a Parquet file now has a file and a journal
        writer.write()
        clock.advance(DAY)
        rename_fails += [PermissionError("it is open")] * 4  # Windows: a reader has it open
        writer.write()
        assert "could not be rotated: it is open; the next rows are added to it" in caplog.text
        writer.write()  # not tried again at once
        assert not any(name.startswith("roll-") for name in writer.files)
        clock.advance(11)
        rename_fails += [PermissionError("it is open")] * 3  # the fourth try works
        writer.write()
    assert writer.files == [f"roll-20261121T000000Z.{suffix}", f"roll.{suffix}"]
    writer.check_rows()
    assert [row["value"] for row in read_samples(writer.path)] == [12.0, 13.0, 14.0]


def test_a_parquet_file_and_its_journal_are_renamed_together_or_not_at_all(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(old: Path, new: Path) -> None:
        if old.name == "_roll.parquet.journal":
            raise OSError("no permission")
        os.rename(old, new)  # noqa: PTH104

    monkeypatch.setattr(moving, "rename", rename)
    with Writer(clock, tmp_path / "roll.parquet", rotate="1 day") as writer:
        writer.write()
        writer.close()
        writer.open()
        writer.write()
        clock.advance(DAY)
        writer.write()
        assert writer.files == ["roll.parquet"]
    writer.check_rows()


@formats
def test_a_file_is_continued_when_no_new_one_can_be_opened(
    suffix: str, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    compress = suffix in ("csv", "jsonl")
    with Writer(clock, tmp_path / f"roll.{suffix}", rotate="1 day", compress=compress) as writer:
        writer.write()
        clock.advance(DAY)
        reopen = writer.sink._reopen
        errors = [WatlowSinkError("no more inodes")]
        assert writer.sink._rotation is not None
        thread = writer.sink._rotation._finisher

        def reopen_once(*kept: Any) -> None:
            if errors:
                thread.wake()  # it leaves alone the part that becomes the active file again
                assert thread.wait(30.0)
                raise errors.pop()
            reopen(*kept)

        monkeypatch.setattr(writer.sink, "_reopen", reopen_once)
        writer.write()
        assert not any(name.startswith("roll-") for name in writer.files)
    writer.check_rows()


def test_an_existing_part_is_never_overwritten(tmp_path: Path, clock: ManualClock) -> None:
    existing = tmp_path / "roll-20261121T000000Z.csv.gz"
    existing.write_bytes(gzip.compress(b"other rows"))
    with Writer(clock, tmp_path / "roll.csv", rotate="1 day") as writer:
        writer.write()
        clock.advance(DAY)
        writer.write()
    assert gzip.decompress(existing.read_bytes()) == b"other rows"
    assert "roll-20261121T000000Z_0002.csv" in writer.files


def test_a_sqlite_file_that_is_being_read_is_renamed_later(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with Writer(clock, tmp_path / "roll.sqlite", rotate="1 day") as writer:
        writer.write()
        clock.advance(DAY)
        with closing(sqlite3.connect(writer.path)) as reader:
            assert reader.execute("SELECT count(*) FROM samples").fetchall() == [(3,)]
            writer.write()
            assert "another program has it open" in caplog.text
            assert reader.execute("SELECT count(*) FROM samples").fetchall() == [(6,)]
        clock.advance(11)
        writer.write()
        assert "roll-20261121T000000Z.sqlite" in writer.files
    writer.check_rows()


def test_a_part_beside_its_compressed_file_is_read_once_and_deleted(
    tmp_path: Path, clock: ManualClock
) -> None:
    with Writer(clock, tmp_path / "roll.csv", rotate="1 day") as writer:
        writer.write()
        clock.advance(DAY)
        writer.write()
        writer.close()
        part = tmp_path / "roll-20261121T000000Z.csv"
        packed = tmp_path / "roll-20261121T000000Z.csv.gz"
        packed.write_bytes(gzip.compress(part.read_bytes()))
        (tmp_path / "roll-20261121T000000Z.csv.gz.tmp").write_bytes(b"half")
        writer.check_rows()
        writer.open()
    assert not part.exists()
    writer.check_rows()


def test_a_part_that_is_compressed_after_it_was_found_is_read(
    tmp_path: Path, clock: ManualClock
) -> None:
    with Writer(clock, tmp_path / "roll.csv", rotate="1 day") as writer:
        writer.write()
        clock.advance(DAY)
        writer.write()
        stored = read_samples(tmp_path / "roll*.csv*")
        writer.close()
        writer.options["compress"] = True
        writer.open()
    assert not (tmp_path / "roll-20261121T000000Z.csv").exists()
    assert len(list(stored)) == writer.count == stored.to_arrow().num_rows


def test_a_damaged_compressed_part_is_an_error(tmp_path: Path) -> None:
    whole = gzip.compress(b"device,value\r\n" + os.urandom(500).hex().encode() + b",1\r\n")
    path = tmp_path / "roll-20261121T000000Z.csv.gz"
    for damaged in (whole[:-30], whole[:200] + bytes(100) + whole[300:], b"no gzip"):
        path.write_bytes(damaged)
        with pytest.raises(WatlowSinkError, match="csv.gz could not be read"):
            list(read_samples(path))


def make_parts(folder: Path, days: int, suffix: str = "csv", size: int = 1000) -> list[str]:
    """Make parts of the days before 21 November, and files that look similar."""
    names = [f"roll-202611{21 - day:02}T000000Z.{suffix}" for day in range(days, 0, -1)]
    for name in names:
        (folder / name).write_bytes(bytes(size))
    (folder / f"{names[0]}.meta.json").write_text("{}")
    similar = (
        "roll-20200101T000000Z.csv.bak",
        "roll-20209999T000000Z.csv",
        "roll-20200101.csv",
        "troll-20200101T000000Z.csv",
        "roll-1-20200101T000000Z.csv",
        "roll-20200101T000000Z_0001.csv",
        "roll-20200101T000000Z_02020.csv",
        "roll-2020010\N{ARABIC-INDIC DIGIT ONE}T000000Z.csv",
        "roll-20200101T000000Z.jsonl",
    )
    for name in similar:
        (folder / name).write_text("not ours")
    return names


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (None, 5),
        ("2 days", 2),  # the part of the 18th ended at midnight, 60 hours ago
        ("2.5 kB", 2),
        (("4 days", "100 B"), 0),
        (("2 days", "1 GB"), 2),
    ],
)
def test_keep_removes_the_oldest_parts_and_nothing_else(
    keep: Any, kept: int, tmp_path: Path, clock: ManualClock
) -> None:
    parts = make_parts(tmp_path, 5)
    others = {each.name for each in tmp_path.iterdir()} - {*parts, f"{parts[0]}.meta.json"}
    with Writer(clock, tmp_path / "roll.csv", rotate="1 day", keep=keep) as writer:
        writer.write()
    left = {each.name for each in tmp_path.iterdir()}
    assert left == others | {"roll.csv"} | set(parts[len(parts) - kept :]) | (
        {f"{parts[0]}.meta.json"} if kept == 5 else set()
    )


@pytest.mark.parametrize("keep", [None, "90 days"])
def test_low_free_space_is_a_warning_and_removes_parts_if_keep_allows_it(
    keep: str | None,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = make_parts(tmp_path, 5)
    free = [5000]

    def disk_usage(folder: Path) -> Usage:
        stored = sum((folder / name).stat().st_size for name in parts if (folder / name).exists())
        return Usage(10_000, 0, free[0] - stored)

    monkeypatch.setattr(finisher, "disk_usage", disk_usage)
    free[0] = 9000
    writer = Writer(clock, tmp_path / "roll.csv", rotate="1 day", keep=keep, min_free="2 kB")
    with writer:
        writer.write()
        assert not caplog.records
        # The thread that looks for parts of an earlier program removes nothing.
        assert writer.sink._rotation is not None
        assert writer.sink._rotation._finisher.wait(30)
        free[0] = 5000
        writer.write()  # too early for the next check
        assert not caplog.records
        for _ in range(3):
            clock.advance(6)
            writer.write()
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "only 0 bytes are free for" in warnings[0].getMessage()
    assert [name for name in parts if (tmp_path / name).exists()] == parts[2 if keep else 0 :]
    assert len(list(read_samples(writer.path))) == writer.count


def test_a_part_that_cannot_be_compressed_stays(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with Writer(clock, tmp_path / "roll.csv", rotate="1 day", compress=True) as writer:
        writer.write()
        (tmp_path / "roll-20261121T000000Z.csv.gz.tmp").mkdir()
        clock.advance(DAY)
        writer.write()
    assert "roll-20261121T000000Z.csv could not be finished" in caplog.text
    shutil.rmtree(tmp_path / "roll-20261121T000000Z.csv.gz.tmp")
    writer.check_rows()


def test_an_interrupted_compression_leaves_the_part_as_it_was(tmp_path: Path) -> None:
    part = tmp_path / "roll-20261121T000000Z.csv"
    part.write_bytes(b"device,value\r\n")
    stop = threading.Event()
    stop.set()
    compress(part, stop)
    assert [each.name for each in tmp_path.iterdir()] == [part.name]
    compress(part, threading.Event())
    assert [each.name for each in tmp_path.iterdir()] == [f"{part.name}.gz"]


@pytest.mark.parametrize("rotate", [None, "1 day"])
def test_a_path_through_a_file_is_an_error_of_the_sink(tmp_path: Path, rotate: str | None) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WatlowSinkError, match="there is no folder"):
        CsvSink(tmp_path / "file" / "roll.csv", rotate=rotate).open()


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "rotation.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert [each.name for each in tmp_path.iterdir()] == ["roll.csv"]


def test_a_part_that_cannot_be_removed_does_not_keep_others_from_being_finished(
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "roll-20250101T000000Z.csv").mkdir()  # no part
    for day in ("20260101", "20260102", "20261120"):
        (tmp_path / f"roll-{day}T000000Z.csv").write_bytes(b"device,value\r\n")
    unlink = Path.unlink

    def unlink_unless_open(path: Path, missing_ok: bool = False) -> None:
        if path.name == "roll-20260101T000000Z.csv":
            raise PermissionError("it is open")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_unless_open)
    options = {"rotate": "1 day", "keep": "90 days"}
    with Writer(clock, tmp_path / "roll.csv", **options, compress=True) as writer:
        writer.write()
    assert "roll-20260101T000000Z.csv could not be removed: it is open" in caplog.text
    assert "roll-20250101" not in caplog.text
    assert not (tmp_path / "roll-20260102T000000Z.csv").exists()
    assert (tmp_path / "roll-20261120T000000Z.csv.gz").exists()


def test_a_folder_with_the_name_of_a_part_is_left_alone(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "roll-20261121T000000Z.csv").mkdir()
    (tmp_path / "roll-20261121T000000Z_0002.csv.gz").mkdir()
    with Writer(clock, tmp_path / "roll.csv", rotate="1 day", compress=True) as writer:
        writer.write()
        clock.advance(DAY)
        writer.write()
    assert "roll-20261121T000000Z_0003.csv.gz" in writer.files
    assert not caplog.records
    writer.check_rows()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission")
@formats
def test_a_link_stays_and_its_file_is_rotated(
    suffix: str, tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / f"current.{suffix}"
    link.symlink_to(tmp_path / "disk" / f"roll.{suffix}")
    with Writer(clock, link, rotate="1 day") as writer:
        writer.write()
        clock.advance(DAY)
        writer.write()
    assert link.is_symlink()
    writer.path = tmp_path / "disk" / f"roll.{suffix}"
    assert writer.files == [f"roll-20261121T000000Z.{suffix}", f"roll.{suffix}"]
    writer.check_rows()


def test_no_metadata_is_left_by_rotations_that_fail(
    tmp_path: Path, clock: ManualClock, rename_fails: list[Exception]
) -> None:
    from tests.sinks.test_metadata import recording

    with Writer(clock, tmp_path / "roll.csv", rotate="1 B") as writer:
        writer.sink.write_recording(recording().info)
        writer.write()
        for _ in range(3):
            rename_fails += [OSError("no permission")]
            clock.advance(3600)
            writer.write()
    assert writer.files == ["roll.csv", "roll.csv.meta.json"]


def test_the_file_is_locked_until_its_parts_are_finished(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "roll-20261120T000000Z.csv").write_bytes(b"device,value\r\n")
    released = threading.Event()
    finished: list[bool] = []
    writer = Writer(clock, tmp_path / "roll.csv", rotate="1 day")
    rotation, close = writer.sink._rotation, writer.sink._close
    assert rotation is not None
    thread, close_thread = rotation._finisher, rotation.close
    assert thread.wait(30.0)
    monkeypatch.setattr(thread, "_finish", lambda part, stop: released.wait(30.0))
    monkeypatch.setattr(rotation, "close", lambda: (released.set(), close_thread()))
    monkeypatch.setattr(writer.sink, "_close", lambda: (finished.append(thread.wait(0)), close()))
    thread.wake()
    writer.close()
    assert finished == [True]


def test_work_that_arrives_while_a_thread_ends_is_waited_for(
    tmp_path: Path, clock: ManualClock
) -> None:
    class Idle(threading.Event):
        def set(self) -> None:
            if self.is_set():
                cleared.wait(0.5)
            else:
                cleared.clear()
            super().set()

        def clear(self) -> None:
            super().clear()
            cleared.set()

    cleared, hold = threading.Event(), threading.Event()
    (tmp_path / "roll-20261120T000000Z.csv").write_bytes(b"device,value\r\n")
    names = PartNames(tmp_path / "roll.csv")
    policy = make_policy("1 day", None, False, None)
    assert policy is not None
    thread = Finisher(names, policy, lambda part, stop: None, clock.utc)
    thread._idle = Idle()
    thread._idle.set()
    thread.wake()
    assert thread.wait(30.0)
    thread._finish = lambda part, stop: hold.wait(30.0) and None
    thread.wake()
    assert not thread.wait(0.0)
    hold.set()
    thread.close()


def test_metadata_stays_when_no_new_file_can_be_opened(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.sinks.test_metadata import recording

    with Writer(clock, tmp_path / "roll.csv", rotate="1 day") as writer:
        infos = [recording(run=number).info for number in range(2)]
        for info in infos:
            writer.sink.write_recording(info)
        writer.write()
        clock.advance(DAY)
        open_file = writer.sink._open_file
        errors = [WatlowSinkError("no more inodes")]

        def open_once() -> None:
            if errors:
                raise errors.pop()
            open_file()

        monkeypatch.setattr(writer.sink, "_open_file", open_once)
        writer.write()
    found = read_samples(writer.path).metadata
    assert [each["id"] for each in found] == [info.id for info in infos]


def test_without_rotate_nothing_is_renamed(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "roll.csv") as sink:
        sink.write_many([FIRST])
        os.utime(sink.path, (0, 0))
    with CsvSink(tmp_path / "roll.csv") as sink:
        sink.write_many([FIRST])
    assert [each.name for each in tmp_path.iterdir()] == ["roll.csv"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SqliteSink("a.db", rotate="1 day", compress=True), ".db files are not compressed"),
        (lambda: open_sink("a.parquet", rotate="1 day", compress=True), "only .csv and .jsonl"),
        (lambda: SqliteSink("a.db", rotate="1 day", journal_mode="DELETE"), "allowed is WAL"),
        (lambda: ParquetSink("a", rotate="1 day", rotate_s=1.0), "not both"),
        (
            lambda: open_sink("postgresql:///lab", rotate="1 day"),
            "rotate='1 day': only files are rotated",
        ),
        (lambda: open_sink("a.csv", keep="90 days"), "keep='90 days': give rotate too"),
        (lambda: open_sink("a.csv", partition="1 day"), "only tables of PostgreSQL have parts"),
        (lambda: open_sink("postgresql:///lab", keep="90 days"), "needs partition: give partition"),
    ],
)
def test_options_that_a_format_lacks_are_refused(make: Any, message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        make()
