"""What is particular to Parquet: the journal, the size, the folder."""

from __future__ import annotations

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
from watlowlib.sinks.parquet.journal import journal_of, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.parquet"


def crashed(path: Path, *batches: list[Sample], **options: Any) -> Path:
    """A sink whose program has ended without closing it; its journal."""
    sink = ParquetSink(path, **options)
    sink.open()
    for batch in batches:
        sink.write_many(batch)
    assert sink._journal is not None
    sink._journal.close()
    return sink._journal.path


def values(path: Path) -> list[Any]:
    return [row["value"] for row in read_samples(path)]


def counting(stop: int) -> list[float]:
    return [float(n) for n in range(stop)]


def in_batches(samples: list[Sample], size: int) -> list[list[Sample]]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def recording(count: int) -> list[Sample]:
    """As a line of four controllers gives it: single precision, one read after the other."""
    chance = random.Random(7)
    at = FIRST.requested_at
    oven = [72.0, 71.0, 250.0, 180.0]
    samples = []
    for number in range(count):
        which, setpoint = number // 2 % 4, number % 2
        oven[which] += chance.gauss(0.0, 0.2)
        latency_s = chance.uniform(0.014, 0.018)
        value = 250.0 if setpoint else struct.unpack("f", struct.pack("f", oven[which]))[0]
        took = timedelta(seconds=latency_s)
        samples.append(
            replace(
                FIRST,
                device=f"oven_{which}",
                address=which + 1,
                parameter="setpoint" if setpoint else "process_value",
                parameter_id=7001 if setpoint else 4001,
                value=value,
                requested_at=at,
                received_at=at + took,
                midpoint_at=at + took / 2,
                latency_s=latency_s,
            )
        )
        at += took + timedelta(microseconds=chance.randrange(30, 80))
    return samples


@pytest.mark.parametrize("size", [64, 1000, 10_000])
def test_a_row_takes_less_than_ten_bytes_whatever_the_batch(path: Path, size: int) -> None:
    samples = recording(10_000)
    with ParquetSink(path) as sink:
        for batch in in_batches(samples, size):
            sink.write_many(batch)
    assert path.stat().st_size < 10 * len(samples)
    rows = list(read_samples(path))
    assert [row["value"] for row in rows] == [sample.value for sample in samples]
    assert [row["received_at"] for row in rows] == [sample.received_at for sample in samples]
    # To the microsecond, as the times beside it.
    for row, sample in zip(rows, samples, strict=True):
        assert row["latency_s"] == pytest.approx(sample.latency_s, abs=0.5e-6)


def test_row_groups_are_large_however_small_the_batches(path: Path) -> None:
    with ParquetSink(path, row_group_size=100) as sink:
        for batch in in_batches(many(450), 7):
            sink.write_many(batch)
    with ParquetSink(path, row_group_size=100) as sink:
        sink.write_many(many(100))
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sizes == [100] * 5 + [50]


def test_columns_are_typed_packed_and_in_dictionaries(path: Path) -> None:
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


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that cannot be read")
def test_a_disk_that_cannot_be_read_is_no_torn_journal() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        read_journal(Path("/proc/self/mem"))


def test_a_journal_torn_anywhere_gives_its_whole_batches(path: Path) -> None:
    journal = crashed(path, *in_batches(many(6), 2))
    data = journal.read_bytes()
    ends = []
    for number in range(4):
        whole = crashed(path.with_name(f"{number}.parquet"), *in_batches(many(2 * number), 2))
        ends.append(whole.stat().st_size)
    for size in sorted({*range(0, len(data), 37), *ends[1:], *(end - 1 for end in ends[1:])}):
        path.unlink(missing_ok=True)
        journal.write_bytes(data[:size])
        rows = 2 * sum(end <= size for end in ends[1:])
        assert values(path) == counting(rows)
        with ParquetSink(path) as sink:
            sink.write_many([replace(FIRST, value=float(rows))])
        assert values(path) == counting(rows + 1)


def test_zeros_where_a_power_cut_has_taken_the_end_are_no_obstacle(path: Path) -> None:
    journal = crashed(path, *in_batches(many(6), 2))
    data = journal.read_bytes()
    end = crashed(path.with_name("first.parquet"), many(2)).stat().st_size
    for size in range(end, len(data), 4):
        journal.write_bytes(data[:size] + bytes(len(data) - size))
        assert values(path)[:2] == counting(2)


COLUMNS_OF_OTHERS = [pa.table({"a": ["x"]}), pa.table({"b": [1]}), pa.table({"a": [1], "b": [1]})]


