from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.sinks.samples import EVERY_KIND, START, many
from watlowlib import Sample, WatlowSinkError
from watlowlib.sinks.postgres.copy_format import FEW_ROWS, ROWS_AT_ONCE, pack, unpack
from watlowlib.sinks.rows import ColumnLayout, ColumnType, Row

RUN = UUID(int=7)
IN_STEP = [
    replace(each, tick=number, scheduled_at=START + timedelta(seconds=number))
    for number, each in enumerate(many(FEW_ROWS + 1))
]


def packed(layout: ColumnLayout, rows: Sequence[Row], seq: int = 5) -> bytes:
    return b"".join(pack(layout, rows, RUN, seq))


@pytest.mark.parametrize(
    "samples", [IN_STEP, EVERY_KIND + IN_STEP, many(ROWS_AT_ONCE - 2) + EVERY_KIND]
)
def test_rows_packed_together_are_those_packed_alone(samples: list[Sample]) -> None:
    layout = ColumnLayout.infer(samples)
    alone = [packed(layout, [each], seq) for seq, each in enumerate(samples, 5)]
    assert packed(layout, samples) == b"".join(alone)


@pytest.mark.parametrize("samples", [EVERY_KIND, EVERY_KIND + IN_STEP])
def test_packed_rows_have_their_cells(samples: list[Sample]) -> None:
    layout = ColumnLayout.infer(samples)
    rows = list(unpack(layout, packed(layout, samples)))
    assert len(rows) == len(samples)
    for number, (row, each) in enumerate(zip(rows, samples)):
        numeric = isinstance(each.value, (int, float))
        assert row == [
            each.device, each.address, each.protocol.value, each.parameter, each.parameter_id,
            each.instance, each.value if numeric else None,
            str(each.value) if isinstance(each.value, (int, str)) else None,
            each.unit and each.unit.value, each.requested_at, each.received_at, each.midpoint_at,
            each.latency_s, each.status, each.tick, each.scheduled_at, RUN, 5 + number,
        ]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize(
    ("type_", "cell"), [(ColumnType.REAL, "hot"), (ColumnType.INTEGER, 1 << 63)]
)
def test_a_cell_that_does_not_fit_is_refused_with_its_column(
    rows: int, type_: ColumnType, cell: Any
) -> None:
    given = [{"good": 1.0, "bad": None}] * (rows - 1) + [{"good": 1.0, "bad": cell}]
    layout = ColumnLayout({"good": ColumnType.REAL, "bad": type_})
    for part in (given, given[-1:] * rows):
        with pytest.raises(WatlowSinkError, match="column 'bad' holds"):
            packed(layout, part)


@pytest.mark.parametrize("rows", [1, 100])
def test_rows_without_requested_at_are_refused(rows: int) -> None:
    layout = ColumnLayout({"requested_at": ColumnType.TIME})
    with pytest.raises(WatlowSinkError, match="give every row a requested_at"):
        packed(layout, [{"requested_at": None}] * rows)
