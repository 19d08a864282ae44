"""Tests of the Parquet sink only: the journal, the file size, the folder."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sinks.samples import EVERY_KIND, FIRST, many
from tests.sinks.test_conformance import size_limit
from watlowlib import ParquetSink, Sample, WatlowConfigurationError, WatlowSinkError, read_samples
from watlowlib.cli.main import main
from watlowlib.sinks.parquet.journal import JournalReader, journal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.parquet"


def write_and_crash(path: Path, *batches: list[Sample], **options: Any) -> Path:
    """Write `batches` without closing the sink, as in a crash; return the journal's path."""
    sink = ParquetSink(path, **options)
    sink.open()
    for batch in batches:
        sink.write_many(batch)
    assert sink._journal is not None
    sink._journal.close()
    return sink._journal.path


def values(path: Path) -> list[Any]:
    return [row["value"] for row in read_samples(path)]


def float_range(stop: int) -> list[float]:
    return [float(n) for n in range(stop)]


def in_batches(samples: list[Sample], size: int) -> list[list[Sample]]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def realistic_samples(count: int) -> list[Sample]:
    """Samples as from a line of four controllers: single precision, one read after another."""
    generator = random.Random(7)
    at = FIRST.requested_at
    temperatures = [72.0, 71.0, 250.0, 180.0]
    samples = []
    for number in range(count):
        oven, setpoint = number // 2 % 4, number % 2
        temperatures[oven] += generator.gauss(0.0, 0.2)
        latency_s = generator.uniform(0.014, 0.018)
        value = 250.0 if setpoint else struct.unpack("f", struct.pack("f", temperatures[oven]))[0]
        latency = timedelta(seconds=latency_s)
        samples.append(
            replace(
                FIRST,
                device=f"oven_{oven}",
                address=oven + 1,
                parameter="setpoint" if setpoint else "process_value",
                parameter_id=7001 if setpoint else 4001,
                value=value,
                requested_at=at,
                received_at=at + latency,
                midpoint_at=at + latency / 2,
                latency_s=latency_s,
            )
        )
        at += latency + timedelta(microseconds=generator.randrange(30, 80))
    return samples


@pytest.mark.parametrize("size", [64, 1000, 10_000])
def test_a_row_takes_less_than_ten_bytes_with_any_batch_size(path: Path, size: int) -> None:
    samples = realistic_samples(10_000)
    with ParquetSink(path) as sink:
        for batch in in_batches(samples, size):
            sink.write_many(batch)
    assert path.stat().st_size < 10 * len(samples)
    rows = list(read_samples(path))
    assert [row["value"] for row in rows] == [sample.value for sample in samples]
    assert [row["received_at"] for row in rows] == [sample.received_at for sample in samples]
    # Stored to the microsecond, like the times.
    for row, sample in zip(rows, samples, strict=True):
        assert row["latency_s"] == pytest.approx(sample.latency_s, abs=0.5e-6)


def test_row_groups_are_large_even_if_batches_are_small(path: Path) -> None:
    with ParquetSink(path, row_group_size=100) as sink:
        for batch in in_batches(many(450), 7):
            sink.write_many(batch)
    with ParquetSink(path, row_group_size=100) as sink:
        sink.write_many(many(100))
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sizes == [100] * 5 + [50]


def test_columns_are_typed_and_compressed_with_dictionaries(path: Path) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(EVERY_KIND)
    schema = pq.read_schema(path)
    for name in ("requested_at", "received_at", "midpoint_at"):
        assert schema.field(name).type == pa.timestamp("us", "UTC")
    assert schema.field("value").type == schema.field("latency_s").type == pa.float64()
    assert schema.field("value_text").type == schema.field("device").type == pa.string()
    group = pq.read_metadata(path).row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    for name in ("device", "parameter", "unit", "status", "address"):
        assert "RLE_DICTIONARY" in columns[name].encodings
    assert "RLE_DICTIONARY" not in columns["value"].encodings


def test_compression_and_dictionaries_can_be_chosen(path: Path) -> None:
    with ParquetSink(path, compression="snappy", use_dictionary=["unit"]) as sink:
        sink.write_many(EVERY_KIND)
    group = pq.read_metadata(path).row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert columns["unit"].compression == "SNAPPY"
    assert "RLE_DICTIONARY" in columns["unit"].encodings
    assert "RLE_DICTIONARY" not in columns["device"].encodings
    with ParquetSink(path, compression="none", use_dictionary=False) as sink:
        sink.write_many(EVERY_KIND)
    assert len(values(path)) == 2 * len(EVERY_KIND)


