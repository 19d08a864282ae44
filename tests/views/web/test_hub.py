"""Viewers: the newest event wins, and none delays another."""

from __future__ import annotations

import pytest

from watlowlib._internal.queues import ShutDown
from watlowlib.views.web.hub import MOST_VIEWERS, Hub, TooManyViewersError

PATIENCE_S = 20.0


def test_a_slow_viewer_gets_the_newest_event_and_the_others_get_all() -> None:
    hub = Hub()
    with hub.viewer() as slow, hub.viewer() as quick:
        seen = []
        for event in (b"1", b"2", b"3"):
            hub.publish(event)
            seen.append(quick.get(timeout=PATIENCE_S))
        assert seen == [b"1", b"2", b"3"]
        assert slow.get(timeout=PATIENCE_S) == b"3"
        assert slow.empty()


def test_a_new_viewer_gets_the_latest_event_at_once() -> None:
    hub = Hub()
    hub.publish(b"1")
    with hub.viewer() as queue:
        assert queue.get_nowait() == b"1"


def test_a_viewer_that_leaves_is_removed() -> None:
    hub = Hub()
    with hub.viewer():
        assert hub.viewers == 1
    assert hub.viewers == 0


def test_the_last_event_arrives_before_the_end() -> None:
    hub = Hub()
    with hub.viewer() as queue:
        hub.publish(b"1")
        hub.close()
        assert queue.get(timeout=PATIENCE_S) == b"1"
        with pytest.raises(ShutDown):
            queue.get(timeout=PATIENCE_S)
    with hub.viewer() as late, pytest.raises(ShutDown):
        late.get_nowait()
        late.get_nowait()


def test_viewers_beyond_the_limit_are_refused() -> None:
    hub = Hub()
    held = [hub.viewer() for _ in range(MOST_VIEWERS)]
    for each in held:
        each.__enter__()
    with pytest.raises(TooManyViewersError), hub.viewer():
        pass
    for each in held:
        each.__exit__(None, None, None)
    with hub.viewer():
        pass