@pytest.mark.parametrize("other", COLUMNS_OF_OTHERS, ids=lambda table: str(table.schema))
def test_a_journal_with_other_columns_than_its_file(
    path: Path, capsys: Any, other: pa.Table
) -> None:
    crashed(path, [{"a": 1}, {"a": 2}])  # type: ignore[list-item]
    pq.write_table(other, path)
    with pytest.raises(WatlowSinkError, match="give .*run.parquet another name, then run: watlow"):
        ParquetSink(path, columns=other.column_names).open()
    assert main(["recover", str(path)]) == 1
    assert "other columns" in capsys.readouterr().err
    path.rename(path.with_name("other.parquet"))
    assert main(["recover", str(path)]) == 0
    assert list(read_samples(path)) == [{"a": 1}, {"a": 2}]


def test_what_cannot_be_recovered_is_said(path: Path, capsys: Any) -> None:
    journal = crashed(path, many(5))
    path.write_bytes(b"notes " * 100)
    assert main(["recover", str(path)]) == 1
    assert "could not be recovered: Parquet magic bytes not found" in capsys.readouterr().err
    path.unlink()
    with size_limit(100):
        assert main(["recover", str(path)]) == 1
    assert f"too large. Its rows are in {journal} still" in capsys.readouterr().err
    assert values(path) == counting(5)


def test_a_file_that_is_finished_while_it_is_read(path: Path) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(2))
    with ParquetSink(path) as sink:
        sink.write_many([replace(FIRST, value=float(n)) for n in (2, 3)])
        rows = iter(read_samples(path))
        first = next(rows)
    assert [first["value"], *(row["value"] for row in rows)] == counting(4)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_file_that_counts_time_in_another_unit(path: Path, unit: str) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
    table = pq.read_table(path)
    at = table.schema.get_field_index("requested_at")
    times = table["requested_at"].cast(pa.timestamp(unit, "UTC"))
    pq.write_table(table.set_column(at, "requested_at", times), path)
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
    assert [row["requested_at"] for row in read_samples(path)] == [FIRST.requested_at] * 2


def test_a_crash_after_finishing_doubles_nothing(path: Path) -> None:
    journal = crashed(path, many(5))
    data = journal.read_bytes()
    with ParquetSink(path):
        pass
    journal.write_bytes(data)  # as it is when the crash comes before it is deleted
    assert values(path) == counting(5)
    with ParquetSink(path) as sink:
        sink.write_many([replace(FIRST, value=5.0)])
    assert values(path) == counting(6)