@pytest.mark.skipif(sys.platform != "linux", reason="needs an unreadable file")
def test_a_disk_error_is_not_treated_as_a_torn_journal() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        JournalReader(Path("/proc/self/mem"))


def test_a_torn_journal_gives_its_complete_batches(path: Path) -> None:
    journal = write_and_crash(path, *in_batches(many(6), 2))
    data = journal.read_bytes()
    ends = []
    for number in range(4):
        whole = write_and_crash(
            path.with_name(f"{number}.parquet"), *in_batches(many(2 * number), 2)
        )
        ends.append(whole.stat().st_size)
    for size in sorted({*range(0, len(data), 37), *ends[1:], *(end - 1 for end in ends[1:])}):
        path.unlink(missing_ok=True)
        journal.write_bytes(data[:size])
        rows = 2 * sum(end <= size for end in ends[1:])
        assert values(path) == float_range(rows)
        with ParquetSink(path) as sink:
            sink.write_many([replace(FIRST, value=float(rows))])
        assert values(path) == float_range(rows + 1)


def test_a_journal_whose_end_is_zeros_after_a_power_cut_can_be_read(path: Path) -> None:
    journal = write_and_crash(path, *in_batches(many(6), 2))
    data = journal.read_bytes()
    end = write_and_crash(path.with_name("first.parquet"), many(2)).stat().st_size
    for size in range(end, len(data), 4):
        journal.write_bytes(data[:size] + bytes(len(data) - size))
        assert values(path)[:2] == float_range(2)


OTHER_TABLES = [pa.table({"a": ["x"]}), pa.table({"b": [1]}), pa.table({"a": [1], "b": [1]})]


@pytest.mark.parametrize("other", OTHER_TABLES, ids=lambda table: str(table.schema))
def test_a_journal_with_other_columns_than_its_file_is_recovered_after_a_rename(
    path: Path, capsys: Any, other: pa.Table
) -> None:
    write_and_crash(path, [{"a": 1}, {"a": 2}])  # type: ignore[list-item]
    pq.write_table(other, path)
    with pytest.raises(WatlowSinkError, match="rename .*run.parquet, then run: watlow"):
        ParquetSink(path, columns=other.column_names).open()
    assert main(["recover", str(path)]) == 1
    assert "other columns" in capsys.readouterr().err
    path.rename(path.with_name("other.parquet"))
    assert main(["recover", str(path)]) == 0
    assert list(read_samples(path)) == [{"a": 1}, {"a": 2}]


def test_a_failed_recovery_is_an_error(path: Path, capsys: Any) -> None:
    journal = write_and_crash(path, many(5))
    path.write_bytes(b"notes " * 100)
    assert main(["recover", str(path)]) == 1
    assert "could not be recovered: Parquet magic bytes not found" in capsys.readouterr().err
    path.unlink()
    with size_limit(100):
        assert main(["recover", str(path)]) == 1
    assert f"too large. Its rows are still in {journal}" in capsys.readouterr().err
    assert values(path) == float_range(5)


def test_a_file_that_is_finished_during_a_read_is_read_completely(path: Path) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(2))
    with ParquetSink(path) as sink:
        sink.write_many([replace(FIRST, value=float(n)) for n in (2, 3)])
        rows = iter(read_samples(path))
        first = next(rows)
    assert [first["value"], *(row["value"] for row in rows)] == float_range(4)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_rows_are_added_to_a_file_with_another_time_unit(path: Path, unit: str) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
    table = pq.read_table(path)
    at = table.schema.get_field_index("requested_at")
    times = table["requested_at"].cast(pa.timestamp(unit, "UTC"))
    pq.write_table(table.set_column(at, "requested_at", times), path)
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
    assert [row["requested_at"] for row in read_samples(path)] == [FIRST.requested_at] * 2


def test_a_crash_after_finishing_duplicates_no_rows(path: Path) -> None:
    journal = write_and_crash(path, many(5))
    data = journal.read_bytes()
    with ParquetSink(path):
        pass
    journal.write_bytes(data)  # as after a crash before the journal is deleted
    assert values(path) == float_range(5)
    with ParquetSink(path) as sink:
        sink.write_many([replace(FIRST, value=5.0)])
    assert values(path) == float_range(6)


