"""The events of a recording: on a simulated line, and with a manual clock where time matters."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.streaming.test_recorder import CountingSource, Source, record_manually, sample
from watlowlib import EventKind, InMemorySink, WatlowManager, open_device, pipe, record
from watlowlib._internal.clock import Deadline, ManualClock
from watlowlib.devices import eeprom
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError, WatlowTimeoutError
from watlowlib.model import Sample
from watlowlib.model.events import Event
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.streaming import event_log
from watlowlib.streaming.event_log import EventLog
from watlowlib.streaming.recorder import Recording

PATIENCE_S = 20.0
needs_pty = pytest.mark.skipif(os.name == "nt", reason="no ptys")
QUICK: dict[str, Any] = {"baudrate": None, "turnaround_s": 0.0}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SimulatedBus]:
    # A pty that comes back may have another name.
    with SimulatedBus([1, 2], link=tmp_path / "usb-FTDI_RS485-if00", **QUICK) as simulated:
        yield simulated


@pytest.fixture
def mgr(bus: SimulatedBus, tmp_path: Path) -> Iterator[WatlowManager]:
    with WatlowManager() as manager:
        manager.add("top", tmp_path / "usb-FTDI_RS485-if00", address=1, temperature_unit="F")
        manager.add("bottom", tmp_path / "usb-FTDI_RS485-if00", address=2, temperature_unit="F")
        yield manager


def wait_for(stream: Recording, text: str) -> list[Event]:
    """Take batches until an event has `text` as `device kind`; return the events up to then.

    A busy machine may skip slots at any time: those events are left out.
    """
    deadline = Deadline.after(PATIENCE_S)
    seen: list[Event] = []
    for batch in stream.batches():
        seen += [each for each in batch.events if each.kind != EventKind.SLOTS_SKIPPED]
        if any(f"{each.device} {each.kind}" == text for each in batch.events):
            return seen
        assert not deadline.passed(), seen
    raise AssertionError("the recording has ended")


@needs_pty
def test_ports_controllers_and_alarms_make_events(bus: SimulatedBus, mgr: WatlowManager) -> None:
    top = mgr.get("top")
    with record(
        mgr, parameters="pv", rate_hz=50.0, buffer_size=2, alarms=25.0, events=True
    ) as stream:
        assert wait_for(stream, "None recording_started")[0].text == stream.id
        top.write_parameter("alarm_latching", "Latching", confirm=True)
        wait_for(stream, "top parameter_written")
        top.write_parameter("alarm_type", "Process Alarm", confirm=True)
        top.write_parameter("alarm_high_setpoint", 1.0, confirm=True)
        (written, *_, raised) = wait_for(stream, "top alarm_raised")
        assert (written.kind, written.device) == (EventKind.PARAMETER_WRITTEN, "top")
        assert written.text == "alarm_type (9015), instance 1"
        assert raised.text == "alarm 1: Alarm high"
        top.alarm(1).silence()
        wait_for(stream, "top alarm_silenced")
        top.write_parameter("alarm_high_setpoint", 900.0, confirm=True)
        (*_, clearable) = wait_for(stream, "top alarm_clearable")
        assert clearable.text == "alarm 1: its cause has ended"
        top.alarm(1).clear()
        wait_for(stream, "top alarm_cleared")
        bus.power_off(2)
        wait_for(stream, "bottom controller_lost")
        bus.power_on(2)
        wait_for(stream, "bottom controller_back")
        bus.unplug()
        (lost,) = wait_for(stream, "None port_lost")
        bus.replug(elsewhere=True)
        assert wait_for(stream, "None port_back")[-1].text == lost.text


@needs_pty
def test_the_alarms_have_a_rate_of_their_own(mgr: WatlowManager) -> None:
    stream = record(mgr, parameters="pv", rate_hz=1.0, alarms=True)
    (values, alarms) = stream.info.as_dict()["rates"]
    assert (values["rate_hz"], alarms["rate_hz"]) == (1.0, 0.2)
    names = ("alarm_state", "alarm_latched", "alarm_silenced", "alarm_clearable")
    assert alarms["parameters"] == [*names, "limit_state"]


@needs_pty
def test_alarms_that_a_controller_lacks_make_no_rows(mgr: WatlowManager) -> None:
    with record(mgr, parameters="pv", rate_hz=1.0, alarms=1.0) as stream:
        batch = next(iter(stream))
    assert {each.status for each in batch} == {"ok"}
    assert {each.instance for each in batch} == {1}  # all that this simulated controller has


@needs_pty
def test_alarms_that_a_controller_lacks_are_requested_once(bus: SimulatedBus) -> None:
    with open_device(bus.port) as ctl:
        clock = ManualClock()
        counts = []
        with record(ctl, parameters="pv", rate_hz=1.0, alarms=1.0, clock=clock) as stream:
            for batch in stream:
                assert {each.status for each in batch} == {"ok"}
                assert clock.waiting.wait(PATIENCE_S)
                counts.append(ctl.stats.exchanges)
                if len(counts) == 4:
                    break
                if len(counts) == 2:
                    ctl.accept_replacement()  # which may have other alarms
                    counts.append(ctl.stats.exchanges)
                clock.advance(1.0)
    second, after = counts[1] - counts[0], counts[3] - counts[2]
    # The simulated controller has alarm 1 of 4 and the limit.
    assert (second, after) == (6, 18)


@needs_pty
def test_all_alarms_of_the_family_are_read() -> None:
    units = [SimulatedController(1, family="rmc"), SimulatedController(2)]
    with SimulatedBus(units, **QUICK) as line, WatlowManager() as fleet:
        fleet.add("module", line.port, address=1, family="rmc")
        fleet.add("oven", line.port, address=2)
        with record(fleet, parameters="pv", rate_hz=1.0, duration=1.0, alarms=1.0) as stream:
            (batch,) = stream
    states = [(each.device, each.instance) for each in batch if each.parameter_id == 9009]
    assert states == [*(("module", n) for n in range(1, 9)), ("oven", 1)]
    assert [each.instance for each in batch if each.parameter == "limit_state"] == [1, 2, 3, 4, 1]


@needs_pty
def test_alarms_without_a_register_are_left_out() -> None:
    options: dict[str, Any] = {"protocol": "modbus_rtu", "word_order": "low_high"}
    with SimulatedBus(
        [SimulatedController(1, family="rmh", protocol="modbus_rtu")], **QUICK
    ) as line:
        with open_device(line.port, family="rmh", **options) as ctl:
            stream = record(ctl, parameters="setpoint", rate_hz=1.0, duration=1.0, alarms=1.0)
            with stream:
                (batch,) = stream
        with open_device(line.port, family="rm", **options) as ctl:
            with pytest.raises(WatlowConfigurationError, match=r"alarm_state \(9009\) instance 1 "):
                ctl.prepare([("alarm_state", None)])
    names = {each.parameter for each in batch}
    assert ("alarm_clearable" in names, "limit_state" in names) == (True, False)


@needs_pty
def test_an_unusable_alarms_argument_is_refused(mgr: WatlowManager) -> None:
    class Simple:
        def poll(self, parameters: Any, *, names: Any = None, instances: Any = (1,)) -> list[Any]:
            return []

    with pytest.raises(WatlowConfigurationError, match="has no alarms; leave alarms out"):
        record(Simple(), parameters="pv", rate_hz=1.0, alarms=True)
    with pytest.raises(WatlowConfigurationError, match="alarms=0: give a number above 0"):
        record(mgr, parameters="pv", rate_hz=1.0, alarms=0)


@needs_pty
def test_a_written_value_and_a_failed_write_are_events(
    mgr: WatlowManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(spec: object, instance: int, value: float, options: WriteOptions) -> None:
        options.on_send()
        raise WatlowTimeoutError("no reply")

    top = mgr.get("top")
    with record(mgr, parameters="pv", rate_hz=50.0, events=True) as stream:
        wait_for(stream, "None recording_started")
        top.set_setpoint(81.5, confirm=True)
        top.set_setpoint(81.5, confirm=True)  # is there already: nothing is written
        stream.note("after")
        (event, *rest) = wait_for(stream, "None note")
        assert (event.device, event.kind) == ("top", "parameter_written")
        assert (event.text, event.value) == ("setpoint (7001), instance 1", 81.5)
        assert [each.kind for each in rest] == ["note"]
        with monkeypatch.context() as patch, pytest.raises(WatlowTimeoutError):
            patch.setattr(top.session.driver, "write", fail)
            top.set_setpoint(99.0, confirm=True)
        event = wait_for(stream, "top write_failed")[0]
        assert (event.text, event.value) == ("setpoint (7001), instance 1: no reply", 99.0)
    top.set_setpoint(90.0, confirm=True)  # after the recording: nobody listens
    assert top.session.listeners == {}


@needs_pty
def test_too_many_eeprom_writes_are_an_event(
    mgr: WatlowManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = mgr.get("top")
    monkeypatch.setattr(top.session.eeprom, "_recent", eeprom.deque([0.0], maxlen=2))
    monkeypatch.setattr(eeprom, "MOST_PER_HOUR", 1)
    monkeypatch.setattr(eeprom, "HOUR_S", 1e12)
    with record(mgr, parameters="pv", rate_hz=50.0, events=True) as stream:
        wait_for(stream, "None recording_started")
        top.set_setpoint(81.5, confirm=True)
        event = wait_for(stream, "top eeprom_warning")[0]
    assert event.text.startswith("2 EEPROM writes within an hour")
    assert event.value == 1


class InstantClock(ManualClock):
    """A clock that advances to every time it is asked to wait for."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        self.advance(max(0, due_ns - self.now_ns()) / 1e9)
        return stop.is_set()


