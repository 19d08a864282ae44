"""Journals that were moved, damaged, or written by an earlier version."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.sinks.samples import many
from tests.sinks.test_conformance import size_limit
from watlowlib import ParquetSink, WatlowSinkError, read_samples
from watlowlib.cli.main import main
from watlowlib.sinks.parquet import journal as journal_module
from watlowlib.sinks.parquet.arrow import schema_of, to_batch
from watlowlib.sinks.parquet.journal import ID, JournalReader, journal_of
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout
from watlowlib.sinks.torn_line import torn_path

BATCHES, ROWS = 5, 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.parquet"


def values(path: Path) -> list[Any]:
    return [row["value"] for row in read_samples(path)]


def float_range(stop: int) -> list[float]:
    return [float(n) for n in range(stop)]


def batches() -> Iterator[list[Any]]:
    samples = many(BATCHES * ROWS)
    return (samples[at : at + ROWS] for at in range(0, len(samples), ROWS))


def crash(path: Path) -> tuple[Path, list[int]]:
    """Write `BATCHES` batches as before a crash; return the journal and where each batch begins."""
    sink = ParquetSink(path)
    sink.open()
    offsets = []
    for batch in batches():
        sink.write_many(batch)
        assert sink._journal is not None
        offsets.append(sink._journal.size)
    sink._journal.close()  # type: ignore[union-attr]
    with JournalReader(journal_of(path)) as reader:
        begin = reader.end
    return journal_of(path), [begin, *offsets]


def old_journal(path: Path) -> Path:
    """Write a journal as version 1.0 did, without checksums."""
    layout = ColumnLayout(COLUMN_TYPES)
    schema = schema_of(layout)
    data = schema.with_metadata({ID: b"0" * 32}).serialize().to_pybytes()
    for batch in batches():
        data += to_batch(layout, schema, batch).serialize().to_pybytes()
    journal_of(path).write_bytes(data)
    return journal_of(path)


def damage(journal: Path, at: int, data: bytes) -> None:
    with journal.open("r+b") as file:
        file.seek(at)
        file.write(data)


def flip(journal: Path, at: int, bit: int) -> None:
    damage(journal, at, bytes([journal.read_bytes()[at] ^ 1 << bit]))


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved")
@pytest.mark.parametrize("move_folder", [False, True])
def test_close_raises_if_the_journal_was_moved(tmp_path: Path, move_folder: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "run.parquet"
    moved = tmp_path / "old" / journal_of(path).name if move_folder else folder / "notes.txt"
    sink = ParquetSink(path)
    sink.open()
    sink.write_many(many(3))
    source, target = (folder, moved.parent) if move_folder else (journal_of(path), moved)
    source.rename(target)
    with pytest.raises(WatlowSinkError) as caught:
        sink.close()
    message = str(caught.value)
    assert f"{path} was not written: its journal {journal_of(path)} was moved" in message
    if sys.platform == "linux":
        assert f"last seen in {moved}. Move that file back to {journal_of(path)}, then" in message
    assert message.endswith(f"run: watlowlib recover {path}")
    assert not path.exists()
    folder.mkdir(exist_ok=True)
    moved.rename(journal_of(path))
    assert main(["recover", str(path)]) == 0
    assert values(path) == float_range(3)


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved")
def test_rotation_raises_if_the_journal_was_moved(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    sink = ParquetSink(folder, rotate_bytes=1)
    sink.open()
    sink.write_many(many(3))
    journal_of(folder / "part-000001.parquet").rename(tmp_path / "notes")
    for action in (lambda: sink.write_many(many(1)), sink.close):
        with pytest.raises(WatlowSinkError, match="part-000001.parquet was not written"):
            action()


@pytest.mark.parametrize("number", range(BATCHES))
@pytest.mark.parametrize("kind", ["zeros", "bit"])
def test_damage_inside_a_batch_is_found(
    path: Path,
    number: int,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal, offsets = crash(path)
    begin, end = offsets[number], offsets[number + 1]
    if kind == "zeros":
        damage(journal, (begin + end) // 2, bytes(64))
    else:
        at = journal.read_bytes().index(b"oven_top", begin)
        flip(journal, at, 1)
    data = journal.read_bytes()
    left = len(data) - begin
    assert values(path) == float_range(ROWS * number)
    assert journal.read_bytes() == data
    assert f"{journal}: the last {left} bytes are left out" in caplog.text
    caplog.clear()
    assert main(["recover", str(path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{path}: {ROWS * number:,} rows recovered; {left:,} bytes after them")
    assert f"{left:,} bytes are not a valid batch" in caplog.text
    assert str(torn_path(journal)) in caplog.text
    assert torn_path(journal).read_bytes() == data[begin:]
    assert {each.name for each in path.parent.iterdir()} == {path.name, torn_path(journal).name}
    assert values(path) == float_range(ROWS * number)


def test_no_flipped_bit_gives_a_wrong_value(path: Path) -> None:
    journal, offsets = crash(path)
    data = journal.read_bytes()
    expected = list(read_samples(path))
    generator = random.Random(7)
    places = {*range(offsets[0] - 64, offsets[0] + 400), *range(0, len(data), 17)}
    for at in places:
        flip(journal, at, generator.randrange(8))
        rows = list(read_samples(path))
        good = sum(end <= at for end in offsets[1:]) if at >= offsets[0] else 0
        assert rows == expected[: ROWS * good], at
        journal.write_bytes(data)


def test_opening_the_sink_keeps_damaged_bytes(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal, offsets = crash(path)
    damage(journal, offsets[2] + 500, bytes(64))
    data = journal.read_bytes()
    with ParquetSink(path) as sink:
        assert torn_path(journal).read_bytes() == data[offsets[2] :]
        sink.write_many(many(1))
    assert values(path) == [*float_range(2 * ROWS), 0.0]
    assert f"{len(data) - offsets[2]:,} bytes are not a valid batch" in caplog.text


def test_a_journal_without_a_valid_schema_is_kept(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, _ = crash(path)
    damage(journal, 100, bytes(64))
    data = journal.read_bytes()
    assert values(path) == []
    assert main(["recover", str(path)]) == 0
    assert f"0 rows recovered; {len(data):,} bytes" in capsys.readouterr().out
    assert torn_path(journal).read_bytes() == data
    assert not journal.exists()


def test_a_crash_before_the_damaged_bytes_are_kept_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, offsets = crash(path)
    damage(journal, offsets[2] + 500, bytes(64))
    data = journal.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "set_aside", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ParquetSink(path).open()
    assert journal.read_bytes() == data
    for _ in range(2):
        with ParquetSink(path):
            pass
        assert torn_path(journal).read_bytes() == data[offsets[2] :]
        assert values(path) == float_range(2 * ROWS)


def test_a_folder_reports_the_damaged_bytes_of_all_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for part in (1, 2):
        journal, offsets = crash(folder / f"part-{part:06}.parquet")
        damage(journal, offsets[3] + 500, bytes(64))
        left = journal.stat().st_size - offsets[3]
    assert main(["recover", str(folder)]) == 0
    shown = f"{folder}: {2 * 3 * ROWS:,} rows recovered; {2 * left:,} bytes after them"
    assert capsys.readouterr().out.startswith(shown)
    assert values(folder) == float_range(3 * ROWS) * 2


def test_a_failed_write_is_not_kept_as_damaged(path: Path) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(3))
        with size_limit(journal_of(path).stat().st_size + 100), pytest.raises(WatlowSinkError):
            sink.write_many(many(100))
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert values(path) == float_range(3)


def test_a_journal_without_checksums_is_read_and_finished(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old_journal(path)
    assert values(path) == float_range(BATCHES * ROWS)
    assert not caplog.records
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
    assert values(path) == [*float_range(BATCHES * ROWS), 0.0]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_torn_journal_without_checksums_is_finished(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = old_journal(path)
    data = journal.read_bytes()
    journal.write_bytes(data[:-1])
    caplog.set_level(logging.WARNING)
    assert main(["recover", str(path)]) == 0
    assert values(path) == float_range((BATCHES - 1) * ROWS)
    assert data[:-1].endswith(torn_path(journal).read_bytes())


def test_a_journal_is_a_stream_of_arrow_batches_for_other_programs(path: Path) -> None:
    journal, _ = crash(path)
    with journal.open("rb") as file, pa.ipc.open_stream(file) as stream:
        table = stream.read_all()
    assert table["value"].to_pylist() == float_range(BATCHES * ROWS)
