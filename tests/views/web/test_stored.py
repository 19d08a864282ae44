"""Stored rows on the page, also those that are added meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST, START
from tests.views.web.viewer import events
from watlowlib import Sample, open_sink
from watlowlib.model.events import Event, EventKind
from watlowlib.views.web.page import WebPage
from watlowlib.views.web.stored import StoredFeed, stored_board

pytest.importorskip("bottle")
pytest.importorskip("cheroot")
FORMATS = ("csv", "jsonl", "sqlite", "parquet")


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"run.{request.param}"


@pytest.fixture
def page() -> Iterator[WebPage]:
    with WebPage(stored_board("run"), port=0) as serving:
        yield serving


def write(path: Path, *samples: Sample) -> None:
    with open_sink(path) as sink:
        sink.write_many(samples)


def at(second: float, value: float | None, status: str = "ok") -> Sample:
    when = START + timedelta(seconds=second)
    return replace(FIRST, value=value, status=status, requested_at=when, received_at=when)


def buckets(page: WebPage, window_s: int = 300) -> list[Any]:
    (track,) = page.board._tracks.values()
    return track.history.buckets(window_s)


def test_rows_of_every_format_are_shown(page: WebPage, path: Path) -> None:
    write(path, at(0, 1.0), at(2, None, "timeout"), at(4, 3.5))
    feed = StoredFeed(page, str(path))
    feed.look()
    start = START.timestamp()
    assert buckets(page) == [
        [start, 1.0, 1.0, False],
        [start + 2, None, None, True],
        [start + 4, 3.5, 3.5, False],
    ]


def test_rows_of_an_open_sink_appear(page: WebPage, path: Path) -> None:
    with open_sink(path) as sink:
        sink.write_many([at(0, 1.0)])
        feed = StoredFeed(page, str(path))
        feed.look()
        sink.write_many([at(30, 2.0)])
        feed.look()
    assert [low for _, low, *_ in buckets(page)] == [1.0, 2.0]


def test_a_file_that_has_not_changed_is_not_read_again(
    page: WebPage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, at(0, 1.0))
    feed = StoredFeed(page, str(path))
    feed.look()
    reads: list[object] = []
    monkeypatch.setattr(feed, "_read", lambda: reads.append(1))
    feed.look()
    assert reads == []
    write(path, at(1, 1.0))
    feed.look()
    assert reads == [1]


def test_only_the_last_day_of_a_recording_that_is_running_is_kept(
    page: WebPage, tmp_path: Path
) -> None:
    path = tmp_path / "run.csv"
    write(path, at(0, 1.0), at(2 * 86400, 2.0))
    now = START + timedelta(days=2, seconds=5)
    StoredFeed(page, str(path), utc=lambda: now).look()
    assert [low for _, low, *_ in buckets(page, 86400)] == [2.0]


def test_rows_with_texts_odd_names_and_gaps_are_shown(page: WebPage, path: Path) -> None:
    write(path, *EVERY_KIND)
    StoredFeed(page, str(path)).look()
    names = {(point.device, point.parameter) for point in _latest(page)}
    assert names == {(each.device, each.parameter) for each in EVERY_KIND}


def _latest(page: WebPage) -> list[Any]:
    return [track.latest for track in page.board._tracks.values()]


def test_a_file_that_disappears_is_a_problem_on_the_page(page: WebPage, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    write(path, at(0, 1.0))
    with events(page.url) as viewer:
        feed = StoredFeed(page, str(path))
        feed.look()
        path.unlink()
        feed.look()
        page.publish(feed._health)
        state = viewer.next()
        assert state is not None
        while "problem" not in state["health"]:
            state = viewer.next()
            assert state is not None
        assert "there is no file" in state["health"]["problem"]
        assert len(state["series"]) == 1


def test_a_folder_gets_new_files(page: WebPage, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", at(0, 1.0))
    feed = StoredFeed(page, str(tmp_path))
    feed.look()
    write(tmp_path / "b.csv", at(30, 2.0))
    feed.look()
    assert [low for _, low, *_ in buckets(page)] == [1.0, 2.0]


def test_the_page_gets_the_rows_from_a_thread_which_ends(page: WebPage, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", at(0, 1.0))
    with events(page.url) as viewer, StoredFeed(page, str(tmp_path / "a.csv")):
        while (state := viewer.next()) is not None and not state["series"]:
            pass
        assert state is not None
        (series,) = state["series"]
        assert series["age"] > 86400
        assert not state["live"]


def test_an_odd_cell_of_another_program_is_a_problem_on_the_page(
    page: WebPage, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("device,parameter,instance,value,requested_at\na,b,first,1,2026-03-01T12:00Z\n")
    feed = StoredFeed(page, str(path))
    feed.look()
    assert "first" in feed._health["problem"]


def test_a_number_that_is_too_large_is_a_problem_on_the_page(page: WebPage, tmp_path: Path) -> None:
    rows = (
        '{"device": "oven", "parameter": "p", "requested_at": "2026-01-01T00:00:00Z", '
        '"value": 1e999, "instance": 1e999}'
    )
    (tmp_path / "run.jsonl").write_text(rows + "\n")
    feed = StoredFeed(page, str(tmp_path / "run.jsonl"))
    feed.look()
    assert feed._health["problem"]


def test_a_lone_surrogate_is_shown_as_a_question_mark(page: WebPage, tmp_path: Path) -> None:
    names = '{"device": "\\ud800", "parameter": "p", '
    cells = '"requested_at": "2026-01-01T00:00:00Z", "value": 1}\n'
    (tmp_path / "run.jsonl").write_text(names + cells)
    StoredFeed(page, str(tmp_path / "run.jsonl")).look()
    assert b'"device":"?"' in page.board.event({})
    assert b'["?","p",1]' in b"".join(page.board.history(300))


def note(number: int) -> Event:
    return Event(START + timedelta(seconds=number), None, "oven", EventKind.NOTE, f"door {number}")


def test_the_last_stored_events_are_shown_also_those_that_are_added(
    page: WebPage, path: Path
) -> None:
    with open_sink(path) as sink:
        sink.write_many([at(0, 1.0)])
        sink.write_events([note(number) for number in range(11)])
        feed = StoredFeed(page, str(path))
        feed.look()
        assert [each["text"] for each in feed._health["events"]] == [
            f"door {number}" for number in range(10, 0, -1)
        ]
        sink.write_events([note(11)])  # the file with the rows may stay as it is
        feed.look()
        assert feed._health["events"][0] == {
            "at": START.timestamp() + 11, "device": "oven", "kind": "note", "text": "door 11",
        }  # fmt: skip


def test_rows_far_in_the_future_do_not_hide_later_rows(page: WebPage, path: Path) -> None:
    write(path, at(0, 1.0), at(10 * 86400, 99.0))
    feed = StoredFeed(page, str(path), utc=lambda: START + timedelta(seconds=60))
    feed.look()
    assert feed._health["ahead"]
    write(path, at(30, 2.0))
    feed.look()
    assert [low for _, low, *_ in buckets(page)] == [1.0, 2.0]
    assert [point.value for point in _latest(page)] == [2.0]