def record_ticks(tick: Callable[[int], None], sink: InMemorySink, **options: Any) -> Recording:
    """Record three ticks into `sink`; `tick` is called at each."""

    def read(n: int) -> list[Sample]:
        tick(n)
        return [sample(float(n))]

    stream = record_manually(
        Source(read), options.pop("clock", InstantClock()), duration=3.0, **options
    )
    with sink, stream:
        pipe(stream, sink)
    return stream


def test_notes_are_stored_without_events_and_in_order() -> None:
    clock = InstantClock()
    sink = InMemorySink()
    stream: Recording

    def read(n: int) -> list[Sample]:
        if n == 1:
            stream.note("door opened", device="d", value=2.5)
        return [sample(float(n))]

    stream = record_manually(Source(read), clock, duration=3.0)
    stream.note("before the start")
    with sink, stream:
        pipe(stream, sink)
    found = [(each.tick, each.device, each.kind, each.text, each.value) for each in sink.events]
    assert found == [
        (None, None, "note", "before the start", None),
        (0, "d", "note", "door opened", 2.5),
    ]
    assert len(sink.samples) == 3
    assert stream.recent_events == sink.events
    with pytest.raises(WatlowClosedError, match="has ended"):
        stream.note("too late")


def test_a_clock_step_and_the_end_are_events() -> None:
    clock, sink = InstantClock(), InMemorySink()
    stream = record_ticks(
        lambda n: clock.step_wall(-60.0 * (n == 1)), sink, clock=clock, events=True
    )
    assert [(each.kind, each.text, each.value) for each in sink.events] == [
        ("recording_started", stream.id, None),
        ("clock_step", "the wall clock went by -60.0 s", -60.0),
        ("recording_stopped", "the duration is over", None),
    ]


