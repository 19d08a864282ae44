"""The same rows from all formats: the same tables, whatever the format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import EVERY_KIND, FIRST, START
from watlowlib import PostgresConfig, PostgresSink, Sample, open_sink, read_samples
from watlowlib.sinks.reading import blocks

pa = pytest.importorskip("pyarrow")

FORMATS = ["csv", "jsonl", "sqlite", "parquet", "postgres"]
ODD = ['a, "b"\nc', "71", "-1.5e3", "", "nan", "NaN", "Infinity", "null", "\x01x", "ö,\u2028"]

FLOATS = [replace(FIRST, value=value) for value in (72.4, 75.0, -0.0, 1e16, 1e-300, None, 3.5)]
RECORDINGS = {
    "numbers": FLOATS,
    "integers too": [*FLOATS, replace(FIRST, value=71), replace(FIRST, value=-(2**40))],
    "texts too": [*FLOATS, *EVERY_KIND],
    "odd texts": [replace(FIRST, value=text, device=text) for text in ODD],
    "byte order mark": [replace(FIRST, value="a", device="\N{BOM}")],
    "gaps only": [replace(FIRST, value=None, unit=None, status="timeout")],
}


def timed(samples: list[Sample]) -> list[Sample]:
    """Return `samples` a second apart, the order in which PostgreSQL returns them."""
    return [
        replace(each, requested_at=START + timedelta(seconds=n), latency_s=0.0123456789)
        for n, each in enumerate(samples)
    ]


@pytest.fixture
def write(postgres: PostgresServer, table: str, tmp_path: Path) -> Callable[[str, Any], Any]:
    """Write rows in a format; return what to give to `read_samples`."""

    def written(kind: str, rows: Any) -> dict[str, Any]:
        if kind == "postgres":
            config = PostgresConfig(dsn=postgres.url, table=table, create_table=True)
            with PostgresSink(config, spool=tmp_path / "run.spool") as sink:
                sink.write_many(rows)
            return {"source": postgres.url, "table": table}
        with open_sink(tmp_path / f"run.{kind}") as other:
            other.write_many(rows)
        return {"source": tmp_path / f"run.{kind}"}

    return written


@pytest.mark.parametrize("recording", RECORDINGS)
def test_tables_are_the_same_from_all_formats(
    write: Callable[[str, Any], Any], recording: str
) -> None:
    pd = pytest.importorskip("pandas")
    samples = timed(RECORDINGS[recording])
    sources = [write(kind, samples) for kind in FORMATS]
    tables = [read_samples(**each).to_arrow() for each in sources]
    assert tables[0].column("value").type == pa.float64()
    assert tables[0].column("requested_at").type == pa.timestamp("us", "UTC")
    assert tables[0].column("requested_at").to_pylist() == [s.requested_at for s in samples]
    assert tables[0].column("value").to_pylist() == [
        float(s.value) if isinstance(s.value, (int, float)) else None for s in samples
    ]
    assert tables[0].column("value_text").to_pylist() == [
        None if s.value is None or isinstance(s.value, float) else str(s.value) for s in samples
    ]
    for kind, each, table in zip(FORMATS, sources, tables):
        assert table.schema == tables[0].schema, kind
        assert table.to_pylist() == tables[0].to_pylist(), kind
        pd.testing.assert_frame_equal(
            read_samples(**each).to_pandas(), tables[0].to_pandas(), check_exact=True
        )


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_have_the_cells_as_written(write: Callable[[str, Any], Any], kind: str) -> None:
    samples = timed([*RECORDINGS["texts too"], *RECORDINGS["odd texts"]])
    rows = list(read_samples(**write(kind, samples)))
    cells = [(type(row["value"]), row["value"], row["requested_at"]) for row in rows]
    assert cells == [(type(s.value), s.value, s.requested_at) for s in samples]
    assert "run_id" not in rows[0]


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({"device": "oven_2"}, [2, 6]),
    ({"device": ["oven_0", "oven_3"]}, [0, 3, 4, 7]),
    ({"parameter": "setpoint"}, [1, 3, 5, 7]),
    ({"parameter": 4001}, [0, 2, 4, 6]),
    ({"parameter": ["setpoint", 4001], "device": "oven_1"}, [1, 5]),
    ({"since": START + timedelta(seconds=6)}, [6, 7]),
    ({"until": "2026-03-01T12:00:02"}, [0, 1]),
    ({"since": "2026-03-01T13:00:01+01:00", "until": "2026-03-01T12:00:03Z"}, [1, 2]),
    ({"since": "2026-03-02"}, []),
    ({"until": START.date()}, []),
    ({"since": "2026-03-01T12:00:00.5", "until": "2026-03-01T12:00:01.5"}, [1]),
    ({"device": "no such"}, []),
]


@pytest.mark.parametrize("kind", FORMATS)
def test_filters_select_the_same_rows_in_all_formats(
    write: Callable[[str, Any], Any], kind: str
) -> None:
    samples = timed(
        [
            replace(
                FIRST,
                device=f"oven_{n % 4}",
                parameter="setpoint" if n % 2 else "process_value",
                parameter_id=7001 if n % 2 else 4001,
                value=float(n),
            )
            for n in range(8)
        ]
    )
    source = write(kind, samples)
    for filters, expected in FILTERS:
        stored = read_samples(**source, **filters)
        assert [row["value"] for row in stored] == expected, filters
        assert stored.to_arrow().column("value").to_pylist() == expected, filters
    only = read_samples(**source, columns=["value", "device"], since=samples[7].requested_at)
    assert list(only) == [{"value": 7.0, "device": "oven_3"}]
    assert only.to_arrow().to_pylist() == [{"value": 7.0, "value_text": None, "device": "oven_3"}]


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_without_the_selected_columns_are_not_lost(
    write: Callable[[str, Any], Any], kind: str
) -> None:
    pytest.importorskip("pandas")
    rows = [{"device": "a", "requested_at": START + timedelta(seconds=n)} for n in range(3)]
    stored = read_samples(**write(kind, rows), columns=["tick", "value"])
    assert list(stored) == [{"tick": None, "value": None}] * 3
    assert stored.to_arrow().num_rows == len(stored.to_pandas()) == 3


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_on_the_border_of_blocks_are_complete(
    write: Callable[[str, Any], Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = timed(RECORDINGS["odd texts"] * 3)
    source = write(kind, samples)
    whole = read_samples(**source).to_arrow()
    for size in (1, 7, 200, 1000):
        monkeypatch.setitem(blocks.complete_blocks.__kwdefaults__, "size", size)
        assert read_samples(**source).to_arrow().to_pylist() == whole.to_pylist()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "sqlite", "parquet"])
def test_columns_of_other_instruments_keep_their_types(
    write: Callable[[str, Any], Any], kind: str
) -> None:
    rows = [
        {"gas": "N2", "flow": 1.5, "count": 1, "mixed": 2, "requested_at": START},
        {"gas": None, "flow": 2.0, "count": 2, "mixed": "off", "requested_at": START},
    ]
    table = read_samples(**write(kind, rows)).to_arrow()
    assert {field.name: str(field.type) for field in table.schema} == {
        "gas": "string",
        "flow": "double",
        "count": "int64",
        "mixed": "double",
        "mixed_text": "string",
        "requested_at": "timestamp[us, tz=UTC]",
    }
    assert table.column("mixed_text").to_pylist() == ["2", "off"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_torn_last_line_is_left_out_of_tables(
    write: Callable[[str, Any], Any], kind: str
) -> None:
    source = write(kind, timed(FLOATS))
    with source["source"].open("ab") as file:
        file.write(b'{"device":"oven' if kind == "jsonl" else b"oven_top,1,st")
    assert read_samples(**source).to_arrow().num_rows == len(FLOATS)


def test_a_table_of_the_server_is_refused_without_the_password(postgres: PostgresServer) -> None:
    from watlowlib import WatlowSinkError

    with pytest.raises(WatlowSinkError, match=r"no_table does not exist; give the name"):
        read_samples(postgres.url, table="no_table").to_arrow()
