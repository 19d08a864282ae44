"""Error messages show a path as text, never as `PosixPath(...)`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from watlowlib import (
    CsvSink,
    InMemorySink,
    JsonlSink,
    ParquetSink,
    SqliteSink,
    WatlowError,
    WatlowManager,
    find_devices,
    open_device,
    open_sink,
    pipe,
    read_samples,
    record,
)


def open_and_close(sink: CsvSink | JsonlSink | ParquetSink | SqliteSink) -> None:
    with sink:
        pass


@pytest.mark.parametrize(
    "call",
    [
        lambda folder: open_device(folder / "ttyUSB77"),
        lambda folder: open_device(folder / "ttyUSB77", serial_settings=folder),
        lambda folder: open_device("/dev/ttyUSB77", protocol=folder),
        lambda folder: find_devices(folder / "ttyUSB77", addresses=folder),
        lambda folder: WatlowManager().record_to_sink(parameters="pv", sink=folder / "run.csv"),
        lambda folder: record(folder, parameters="pv", rate_hz=1.0),
        lambda folder: pipe(folder, InMemorySink()),
        lambda folder: open_sink(folder / "run.xls"),
        lambda folder: read_samples(folder / "run.csv"),
        lambda folder: read_samples(folder / "run.xls"),
        lambda folder: open_and_close(CsvSink(folder)),
        lambda folder: open_and_close(JsonlSink(folder)),
        lambda folder: open_and_close(SqliteSink(folder)),
        lambda folder: open_and_close(ParquetSink(folder / "no" / "run.parquet")),
        lambda folder: open_and_close(CsvSink(folder / "no" / "run.csv")),
    ],
)
def test_message_shows_a_path_as_text(call: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(WatlowError) as caught:
        call(tmp_path)
    assert "PosixPath" not in str(caught.value)


def test_a_port_may_be_a_path() -> None:
    (probe,) = find_devices(Path("/dev/ttyUSB77"), addresses=1, protocols="stdbus")
    assert (probe.port, probe.info) == ("/dev/ttyUSB77", None)
