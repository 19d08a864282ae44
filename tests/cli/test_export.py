"""`watlowlib export`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sinks.samples import EVERY_KIND, many
from watlowlib import open_sink, read_samples
from watlowlib.cli import export
from watlowlib.cli.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording in the working directory."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    with open_sink("run.sqlite") as sink:
        sink.write_many(EVERY_KIND)
    return tmp_path / "run.sqlite"


def test_export_says_how_many_rows_the_file_has(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "export run.sqlite --parameter 4001,part_number --until 2026-03-02 -o new.csv"
    assert main(words.split()) == 0
    chosen = [each for each in EVERY_KIND if each.parameter in ("process_value", "part_number")]
    assert len(list(read_samples("new.csv"))) == len(chosen) < len(EVERY_KIND)
    output = capsys.readouterr()
    assert (output.out, output.err) == (f"new.csv: {len(chosen)} rows written\n", "")


def test_export_refuses_an_existing_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.csv").touch()
    assert main(["export", "run.sqlite", "-o", "new.csv"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["export", "run.sqlite", "-o", "new.csv", "--overwrite"]) == 0


def test_export_writes_csv_for_spreadsheets(run: Path) -> None:
    with open_sink("odd.jsonl") as sink:
        sink.write_many([{"device": "=1", "value": 1.0}])
    assert main(["export", "odd.jsonl", "-o", "new.csv"]) == 0
    assert [row["device"] for row in read_samples("new.csv")] == ["'=1"]


def test_export_shows_its_progress_when_it_takes_longer(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "QUIET_S", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with open_sink("many.csv") as sink:
        sink.write_many(many(3))
    assert main(["export", "many.csv", "-o", "new.parquet"]) == 0
    assert "new.parquet: 3 rows" in capsys.readouterr().err


def test_an_interrupted_export_leaves_no_file(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("watlowlib.sinks.export.replace", interrupt)
    assert main(["export", "run.sqlite", "-o", "new.csv"]) == 130
    assert [path for path in run.parent.iterdir() if "new" in path.name] == []