def test_a_disk_that_is_full_at_the_end_loses_nothing(path: Path, capsys: Any) -> None:
    sink = ParquetSink(path, compression="none", use_dictionary=False)
    sink.open()
    sink.write_many(many(1000))
    with size_limit(10_000), pytest.raises(WatlowSinkError, match="watlowlib recover") as caught:
        sink.close()
    assert str(journal_of(path)) in str(caught.value)
    sink.close()  # is closed
    assert not path.exists()
    assert values(path) == counting(1000)
    assert main(["recover", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 1000 rows recovered\n"
    assert [each.name for each in path.parent.iterdir()] == ["run.parquet"]
    assert values(path) == counting(1000)


def test_a_file_that_is_no_parquet_is_left_alone(path: Path) -> None:
    path.write_bytes(b"notes " * 100)
    with pytest.raises(WatlowSinkError, match="could not be opened"):
        ParquetSink(path).open()
    assert path.read_bytes() == b"notes " * 100


def test_a_file_with_other_columns_is_left_alone(path: Path) -> None:
    pq.write_table(pa.table({"time": [1], "temperature": [2.0]}), path)
    before = path.read_bytes()
    with pytest.raises(WatlowSinkError, match="another header"):
        ParquetSink(path).open()
    assert path.read_bytes() == before


ROTATIONS: list[dict[str, Any]] = [{"rotate_bytes": 20_000}, {"rotate_s": 1e-9}]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_folder_is_read_as_one(tmp_path: Path, rotation: dict[str, Any]) -> None:
    folder = tmp_path / "run"
    with ParquetSink(folder, **rotation) as sink:
        for batch in in_batches(many(1000), 50):
            sink.write_many(batch)
        # While it is written, what is finished can be read by others.
        assert 0 < pq.read_table(folder).num_rows < 1000
        assert values(folder) == counting(1000)
    assert len(list(folder.glob("part-*.parquet"))) > 3
    assert values(folder) == counting(1000)
    assert pq.read_table(folder).num_rows == 1000
    with ParquetSink(folder, **rotation) as sink:
        sink.write_many([replace(FIRST, value=1000.0)])
    assert values(folder) == counting(1001)


OTHERS = {
    "duckdb": "duckdb.sql(f\"SELECT value FROM '{folder}/*.parquet'\").fetchnumpy()['value']",
    "pandas": "pandas.read_parquet(folder)['value']",
    "polars": "polars.read_parquet(folder + '/*.parquet')['value']",
}


@pytest.mark.parametrize("library", OTHERS)
def test_others_read_the_folder(tmp_path: Path, library: str) -> None:
    pytest.importorskip(library)
    folder = tmp_path / "run"
    with ParquetSink(folder, rotate_bytes=20_000) as sink:
        for batch in in_batches(many(1000), 50):
            sink.write_many(batch)
    # In a process of its own: they keep threads and files that nobody can close.
    code = f"import sys, {library}; folder = sys.argv[1]; print(*sorted({OTHERS[library]}))"
    command = [sys.executable, "-c", code, str(folder)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert [float(word) for word in shown.stdout.split()] == counting(1000)


def test_a_folder_after_a_crash(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "run"
    crashed(folder, *in_batches(many(1000), 50), rotate_bytes=20_000)
    assert values(folder) == counting(1000)
    assert main(["recover", str(folder)]) == 0
    rows = int(capsys.readouterr().out.split()[1])
    assert 0 < rows < 1000
    assert all(each.name.startswith("part-") for each in folder.iterdir())
    assert values(folder) == counting(1000)


def test_a_folder_is_finished_when_it_is_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    crashed(folder, *in_batches(many(1000), 50), rotate_bytes=20_000)
    with ParquetSink(folder, rotate_bytes=20_000) as sink:
        sink.write_many([replace(FIRST, value=1000.0)])
        assert pq.read_table(folder).num_rows == 1000
    assert values(folder) == counting(1001)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"compression": "zip"}, "compression='zip': allowed are zstd, snappy"),
        ({"row_group_size": 0}, "row_group_size=0: give 1 or more"),
        ({"rotate_bytes": 0}, "rotate_bytes=0: give 1 or more"),
        ({"rotate_s": -1.0}, "rotate_s=-1.0: give a number above 0"),
    ],
)
def test_options_that_cannot_be(path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        ParquetSink(path, **wrong)


def test_a_cell_of_another_kind_than_its_column(path: Path) -> None:
    with ParquetSink(path) as sink:
        sink.write_many(many(1))
        with pytest.raises(WatlowSinkError, match="column 'address' is int64"):
            sink.write_many([*many(1), {"device": "a", "address": "B"}])
        sink.write_many([replace(FIRST, value=1.0)])
    assert values(path) == counting(2)


def test_a_file_of_others_is_forgotten_when_it_could_not_be_opened(path: Path) -> None:
    pq.write_table(pa.table({"when": [1.0], "what": ["a"]}), path)
    sink = ParquetSink(path)
    with pytest.raises(WatlowSinkError, match="another header"):
        sink.open()
    path.unlink()
    with sink:
        sink.write_many(many(3))
    assert [row["value"] for row in read_samples(path)] == [0.0, 1.0, 2.0]
    assert pq.read_schema(path).names[0] == "device"


def test_a_disk_that_is_full_at_the_first_rows_spoils_none_that_come_later(path: Path) -> None:
    with ParquetSink(path) as sink:
        with size_limit(2000):
            with pytest.raises(WatlowSinkError, match="could not be written"):
                sink.write_many([{"a": n} for n in range(10_000)])
        sink.write_many([{"a": "x", "b": 1}])
    assert list(read_samples(path)) == [{"a": "x", "b": 1}]


def test_a_file_that_others_put_there_meanwhile_leaves_the_journal_to_be_recovered(
    path: Path,
) -> None:
    sink = ParquetSink(path)
    sink.open()
    sink.write_many(many(3))
    pq.write_table(pa.table({"what": ["a"]}), path)
    with pytest.raises(WatlowSinkError, match="rows with other columns") as caught:
        sink.close()
    path.unlink()
    assert main(["recover", str(path)]) == 0, f"the journal is held still after {caught.value}"
    assert [row["value"] for row in read_samples(path)] == [0.0, 1.0, 2.0]


def test_a_next_part_that_could_not_be_begun_is_begun_later(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    too_long = folder / f"part-{'9' * 242}.parquet"  # the next one's name is no name of a file
    with ParquetSink(folder, rotate_bytes=1) as sink:
        sink.write_many(many(1))
        too_long.touch()
        for _ in range(2):
            with pytest.raises(WatlowSinkError, match="could not be written"):
                sink.write_many(many(1))
        too_long.unlink()
        sink.write_many(many(2))
    assert values(folder) == [0.0, *counting(2)]


@pytest.mark.parametrize("options", [{}, {"rotate_bytes": 1}])
def test_a_program_that_goes_to_another_folder_takes_no_rows_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with ParquetSink("run.parquet", **options) as sink:
        sink.write_many(many(1))
        monkeypatch.chdir("elsewhere")
        sink.write_many(many(2))
    assert values(tmp_path / "run.parquet") == [0.0, *counting(2)]
    assert not list(tmp_path.rglob("*.journal"))
