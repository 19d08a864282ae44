"""`CsvSink(spreadsheet_safe=True)`: texts that a spreadsheet would take as a formula."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST
from watlowlib import CsvSink, Sample, WatlowConfigurationError, read_samples
from watlowlib.cli import record
from watlowlib.cli.main import main

FORMULAS = ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=A1,"x"']
PLAIN = ["oven_top", "1@ttyUSB0", "'=1", "", " =1", "71", "a=1", "ÖFEN"]


def write(path: Path, *samples: Sample, **options: Any) -> None:
    with CsvSink(path, **options) as sink:
        sink.write_many(samples)


def stored(path: Path, column: str) -> list[str]:
    """The cells as another CSV reader sees them."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)]


def test_formulas_get_an_apostrophe_and_other_texts_do_not(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    samples = [replace(FIRST, device=text, value=text) for text in [*FORMULAS, *PLAIN]]
    write(path, *samples, spreadsheet_safe=True)
    expected = [*(f"'{text}" for text in FORMULAS), *PLAIN]
    assert stored(path, "device") == stored(path, "value") == expected
    # An apostrophe is not removed: PLAIN has a text that begins with one itself.
    assert [row["device"] for row in read_samples(path)] == expected


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    numbers = [-12.5, -7, 0.0, float("-inf")]
    samples = [replace(FIRST, value=number) for number in numbers]
    write(path, *samples, spreadsheet_safe=True)
    assert stored(path, "value") == ["-12.5", "-7", "0.0", "-inf"]
    assert [row["value"] for row in read_samples(path)] == numbers


def test_the_default_writes_texts_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    write(path, *(replace(FIRST, device=text) for text in FORMULAS))
    assert stored(path, "device") == FORMULAS == [row["device"] for row in read_samples(path)]


def test_usual_samples_give_the_same_file_with_both_settings(tmp_path: Path) -> None:
    for safe in (False, True):
        write(tmp_path / f"{safe}.csv", *EVERY_KIND, spreadsheet_safe=safe)
    assert (tmp_path / "True.csv").read_bytes() == (tmp_path / "False.csv").read_bytes()


@pytest.mark.parametrize("first", [True, False])
def test_a_file_is_continued_with_the_other_setting(tmp_path: Path, first: bool) -> None:
    path = tmp_path / "run.csv"
    sample = replace(FIRST, device="=1")
    write(path, sample, spreadsheet_safe=first)
    write(path, sample, spreadsheet_safe=not first)
    texts = {True: "'=1", False: "=1"}
    assert stored(path, "device") == [texts[first], texts[not first]]


def test_columns_that_begin_a_formula_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    for safe in (True, False):
        with CsvSink(path, columns=["=gas"], spreadsheet_safe=safe) as sink:
            sink.write_many([{"=gas": "N2"}])
    assert list(read_samples(path)) == [{"=gas": "N2"}] * 2


def test_a_setting_that_is_no_bool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match="spreadsheet_safe='no': give True or False"):
        CsvSink(tmp_path / "run.csv", spreadsheet_safe="no")  # type: ignore[arg-type]


def test_the_command_writes_csv_for_spreadsheets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = record.WatlowManager.add
    monkeypatch.setattr(
        record.WatlowManager, "add", lambda self, name, *args, **kw: add(self, "=1", *args, **kw)
    )
    words = ["record", "--simulate", "1", "--rate", "20", "--duration", "0.1", "-o", "run.csv"]
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    assert set(stored(tmp_path / "run.csv", "device")) == {"'=1"}