def test_a_disk_that_is_full_at_closing_loses_no_rows(path: Path, capsys: Any) -> None:
    sink = ParquetSink(path, compression="none", use_dictionary=False)
    sink.open()
    sink.write_many(many(1000))
    with size_limit(10_000), pytest.raises(WatlowSinkError, match="watlowlib recover") as caught:
        sink.close()
    assert str(journal_of(path)) in str(caught.value)
    sink.close()  # does nothing: the sink is closed
    assert not path.exists()
    assert values(path) == float_range(1000)
    assert main(["recover", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 1,000 rows recovered\n"
    assert [each.name for each in path.parent.iterdir()] == ["run.parquet"]
    assert values(path) == float_range(1000)


def test_a_file_that_is_not_parquet_is_not_changed(path: Path) -> None:
    path.write_bytes(b"notes " * 100)
    with pytest.raises(WatlowSinkError, match="could not be opened"):
        ParquetSink(path).open()
    assert path.read_bytes() == b"notes " * 100


def test_a_file_with_other_columns_is_not_changed(path: Path) -> None:
    pq.write_table(pa.table({"time": [1], "temperature": [2.0]}), path)
    before = path.read_bytes()
    with pytest.raises(WatlowSinkError, match="another header"):
        ParquetSink(path).open()
    assert path.read_bytes() == before


ROTATIONS: list[dict[str, Any]] = [{"rotate_bytes": 20_000}, {"rotate_s": 1e-9}]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_folder_is_read_as_one_file(tmp_path: Path, rotation: dict[str, Any]) -> None:
    folder = tmp_path / "run"
    with ParquetSink(folder, **rotation) as sink:
        for batch in in_batches(many(1000), 50):
            sink.write_many(batch)
        # During the recording, other programs can read the finished files.
        assert 0 < pq.read_table(folder).num_rows < 1000
        assert values(folder) == float_range(1000)
    assert len(list(folder.glob("part-*.parquet"))) > 3
    assert values(folder) == float_range(1000)
    assert pq.read_table(folder).num_rows == 1000
    with ParquetSink(folder, **rotation) as sink:
        sink.write_many([replace(FIRST, value=1000.0)])
    assert values(folder) == float_range(1001)


READERS = {
    "duckdb": "duckdb.sql(f\"SELECT value FROM '{folder}/*.parquet'\").fetchnumpy()['value']",
    "pandas": "pandas.read_parquet(folder)['value']",
    "polars": "polars.read_parquet(folder + '/*.parquet')['value']",
}


@pytest.mark.parametrize("library", READERS)
def test_other_libraries_read_the_folder(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    folder = tmp_path / "run"
    with ParquetSink(folder, rotate_bytes=20_000) as sink:
        for batch in in_batches(many(1000), 50):
            sink.write_many(batch)
    # In a separate process: the libraries keep threads and files that cannot be closed.
    code = f"import sys, {library}; folder = sys.argv[1]; print(*sorted({READERS[library]}))"
    command = [sys.executable, "-c", code, str(folder)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert [float(word) for word in shown.stdout.split()] == float_range(1000)


def test_a_folder_is_recovered_after_a_crash(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "run"
    write_and_crash(folder, *in_batches(many(1000), 50), rotate_bytes=20_000)
    assert values(folder) == float_range(1000)
    assert main(["recover", str(folder)]) == 0
    rows = int(capsys.readouterr().out.split()[1])
    assert 0 < rows < 1000
    assert all(each.name.startswith("part-") for each in folder.iterdir())
    assert values(folder) == float_range(1000)


def test_opening_a_folder_finishes_the_files_of_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_and_crash(folder, *in_batches(many(1000), 50), rotate_bytes=20_000)
    with ParquetSink(folder, rotate_bytes=20_000) as sink:
        sink.write_many([replace(FIRST, value=1000.0)])
        assert pq.read_table(folder).num_rows == 1000
    assert values(folder) == float_range(1001)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compression": "zip"}, "compression='zip': allowed are zstd, snappy"),
        ({"row_group_size": 0}, "row_group_size=0: give 1 or more"),
        ({"rotate_bytes": 0}, "rotate_bytes=0: give 1 or more"),
        ({"rotate_s": -1.0}, "rotate_s=-1.0: give a number above 0"),
    ],
)
def test_invalid_options_are_refused(path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        ParquetSink(path, **options)


def test_a_batch_with_a_cell_of_the_wrong_type_is_refused(path: Path) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
        with pytest.raises(WatlowSinkError, match="column 'instance' is int64"):
            sink.write_many([*many(1), {"device": "a", "instance": "B"}])
        sink.write_many([replace(FIRST, value=1.0)])
    assert values(path) == float_range(2)


def test_a_failed_open_does_not_keep_the_columns_of_the_file(path: Path) -> None:
    pq.write_table(pa.table({"when": [1.0], "what": ["a"]}), path)
    sink = ParquetSink(path)
    with pytest.raises(WatlowSinkError, match="another header"):
        sink.open()
    path.unlink()
    with sink:
        sink.write_many(many(3))
    assert [row["value"] for row in read_samples(path)] == [0.0, 1.0, 2.0]
    assert pq.read_schema(path).names[0] == "device"


def test_a_full_disk_at_the_first_rows_does_not_fix_the_columns(path: Path) -> None:
    with ParquetSink(path) as sink:
        with size_limit(2000):
            with pytest.raises(WatlowSinkError, match="could not be written"):
                sink.write_many([{"a": n} for n in range(10_000)])
        sink.write_many([{"a": "x", "b": 1}])
    assert list(read_samples(path)) == [{"a": "x", "b": 1}]


def test_a_file_created_by_another_program_leaves_the_journal_recoverable(
    path: Path,
) -> None:
    sink = ParquetSink(path)
    sink.open()
    sink.write_many(many(3))
    pq.write_table(pa.table({"what": ["a"]}), path)
    with pytest.raises(WatlowSinkError, match="has other columns") as caught:
        sink.close()
    path.unlink()
    assert main(["recover", str(path)]) == 0, f"the journal is still locked after {caught.value}"
    assert [row["value"] for row in read_samples(path)] == [0.0, 1.0, 2.0]


def test_a_failed_start_of_the_next_part_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    too_long = folder / f"part-{'9' * 242}.parquet"  # the next part's name is too long
    with ParquetSink(folder, rotate_bytes=1) as sink:
        sink.write_many(many(1))
        too_long.touch()
        for _ in range(2):
            with pytest.raises(WatlowSinkError, match="could not be written"):
                sink.write_many(many(1))
        too_long.unlink()
        sink.write_many(many(2))
    assert values(folder) == [0.0, *float_range(2)]


@pytest.mark.parametrize("options", [{}, {"rotate_bytes": 1}])
def test_a_change_of_the_working_directory_does_not_move_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with ParquetSink("run.parquet", **options) as sink:
        sink.write_many(many(1))
        monkeypatch.chdir("elsewhere")
        sink.write_many(many(2))
    assert values(tmp_path / "run.parquet") == [0.0, *float_range(2)]
    assert not list(tmp_path.rglob("*.journal"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot open a folder")
@pytest.mark.parametrize("rows_before", [0, 3])
def test_the_journal_is_kept_until_file_and_folder_are_on_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, rows_before: int
) -> None:
    if rows_before:
        with ParquetSink(path) as sink:
            sink.write_many(many(rows_before))
    new = path.with_name(f"_{path.name}.new")
    synced: list[tuple[str, int]] = []

    def fsync(number: int) -> None:
        is_folder = os.path.samestat(os.fstat(number), path.parent.stat())
        if not is_folder:  # the new file is complete
            assert os.path.samestat(os.fstat(number), new.stat())
            assert pq.read_metadata(new).num_rows == rows_before + 2
        assert journal_of(path).exists()
        rows = pq.read_metadata(path).num_rows if path.exists() else 0
        synced.append(("folder" if is_folder else "file", rows))

    with ParquetSink(path) as sink:
        sink.write_many(many(2))
        monkeypatch.setattr("os.fsync", fsync)
    assert synced == [("file", rows_before), ("folder", rows_before + 2)]
    assert not journal_of(path).exists()


def test_rows_in_the_journal_are_waiting(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "run.parquet")
    for rows in (3, 2):
        with sink:
            sink.write_many(many(rows))
            assert sink.rows_waiting == rows
        assert sink.rows_waiting == 0


def test_the_rows_of_a_finished_part_wait_no_longer(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "parts", rotate_bytes=1) as sink:
        sink.write_many(many(3))
        sink.write_many(many(2))
        assert sink.rows_waiting == 2
