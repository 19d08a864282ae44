"""Replays: what the program reads from a capture is what it read on the port."""

from __future__ import annotations

import gc
import random
import re
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from watlowlib import (
    Controller,
    ReplayTransport,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowReplayError,
    WatlowTimeoutError,
    open_device,
    record,
)
from watlowlib._internal.clock import Deadline, ManualClock
from watlowlib.protocol import port_pool
from watlowlib.simulator import (
    Fault,
    FaultPlan,
    SimulatedBus,
    SimulatedController,
    SimulatedGateway,
)
from watlowlib.transport.base import Transport
from watlowlib.transport.capture import CapturedTransport
from watlowlib.transport.capture_file import open_capture
from watlowlib.transport.capture_options import CAPTURE_BYTES, CaptureOptions
from watlowlib.transport.scripted import ScriptedTransport

PAGE = (Path(__file__).parents[2] / "docs" / "capture.md").read_text("utf-8")
PATIENCE_S = 10.0
PROTOCOLS = ("stdbus", "modbus_rtu")
RATE = 0.05
FAULTS = {fault: RATE for fault in Fault if fault not in (Fault.SILENT, Fault.CLOSE)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wire.jsonl"


def outcome(ctl: Controller, chosen: random.Random) -> object:
    """Return the result of one random read or write: a value with its frame, or an error."""
    try:
        if chosen.random() < 0.2:
            return ctl.set_setpoint(chosen.randrange(60, 90), confirm=True).value
        name = chosen.choice(["process_value", "setpoint", "hardware_id", "control_mode_active"])
        reading = ctl.read_parameter(name)
    except WatlowError as error:
        return type(error), error.message, error.context.request, error.context.reply
    return reading.value, reading.raw


def session(source: str | Transport, seed: int, count: int, **options: Any) -> list[object]:
    """Return the results of random calls, and the counters of the port."""
    chosen = random.Random(seed)
    with open_device(source, **options) as ctl:
        results = [outcome(ctl, chosen) for _ in range(count)]
        return [*results, str(ctl.session.port.stats)]


def check_session(file: Path, protocol: str, seed: int, count: int) -> None:
    """Capture a session with faults and replay it strictly: the results must be equal."""
    port_pool._pending_replies.clear()  # this session may get the port of the one before it
    unit = SimulatedController(1, protocol=protocol)
    plan = FaultPlan(FAULTS, seed=seed, delay_s=0.01, late_s=0.08)
    with SimulatedBus([unit], baudrate=None, turnaround_s=(0.0, 0.0), faults=plan) as bus:
        recorded = session(bus.port, seed, count, protocol=protocol, timeout_s=0.05, capture=file)
    assert plan.happened.total() > 0
    replay = ReplayTransport(file)
    # The replay waits for nothing: a long timeout only keeps a busy computer from exceeding it.
    assert session(replay, seed, count, protocol=protocol, timeout_s=PATIENCE_S) == recorded
    replay.verify()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_replay_gives_the_results_of_the_session(file: Path, protocol: str, seed: int) -> None:
    check_session(file, protocol, seed, 20)


@pytest.mark.soak
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_replays_give_the_results_of_their_sessions(tmp_path: Path, protocol: str) -> None:
    for seed in range(100):
        check_session(tmp_path / f"{seed}.jsonl", protocol, seed, 40)


def test_a_late_reply_stays_late(file: Path) -> None:
    """The reply to the first request comes while the line is emptied before the second one."""
    line = ScriptedTransport(lambda data: [])
    with open_device(line, retries=0, capture=file) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
        line.feed(bytes.fromhex("55ff060010000b8802030104010108451e3cd4a728"))
        with pytest.raises(WatlowTimeoutError):
            ctl.read_setpoint()
        assert ctl.session.port.stats.late_replies == 1
    with open_device(ReplayTransport(file), retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
        with pytest.raises(WatlowTimeoutError):
            ctl.read_setpoint()
        assert ctl.session.port.stats.late_replies == 1


@pytest.mark.parametrize("ended", [[], [{"what": "timeout"}]])
def test_stale_bytes_are_read_only_while_the_line_is_emptied(
    ended: list[dict[str, Any]], file: Path
) -> None:
    """Also if the program gives up earlier or later than in the captured session."""
    capture = open_capture(file, CAPTURE_BYTES)
    for fields in (
        {"what": "sent", "raw": b"\x01"},
        {"what": "received", "raw": b"\x02"},
        *ended,
        {"what": "received", "raw": b"\x03", "stale": True},
    ):
        capture.add({"port": "p", **fields})
    capture.leave()
    for reads in (0, 1, 3):
        replay = ReplayTransport(file)
        replay.open()
        replay.write(b"\x01")
        reply = [replay.read(Deadline.after(PATIENCE_S)) for _ in range(1 + reads)]
        assert b"".join(reply) == b"\x02"
        assert replay.read(Deadline(0.0)) == b"\x03"


def test_a_lost_port_is_lost_and_found_again(file: Path) -> None:
    def lose_and_find(source: str | Transport, bus: SimulatedBus | None, **options: Any) -> None:
        with open_device(source, timeout_s=PATIENCE_S, **options) as ctl:
            ctl.read_pv()
            if bus is not None:
                bus.unplug()
            with pytest.raises(WatlowConnectionError, match="the port was lost"):
                ctl.read_pv()
            if bus is not None:
                bus.replug()
            ctl.read_setpoint()
            assert ctl.session.port.stats.reconnects == 1

    with SimulatedBus([1], link=str(file.with_name("ttyV0"))) as bus:
        lose_and_find(bus.port, bus, capture=file)
    replay = ReplayTransport(file)
    lose_and_find(replay, None)
    replay.verify()


@pytest.fixture
def captured(bus: SimulatedBus, file: Path) -> Path:
    """A capture of a read of the process value and one of the set point."""
    with open_device(bus.port, timeout_s=PATIENCE_S, capture=file) as ctl:
        ctl.read_pv()
        ctl.read_setpoint()
    return file


def test_another_request_raises_an_error_that_shows_both(captured: Path) -> None:
    replay = ReplayTransport(captured)
    with open_device(replay) as ctl:
        ctl.read_pv()
        with pytest.raises(WatlowReplayError) as caught:
            ctl.read_parameter("hardware_id")
        sent = "55 ff 05 10 00 00 06 e8 01 03 01 01 01 01"  # then the CRC
        recorded = "55 ff 05 10 00 00 06 e8 01 03 01 07 01 01 87 76"
        assert re.search(f"sent {sent} .. .., in the capture {recorded}", str(caught.value))
        assert "wire.jsonl, line 5" in str(caught.value)
        with pytest.raises(WatlowReplayError, match=sent):  # also the request of the capture
            ctl.read_setpoint()
    with pytest.raises(WatlowReplayError, match=sent):
        replay.verify()


def test_a_recording_cannot_hide_a_difference(captured: Path) -> None:
    replay = ReplayTransport(captured)
    with open_device(replay) as ctl, record(ctl, parameters="hardware_id", rate_hz=50) as stream:
        (sample,) = next(iter(stream))
    assert (sample.value, sample.status) == (None, "replay")
    with pytest.raises(WatlowReplayError, match="another request"):
        replay.verify()


def test_a_request_after_the_end_and_one_that_is_missing_are_differences(captured: Path) -> None:
    replay = ReplayTransport(captured)
    assert replay.remaining == 2
    with open_device(replay) as ctl:
        ctl.read_pv()
        assert replay.remaining == 1
    with pytest.raises(WatlowReplayError, match=r"not sent: 1; the next is 55 ff"):
        replay.verify()
    replay = ReplayTransport(captured)
    with open_device(replay) as ctl:
        ctl.read_pv()
        ctl.read_setpoint()
        replay.verify()
        with pytest.raises(WatlowReplayError, match="ends before this request: sent 55 ff"):
            ctl.read_pv()


def test_without_strict_requests_are_matched_in_any_order(bus: SimulatedBus, file: Path) -> None:
    with open_device(bus.port, timeout_s=PATIENCE_S, capture=file) as ctl:
        values = []
        for setpoint in (70.0, 80.0):
            bus.controllers[1].set("setpoint", setpoint)
            values.append(ctl.read_setpoint().value)
            ctl.read_pv()
    assert values == [70.0, 80.0]
    with open_device(ReplayTransport(file, strict=False), timeout_s=PATIENCE_S) as ctl:
        assert [ctl.read_setpoint().value for _ in range(4)] == [70.0, 80.0, 80.0, 80.0]
        ctl.read_pv()
        with pytest.raises(WatlowReplayError, match="has no such request: sent 55 ff"):
            ctl.read_parameter("hardware_id")


def test_a_session_on_modbus_tcp_is_replayed(file: Path) -> None:
    unit = SimulatedController(1, protocol="modbus_rtu", modbus_address=1)
    names = ["process_value", "setpoint", "process_value"]
    with SimulatedGateway([unit], clock=ManualClock()) as gateway:
        with open_device(gateway.port, timeout_s=PATIENCE_S, capture=file) as ctl:
            recorded = [ctl.read_parameter(name).value for name in names]
        url = gateway.port
    replay = ReplayTransport(file)
    assert replay.port == url
    with open_device(replay, protocol="modbus_tcp", timeout_s=PATIENCE_S) as ctl:
        assert [ctl.read_parameter(name).value for name in names] == recorded
    replay.verify()
    replay = ReplayTransport(file, strict=False)
    with open_device(replay, protocol="modbus_tcp", timeout_s=PATIENCE_S) as ctl:
        # In another order, the requests have other transaction ids.
        assert [ctl.read_parameter(name).value for name in names[1:]] == recorded[1:]


def test_threads_read_a_replay_without_strict(captured: Path) -> None:
    with open_device(ReplayTransport(captured, strict=False), timeout_s=PATIENCE_S) as ctl:
        values: list[object] = []
        threads = [
            threading.Thread(target=lambda: values.append(ctl.read_pv().value)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert len(values) == 4
    assert len(set(values)) == 1


def test_a_replay_never_waits(file: Path) -> None:
    captured = CapturedTransport(ScriptedTransport(lambda data: []), CaptureOptions(file))
    with open_device(captured, timeout_s=0.1, retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
    started_s = time.monotonic()
    with open_device(ReplayTransport(file), timeout_s=600.0, retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
    assert time.monotonic() - started_s < 300.0


def test_the_sessions_of_a_file_follow_each_other(captured: Path, bus: SimulatedBus) -> None:
    with open_device(bus.port, timeout_s=PATIENCE_S, capture=captured) as ctl:
        number = ctl.read_parameter("hardware_id").value
    replay = ReplayTransport(captured)
    with open_device(replay) as ctl:
        ctl.read_pv()
        ctl.read_setpoint()
    with open_device(replay) as ctl:
        assert ctl.read_parameter("hardware_id").value == number
    replay.verify()


def test_lines_that_are_missing_are_a_difference(file: Path) -> None:
    capture = open_capture(file, CAPTURE_BYTES)
    capture.add({"what": "dropped", "count": 7})
    capture.add({"what": "sent", "port": "p", "raw": b"\x01"})
    capture.leave()
    replay = ReplayTransport(file)
    replay.open()
    with pytest.raises(WatlowReplayError, match="line 2: 7 lines are missing"):
        replay.write(b"\x01")


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ([], "wire.jsonl ends before the end of this reply"),
        (
            [{"what": "dropped", "count": 2}, {"what": "received", "raw": b"\x03"}],
            "wire.jsonl, line 5: 2 lines are missing here",
        ),
        (
            [{"what": "opened"}, {"what": "sent", "raw": b"\x01"}],
            "the session before wire.jsonl, line 5 ends before the end of this reply",
        ),
    ],
)
def test_a_reply_that_was_not_captured_is_not_known(
    after: list[dict[str, Any]], message: str, file: Path
) -> None:
    """Strict, it is no timeout; without strict it gets none of another request."""
    capture = open_capture(file, CAPTURE_BYTES)
    captured = [{"what": "sent", "raw": b"\x01"}, {"what": "received", "raw": b"\x02"}]
    for fields in (*captured, captured[0], *after):
        capture.add({"port": "p", **fields})
    capture.leave()
    replay = ReplayTransport(file)
    replay.open()
    replay.write(b"\x01")
    assert replay.read(Deadline.after(PATIENCE_S)) == b"\x02"
    assert replay.read(Deadline(0.0)) == b""  # nothing stale
    replay.write(b"\x01")
    with pytest.raises(WatlowReplayError, match=message):
        replay.read(Deadline.after(PATIENCE_S))
    replay = ReplayTransport(file, strict=False)
    replay.open()
    for _ in range(3):
        replay.write(b"\x01")
        assert replay.read(Deadline.after(PATIENCE_S)) == b"\x02"


def test_no_other_transport_gets_the_id_of_one_whose_replies_may_be_late() -> None:
    """Otherwise the session with it would begin with a request for the late reply."""
    transport = ScriptedTransport(lambda data: [])
    with open_device(transport, timeout_s=0.1, retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
    kept = weakref.ref(transport)
    del transport, ctl
    gc.collect()
    assert kept() is not None


def test_one_of_several_ports_is_chosen(file: Path) -> None:
    capture = open_capture(file, CAPTURE_BYTES)
    for port in ("p", "q"):
        capture.add({"what": "sent", "port": port, "raw": port.encode()})
    capture.leave()
    with pytest.raises(WatlowConfigurationError, match="several ports: give port= one of p, q"):
        ReplayTransport(file)
    with pytest.raises(WatlowConfigurationError, match="port='r': .* has requests of p, q"):
        ReplayTransport(file, port="r")
    assert ReplayTransport(file, port="q").remaining == 1


def test_a_file_without_requests_or_no_file_is_refused(file: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match="No such file or directory; give a file"):
        ReplayTransport(file)
    open_capture(file, CAPTURE_BYTES).leave()
    with pytest.raises(WatlowConfigurationError, match="has no request; give a file"):
        ReplayTransport(file)


def test_the_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(open_device.__kwdefaults__, "timeout_s", 2.0)  # for a busy computer
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    names: dict[str, Any] = {}
    for example in examples:
        exec(compile(example, "capture.md", "exec"), names)
    assert capsys.readouterr().out == "WatlowCRCError\n" * 2
    assert names["seen"][1] is None