def test_skipped_slots_are_events_at_most_once_a_minute() -> None:
    # The ticks of 2, 4 and 8 s end at 4.5, 8 and 69.5 s: without slots 3, 5 to 7, and 9 to 68.
    clock, sink = InstantClock(), InMemorySink()
    durations_s = {2: 2.5, 3: 3.5, 4: 61.5}

    def read(n: int) -> list[Sample]:
        clock.advance(durations_s.get(n, 0.0))
        return [sample(float(n))]

    stream = record_manually(Source(read), clock, duration=75.0, events=True)
    with sink, stream:
        pipe(stream, sink)
    found = [each for each in sink.events if each.kind == EventKind.SLOTS_SKIPPED]
    assert [(each.tick, each.text, each.value) for each in found] == [
        (2, "1 of 1 Hz", 1),
        (8, "63 of 1 Hz", 63),
    ]
    assert len(sink.samples) + 64 == 75


def test_skipped_slots_of_the_last_minute_are_in_an_event_at_the_end() -> None:
    clock, sink = InstantClock(), InMemorySink()
    record_ticks(lambda n: clock.advance(1.5), sink, clock=clock, events=True)
    kinds = [str(each.kind) for each in sink.events]
    assert kinds == ["recording_started", "slots_skipped", "recording_stopped"]


