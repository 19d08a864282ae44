"""The page in a real browser, where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.views.web.browser import Browser, browser, chromium
from tests.views.web.viewer import free_port
from watlowlib.views.web.board import Board, Point
from watlowlib.views.web.page import WebPage

pytest.importorskip("bottle")
pytest.importorskip("cheroot")
pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium")

START_S = 1_700_000_000.0
POINT = Point("oven", "process_value", 4001, 1, 72.4, "°F", "ok", START_S, 0.0)
HEALTH = {
    "ended": False, "ticks": 7, "late": 2, "dropped": 1, "drift_ms": 3.5, "rows": 14, "gaps": 1,
    "disconnects": 0, "duration_s": 7.0,
    "sinks": [{"name": "run.csv", "written": 14, "waiting": 3, "lost": 0, "problem": "disk full"}],
}  # fmt: skip

SHADED = """(() => {
    const canvas = document.querySelector("canvas"), ctx = canvas.getContext("2d");
    const {data} = ctx.getImageData(0, 12, canvas.width, 1);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
        count += data[at + 3] > 0 && data[at] > 2 * data[at + 2];
    }
    return count;
})()"""
"""How many pixels of a row at the top of the chart have the colour of a gap."""

LABEL = 'document.querySelector("canvas").getAttribute("aria-label")'


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page() -> Iterator[WebPage]:
    with WebPage(Board("run.csv", live=True, clock=lambda: 9.0), port=0) as serving:
        yield serving


def points(device: str, second: int, value: float | None, status: str = "ok") -> list[Point]:
    at_s = START_S + second
    first = POINT._replace(device=device, value=value, status=status, at_s=at_s, seen_s=7.0)
    return [
        first,
        first._replace(parameter="setpoint", number=7001),
        first._replace(parameter="output_power", number=8033, unit="%"),
        first._replace(parameter="heat_algorithm", number=8003, value=value and 71, unit=""),
    ]


def text(selector: str) -> str:
    return f"document.querySelector({selector!r}).textContent"


def test_the_page_shows_values_gaps_health_and_the_end(tab: Browser, page: WebPage) -> None:
    for second in range(200):
        if not 100 <= second < 140:  # no reads at all
            page.board.add(points("oven", second, 100.0 + second))
    page.publish(HEALTH)
    tab.show(390, 844)
    tab.open(page.url)
    tab.wait_for(
        f'{text(".main b")} === "299.00" && {LABEL} === "Trend of the last 5 min: with 1 gap"'
    )
    card = tab.evaluate("document.querySelector('.card').innerText")
    for expected in ("oven", "°F", "ok", "setpoint", "output power", "299.00 %", "PID (71)"):
        assert expected in card
    assert tab.evaluate(text(".age")).startswith("2.")  # seconds
    # 40 of 300 s, of a canvas of about 310 pixels
    assert 20 < tab.evaluate(SHADED) < 60
    health = tab.evaluate("document.querySelector('#health').innerText")
    for expected in ("ticks\n7", "late\n2", "dropped\n1", "3.5 ms", "run.csv", "disk full"):
        assert expected in health

    page.board.add(points("oven", 200, None, "timeout"))
    page.publish(HEALTH)
    tab.wait_for(f'{text(".main b")} === "\\u2013"')
    assert tab.evaluate(text(".reason")) == "no reply in time; the last value was 299.00 °F"
    assert tab.evaluate(text(".status")) == "timeout"
    tab.wait_for(f"parseFloat({text('.age')}) > 2.2")  # it counts up without an event

    page.publish({**HEALTH, "ended": True})
    page.close()
    tab.wait_for(f'{text("#connection")} === "The recording has ended."')
    assert [each for each in tab.messages if "ERR_" not in each] == []


def test_stored_events_have_their_day_and_rows_that_are_not_shown_a_line(tab: Browser) -> None:
    board = Board("run.csv", live=False, clock=lambda: START_S)
    board.add(points("oven", 0, 1.0))
    event = {"at": START_S, "device": "oven", "kind": "note", "text": "<b>door</b> opened"}
    with WebPage(board, port=0) as page:
        page.publish({"read_at": START_S, "every_s": 1, "ahead": True, "events": [event]})
        tab.open(page.url)
        tab.wait_for(f'{text("#events li")}.endsWith("oven, note: <b>door</b> opened")')
        assert "2023" in tab.evaluate(text("#events li"))
        assert "more than a day ahead" in tab.evaluate(text("#counters"))


def test_the_page_says_that_the_connection_is_lost_and_connects_again(tab: Browser) -> None:
    first = Board("run.csv", live=True, clock=lambda: 9.0)
    first.add(points("oven", 0, 1.0))
    port = free_port()
    with WebPage(first, port=port) as page:
        page.publish(HEALTH)
        tab.open(page.url)
        tab.wait_for(f'{text("#connection")} === "Live"')
    tab.wait_for(f'{text("#connection")}.startsWith("Connection lost")')
    with WebPage(first, port=port) as page:
        page.publish(HEALTH)
        tab.wait_for(f'{text("#connection")} === "Live"')


def test_keys_change_the_length_of_the_trends(tab: Browser, page: WebPage) -> None:
    for second in range(0, 7200, 10):
        page.board.add(points("oven", second, float(second)))
    page.publish(HEALTH)
    tab.open(page.url)
    tab.wait_for(f'{LABEL} === "Trend of the last 5 min: without gaps"')
    for key, expected in (("-", "1 h"), ("-", "8 h"), ("+", "1 h"), ("4", "24 h"), ("2", "1 h")):
        tab.press(key)
        tab.wait_for(f'{LABEL} === "Trend of the last {expected}: without gaps"')
        pressed = """document.querySelector('button[aria-pressed="true"]').textContent"""
        assert tab.evaluate(pressed) == expected
    tab.press("Tab")
    tab.evaluate("document.querySelector('.card').focus()")
    tab.press("ArrowLeft")
    tab.wait_for(f'{text(".cursor")}.includes("process value 71")')
    tab.press("Escape")
    tab.wait_for(f'{text(".cursor")} === ""')


def test_cards_fit_the_width_in_dark_and_light(tab: Browser, page: WebPage) -> None:
    for name in (*"abcde", "a_long_name_of_a_furnace_in_hall_2_zone_3_left"):
        page.board.add(points(name, 0, 123456.78, "sensor_error"))
    page.publish(HEALTH)
    tab.open(page.url)
    tab.wait_for("document.querySelectorAll('.card').length === 6")
    lefts = "new Set([...document.querySelectorAll('.card')].map((each) => each.offsetLeft)).size"
    colours = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    for width, columns, dark in (
        (390, 1, False),
        (390, 1, True),
        (1280, 3, False),
        (1280, 3, True),
    ):
        tab.show(width, 844, dark=dark)
        tab.wait_for(f"innerWidth === {width} && {lefts} === {columns}")
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert (max(tab.evaluate(colours)) < 100) is dark


def test_a_token_leaves_the_address_and_stays_a_cookie(tab: Browser) -> None:
    board = Board("run.csv", live=True, clock=lambda: 9.0)
    board.add(points("oven", 0, 1.0))
    with WebPage(board, host="127.0.0.2", port=0) as page:
        page.publish(HEALTH)
        tab.open(page.url)
        tab.wait_for(f'{text("#connection")} === "Live" && location.search === ""')
        assert tab.evaluate("document.cookie") == ""  # no script can read it
        tab.open(page.url.partition("?")[0])
        tab.wait_for(f'{text("#connection")} === "Live"')
