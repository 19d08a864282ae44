"""Rows and tables of a file have the same cells, whatever they are."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import FIRST
from watlowlib import Sample, open_sink, read_samples
from watlowlib.sinks.reading import blocks
from watlowlib.sinks.rows import COLUMNS

pa = pytest.importorskip("pyarrow")
hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

ROOT = Path(__file__).parents[3]
FORMATS = ["csv", "jsonl", "sqlite", "parquet"]

looks_like_numbers = st.from_regex(
    r"[+-]?([0-9]{1,25}\.?[0-9]{0,3}|\.[0-9]+)([eE][+-]?[0-9]{1,3})?|[+-]?(inf|nan|NaN|Infinity)",
    fullmatch=True,
)
words = st.sampled_from(
    ["", " 7", "7 ", "null", "NULL", "true", "\x01 1", "1,5", '"', '""', "\r\n", "a\nb", "\N{BOM}"]
)
texts = looks_like_numbers | words | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1e16, 75.0]
)
values = st.none() | texts | integers | numbers


def samples_of(value: Any) -> Any:
    """Return lists of samples whose values are those of `value`."""
    sample = st.builds(
        lambda device, value, tick: replace(FIRST, device=device, value=value, tick=tick),
        texts,
        value,
        st.none() | integers,
    )
    return st.lists(sample, min_size=1, max_size=6)


def read_both(kind: str, samples: list[Any]) -> tuple[list[dict[str, Any]], Any]:
    """Write `samples`; return the rows and the table that are read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run.{kind}"
        with open_sink(path) as sink:
            sink.write_many(samples)
        if kind in ("csv", "jsonl"):
            with path.open("ab") as file:
                file.write(b'{"torn' if kind == "jsonl" else b"torn")
        stored = read_samples(path)
        return list(stored), stored.to_arrow()


def check_equal(rows: list[dict[str, Any]], table: Any) -> None:
    """Check that a table has the cells of rows: each integer and text in `value_text`."""
    assert table.num_rows == len(rows)
    for row, cells in zip(rows, table.to_pylist()):
        value = row.pop("value")
        is_number = isinstance(value, (int, float))
        text = cells.pop("value_text")
        assert repr(cells.pop("value")) == repr(float(value) if is_number else None)
        assert text == (None if value is None or isinstance(value, float) else str(value))
        assert cells == row


@pytest.mark.parametrize("kind", FORMATS)
@hypothesis.given(
    samples=st.one_of(map(samples_of, (values, numbers, integers, numbers | integers, texts))),
    size=st.sampled_from([50, 300, blocks.BLOCK]),
)
@hypothesis.settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_rows_and_tables_have_the_cells_as_written(
    monkeypatch: pytest.MonkeyPatch, kind: str, samples: list[Sample], size: int
) -> None:
    monkeypatch.setitem(blocks.complete_blocks.__kwdefaults__, "size", size)
    rows, table = read_both(kind, samples)
    assert [repr(row["value"]) for row in rows] == [repr(each.value) for each in samples]
    assert [row["device"] for row in rows] == [each.device for each in samples]
    assert [row["tick"] for row in rows] == [each.tick for each in samples]
    check_equal(rows, table)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])  # SQLite has no such integers
@pytest.mark.parametrize("size", [50, blocks.BLOCK])
def test_integers_beyond_64_bits_are_exact_as_text(
    monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    monkeypatch.setitem(blocks.complete_blocks.__kwdefaults__, "size", size)
    counts = [1, 2**63 - 1, -(2**63), 2**63, -(2**80), None]
    written: list[Any] = [{"device": "a", "count": each} for each in counts]
    rows, table = read_both(kind, written)
    assert rows == written
    columns = table.to_pydict()
    assert columns["count"] == [None if each is None else float(each) for each in counts]
    assert columns["count_text"] == [None if each is None else str(each) for each in counts]


@pytest.mark.parametrize("kind", ["csv", "sqlite", "parquet"])  # JSON has no infinity
def test_infinities_are_read_back(kind: str) -> None:
    samples = [replace(FIRST, value=value) for value in (math.inf, -math.inf, 1.5)]
    rows, table = read_both(kind, samples)
    assert [row["value"] for row in rows] == [math.inf, -math.inf, 1.5]
    check_equal(rows, table)


@pytest.mark.parametrize("kind", FORMATS)
@hypothesis.given(names=st.lists(texts, min_size=1, max_size=3, unique_by=str.lower), cell=texts)
@hypothesis.settings(max_examples=15, deadline=None)
def test_columns_may_have_any_name(kind: str, names: list[str], cell: str) -> None:
    names = [name for name in names if name and "\0" not in name and name not in COLUMNS]
    hypothesis.assume(names)
    row = {"device": "a", **dict.fromkeys(names, cell)}
    rows, table = read_both(kind, [row])
    assert rows == [row]
    assert table.to_pylist() == rows


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_is_read_while_another_process_appends(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"run.{kind}"
    with subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.sinks.recorder_process", str(path), str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("0\n")
            process.stdin.flush()
            for each in range(20):
                flushed = [int(process.stdout.readline()) for _ in range(5)][-1]
                stored = read_samples(path)
                if each % 2:
                    values = [row["value"] for row in stored]
                else:
                    values = stored.to_arrow().column("value").to_pylist()
                assert values == [float(n) for n in range(len(values))]
                assert len(values) >= flushed
        finally:
            process.kill()