def test_an_error_that_ends_the_recording_is_in_the_last_event() -> None:
    def fail(n: int) -> None:
        raise ZeroDivisionError("in a user's source")

    sink = InMemorySink()
    with pytest.raises(ZeroDivisionError):
        record_ticks(fail, sink, events=True)
    assert [(each.kind, each.text) for each in sink.events][1:] == [
        ("recording_stopped", "in a user's source")
    ]


@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest"])
def test_dropped_batches_do_not_drop_their_events(overflow: str) -> None:
    clock = InstantClock()
    stream = record_manually(
        CountingSource(clock), clock, duration=5.0, overflow=overflow, buffer_size=1, events=True
    )
    with stream:
        stream._worker.wait()
        batches = list(stream.batches())
    assert stream.summary.ticks_dropped == 4
    assert [each.kind for batch in batches for each in batch.events] == [
        "recording_started", "recording_stopped",
    ]  # fmt: skip


def test_events_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "LIMIT", 3)
    log = EventLog(ManualClock())
    made = [Event(ManualClock().utc(), n, None, EventKind.NOTE, str(n)) for n in range(5)]
    log.add(made)
    taken = log.take()
    assert [(each.text, each.kind) for each in taken[:3]] == [(str(n), "note") for n in range(3)]
    assert (taken[3].kind, taken[3].value) == (EventKind.EVENTS_LOST, 2)
    log.add(made[4:])
    log.give_back(taken[:3])
    assert [each.text for each in log.take()] == [
        "0", "1", "4", "lost: 1, because more than 3 waited for the sinks",
    ]  # fmt: skip
    assert log.take() == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": ""}, "text='': give a text of 1 to 1000 characters"),
        ({"text": 5}, "text=5: give a text"),
        ({"text": "x", "device": 1}, "device=1: give a controller's name"),
        ({"text": "x", "device": 1001 * "d"}, "device='ddd.*give a controller's name"),
        ({"text": "x", "value": 1001 * "v"}, "value='vvv.*a text of up to 1000 characters"),
        ({"text": "x", "value": float("nan")}, "value=nan: give a finite number or a text"),
    ],
)
def test_an_invalid_note_is_refused(options: dict[str, Any], message: str) -> None:
    clock = ManualClock()
    with pytest.raises(WatlowConfigurationError, match=message):
        record_manually(CountingSource(clock), clock).note(**options)


def test_a_note_of_a_signal_handler_does_not_wait_for_the_one_it_interrupts() -> None:
    log = EventLog(ManualClock())
    event = Event(ManualClock().utc(), 1, None, EventKind.NOTE, "")

    def interrupted() -> Iterator[Event]:
        assert log._lock.acquire(timeout=0.0)  # `add` of the handler would wait without an end
        log._lock.release()
        log.add([event])
        yield event

    log.add(interrupted())
    assert log.take() == (event, event)
