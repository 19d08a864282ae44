from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.two_threads import Meeting, run_in_two_threads
from watlowlib import (
    Controller,
    CsvSink,
    ErrorPolicy,
    InMemorySink,
    OverflowPolicy,
    WatlowManager,
    open_device,
    record,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowPortNotFoundError,
    WatlowSinkError,
    WatlowTimeoutError,
)
from watlowlib.manager.members import Members
from watlowlib.model import ProtocolKind, Sample
from watlowlib.protocol.stats import DeviceStats
from watlowlib.simulator import SimulatedBus
from watlowlib.transport.serial_port import SerialTransport
from watlowlib.transport.settings import SerialSettings

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

PATIENCE_S = 30.0


@pytest.fixture
def other_bus() -> Iterator[SimulatedBus]:
    with SimulatedBus([1], baudrate=None, turnaround_s=(0.0, 0.0)) as running:
        yield running


@pytest.fixture
def mgr(bus: SimulatedBus, other_bus: SimulatedBus) -> Iterator[WatlowManager]:
    with WatlowManager() as manager:
        manager.add("oven_top", bus.port, address=1, timeout_s=0.25)
        manager.add("retort", other_bus.port, address=1, timeout_s=0.25)
        manager.add("oven_bot", bus.port, address=2, timeout_s=0.25)
        yield manager


def test_poll_returns_one_result_per_controller(mgr: WatlowManager, bus: SimulatedBus) -> None:
    bus.controllers[2].set("setpoint", 222.0)
    results = mgr.poll(["setpoint", "heat_algorithm"])
    assert list(results) == ["oven_top", "retort", "oven_bot"]
    values = {name: [each.value for each in result.value or []] for name, result in results.items()}
    assert values == {"oven_top": [75.0, 71], "retort": [75.0, 71], "oven_bot": [222.0, 71]}
    assert {result.protocol for result in results.values()} == {ProtocolKind.STDBUS}
    assert [each.device for each in results["oven_bot"].value or []] == ["oven_bot", "oven_bot"]


def test_poll_reads_only_the_named_controllers(mgr: WatlowManager) -> None:
    assert list(mgr.poll("pv", names=["oven_bot", "oven_top"])) == ["oven_bot", "oven_top"]


def test_raise_policy_raises_after_all_controllers_were_read(
    mgr: WatlowManager, bus: SimulatedBus, other_bus: SimulatedBus
) -> None:
    bus.power_off(1)
    other_bus.power_off(1)
    with pytest.raises(ExceptionGroup, match="2 of 3 controllers failed") as caught:
        mgr.poll("pv")
    failed = [error.context.port for error in caught.value.exceptions]
    assert failed == [bus.port, other_bus.port]
    assert all(isinstance(error, WatlowTimeoutError) for error in caught.value.exceptions)
    assert bus.controllers[2].get("setpoint") == 75.0


def test_return_policy_keeps_the_error(mgr: WatlowManager, bus: SimulatedBus) -> None:
    mgr.error_policy = ErrorPolicy.RETURN
    bus.power_off(1)
    results = mgr.poll("pv")
    assert isinstance(results["oven_top"].error, WatlowTimeoutError)
    assert results["oven_top"].value is None
    assert [results[name].error for name in ("retort", "oven_bot")] == [None, None]


def test_a_failed_read_among_others_is_a_gap(mgr: WatlowManager) -> None:
    results = mgr.poll("setpoint", instances=[1, 2])
    samples = results["oven_top"].value or []
    assert [each.status for each in samples] == ["ok", "no_such_instance"]


def test_ports_are_read_in_parallel(mgr: WatlowManager) -> None:
    # The reads of both ports wait for each other at the barrier: in sequence they would time out.
    meeting = threading.Barrier(2, timeout=10)
    for name in ("oven_top", "retort"):
        driver = mgr.get(name).session.driver
        reading = driver.read

        def read(*args: object, reading: object = reading) -> object:
            meeting.wait()
            return reading(*args)  # type: ignore[operator]

        driver.read = read  # type: ignore[assignment, method-assign]
    results = mgr.poll("setpoint", names=["oven_top", "retort"])
    assert [result.error for result in results.values()] == [None, None]


def test_a_controller_added_open_is_not_closed(bus: SimulatedBus) -> None:
    with open_device(bus.port, address=1) as mine:
        with WatlowManager() as mgr:
            mgr.add("mine", mine)
            (sample,) = mgr.poll("pv")["mine"].value or []
            assert sample.device == "mine"
        assert mine.read_setpoint().value == 75.0


def test_add_refuses_a_name_that_no_sink_can_store(bus: SimulatedBus, mgr: WatlowManager) -> None:
    message = r"name='oven \\udcff': no file or database can store .*; give a name without"
    before = mgr.names
    with pytest.raises(WatlowConfigurationError, match=message):
        mgr.add("oven \udcff", bus.port, address=3)
    with open_device(bus.port, address=3) as mine:
        with pytest.raises(WatlowConfigurationError, match=message):
            mgr.add("oven \udcff", mine)
    assert mgr.names == before


def test_add_refuses_invalid_controllers(mgr: WatlowManager, bus: SimulatedBus) -> None:
    with pytest.raises(WatlowConfigurationError, match="not taken; taken:"):
        mgr.add("retort", bus.port, address=3)
    with pytest.raises(WatlowConfigurationError, match="already added as 'oven_top'"):
        mgr.add("oven_3", bus.port, address=1)
    with pytest.raises(WatlowConfigurationError, match="already open with baudrate 38400"):
        mgr.add("slow", bus.port, address=3, serial_settings=SerialSettings(baudrate=9600))
    with pytest.raises(WatlowPortNotFoundError):
        mgr.add("nowhere", "/dev/ttyUSB77")
    with pytest.raises(WatlowConfigurationError, match="address=17"):
        mgr.add("seventeen", bus.port, address=17)
    assert mgr.names == ("oven_top", "retort", "oven_bot")


def test_an_unknown_controller_name_is_refused(mgr: WatlowManager) -> None:
    with pytest.raises(WatlowConfigurationError, match="did you mean 'oven_top'"):
        mgr.get("oven_topp")
    with pytest.raises(WatlowConfigurationError, match="no controller 'kiln'; known are"):
        mgr.poll("pv", names=["kiln"])
    with pytest.raises(WatlowConfigurationError, match="no controllers: add one first"):
        mgr.poll("pv", names=[])


def test_removing_the_last_controller_closes_its_port(bus: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("one", bus.port, address=1)
        two = mgr.add("two", bus.port, address=2)
        mgr.remove("one")
        assert two.read_setpoint().value == 75.0
        mgr.remove("two")
        with open_device(bus.port, serial_settings=SerialSettings(baudrate=9600)):
            pass
        with pytest.raises(WatlowConfigurationError, match="no controller 'two'"):
            mgr.remove("two")


def test_a_closed_manager_refuses_every_call(mgr: WatlowManager, bus: SimulatedBus) -> None:
    top = mgr.get("oven_top")
    mgr.close()
    mgr.close()
    with pytest.raises(WatlowClosedError):
        top.read_pv()
    with pytest.raises(WatlowClosedError, match="make a new one"):
        mgr.add("again", bus.port)
    with pytest.raises(WatlowClosedError, match="make a new one"):
        mgr.poll("pv")


@pytest.mark.parametrize("within", [False, True])
def test_a_stopped_poll_ends_after_the_first_failed_read_of_a_line(
    mgr: WatlowManager, bus: SimulatedBus, within: bool
) -> None:
    for address in (1, 2):
        bus.power_off(address)
    stop = threading.Event()
    stop.set()
    poll = mgr.prepare(["pv", "setpoint"])
    samples = poll.read_within(stop, None) if within else poll(stop)
    statuses = {(each.device, each.parameter): each.status for each in samples}
    assert statuses == {
        ("oven_top", "process_value"): "timeout",
        ("oven_top", "setpoint"): "stopped",
        ("oven_bot", "process_value"): "stopped",
        ("oven_bot", "setpoint"): "stopped",
        ("retort", "process_value"): "ok",
        ("retort", "setpoint"): "ok",
    }


def test_a_poll_of_a_closed_manager_gives_closed_gaps(mgr: WatlowManager) -> None:
    poll = mgr.prepare("pv")
    mgr.close()
    assert [each.status for each in poll()] == ["closed"] * 3


@pytest.mark.parametrize("offline", [False, True])
def test_a_removed_controller_is_closed_whether_it_was_online_or_not(
    mgr: WatlowManager, bus: SimulatedBus, offline: bool
) -> None:
    poll = mgr.prepare(["pv", "setpoint"])
    if offline:
        bus.power_off(2)
    expected = ["timeout", "offline"] if offline else ["ok", "ok"]
    assert [each.status for each in poll() if each.device == "oven_bot"] == expected
    mgr.remove("oven_bot")  # its port stays open for oven_top
    statuses = {(each.device, each.status) for each in poll()}
    assert statuses == {("oven_top", "ok"), ("retort", "ok"), ("oven_bot", "closed")}


def test_names_may_be_a_single_name(mgr: WatlowManager) -> None:
    assert list(mgr.poll("pv", names="retort")) == ["retort"]


def test_an_unknown_error_policy_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="allowed are raise, return"):
        WatlowManager(error_policy="ignore")  # type: ignore[arg-type]


def test_execute_each_returns_one_result_per_controller(mgr: WatlowManager) -> None:
    results = mgr.execute_each(lambda ctl: (ctl.address, ctl.identify().serial_number))
    assert {name: result.value for name, result in results.items()} == {
        "oven_top": (1, 200001),
        "retort": (1, 200001),
        "oven_bot": (2, 200002),
    }
    assert {result.protocol for result in results.values()} == {ProtocolKind.STDBUS}
    assert list(mgr.execute_each(lambda ctl: ctl.name, names=["oven_bot"])) == ["oven_bot"]
    with pytest.raises(WatlowConfigurationError, match="did you mean 'retort'"):
        mgr.execute_each(lambda ctl: ctl.name, names=["retart"])


def test_execute_each_runs_ports_in_parallel_and_one_port_in_sequence(mgr: WatlowManager) -> None:
    # The calls of both ports wait for each other at the barrier: in sequence they would time out.
    meeting = threading.Barrier(2, timeout=10)
    busy: dict[str, list[str]] = {}
    overlaps = []

    def op(ctl: Controller) -> None:
        here = busy.setdefault(ctl.session.port.name, [])
        overlaps.extend(here)
        here.append(ctl.name)
        if ctl.address == 1:
            meeting.wait()
        here.remove(ctl.name)

    mgr.execute_each(op)
    assert overlaps == []


def test_execute_each_raises_after_all_calls(mgr: WatlowManager) -> None:
    done = []

    def op(ctl: Controller) -> float:
        done.append(ctl.name)
        return 1 / (ctl.address - 1)

    with pytest.raises(ExceptionGroup, match="2 of 3 controllers failed") as caught:
        mgr.execute_each(op)
    assert [type(each) for each in caught.value.exceptions] == [ZeroDivisionError] * 2
    assert sorted(done) == ["oven_bot", "oven_top", "retort"]
    mgr.error_policy = ErrorPolicy.RETURN
    results = mgr.execute_each(op)
    assert results["oven_bot"].value == 1.0
    assert isinstance(results["retort"].error, ZeroDivisionError)
    assert results["retort"].value is None


def test_two_names_of_the_same_port_count_as_one_port(bus: SimulatedBus, tmp_path: Path) -> None:
    by_id = tmp_path / "usb-FTDI_RS485-if00"
    by_id.symlink_to(bus.port)
    with WatlowManager() as mgr:
        mgr.add("one", bus.port, address=1)
        with pytest.raises(WatlowConfigurationError, match="already added as 'one'"):
            mgr.add("again", by_id, address=1)
        mgr.add("two", by_id, address=2)
        threads = mgr.execute_each(lambda ctl: threading.get_ident())
        assert len({result.value for result in threads.values()}) == 1


def test_add_accepts_a_transport(bus: SimulatedBus) -> None:
    transport = SerialTransport(bus.port)
    with WatlowManager() as mgr:
        for address in (1, 2):
            mgr.add(f"oven_{address}", transport, address=address)
        assert [r.error for r in mgr.poll("setpoint").values()] == [None, None]
        mgr.remove("oven_1")
        assert transport.is_open
    assert not transport.is_open


def test_a_port_has_one_protocol(mgr: WatlowManager, bus: SimulatedBus) -> None:
    with pytest.raises(WatlowConfigurationError, match="protocol"):
        mgr.add("modbus", bus.port, address=3, protocol=ProtocolKind.MODBUS_RTU)
    assert mgr.poll("setpoint")["oven_top"].error is None


def test_controllers_are_closed_last_in_first_out(
    bus: SimulatedBus, other_bus: SimulatedBus
) -> None:
    closed = []
    with WatlowManager() as mgr:
        for name, line in (("one", bus), ("two", other_bus), ("three", bus)):
            controller = mgr.add(name, line.port, address=len(mgr.names) + 1)
            close = controller.close
            controller.close = lambda name=name, close=close: closed.append(name) or close()  # type: ignore[method-assign, misc, func-returns-value]
    assert closed == ["three", "two", "one"]


def test_record_to_sink_writes_and_reports_all_rows(mgr: WatlowManager, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    summary = mgr.record_to_sink(
        parameters=["setpoint", "pv"],
        rate_hz=50.0,
        duration=0.1,
        sink=CsvSink(path),
        names=["retort", "oven_top"],
        overflow=OverflowPolicy.DROP_OLDEST,
        batch_size=3,
    )
    rows = path.read_text("utf-8").splitlines()[1:]
    assert len(rows) == summary.rows == summary.samples_emitted * 4
    assert summary.samples_emitted + summary.samples_late == 5
    assert [row.split(",")[0] for row in rows[:4]] == ["retort"] * 2 + ["oven_top"] * 2
    assert [sink.rows_written for sink in summary.sinks] == [summary.rows]


def test_record_to_sink_accepts_rates_and_an_open_sink(mgr: WatlowManager) -> None:
    with InMemorySink() as sink:
        rates = {"setpoint": 50.0, "pv": 5.0}
        summary = mgr.record_to_sink(parameters=rates, duration=0.1, sink=sink, names="retort")
    read = [each.parameter for each in sink.samples]
    assert read[:2] == ["setpoint", "process_value"]
    assert read.count("process_value") == 1
    assert read.count("setpoint") == summary.rates[0].emitted


def test_record_to_sink_with_invalid_arguments_does_not_open_the_sink(
    mgr: WatlowManager, tmp_path: Path
) -> None:
    sink = CsvSink(tmp_path / "run.csv")
    with pytest.raises(WatlowConfigurationError, match="did you mean"):
        mgr.record_to_sink(parameters="setpiont", rate_hz=1.0, sink=sink)
    with pytest.raises(WatlowConfigurationError, match="allowed are block"):
        invalid: Any = "explode"
        mgr.record_to_sink(parameters="pv", rate_hz=1.0, duration=1, sink=sink, overflow=invalid)
    with pytest.raises(WatlowConfigurationError, match="give a sink"):
        mgr.record_to_sink(parameters="pv", rate_hz=1.0, sink="run.csv")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_failing_sink_ends_the_recording_with_its_error(mgr: WatlowManager) -> None:
    class Failing(InMemorySink):
        def write_many(self, samples: Sequence[Sample]) -> None:
            if self.samples:
                raise OSError("no space left on device")
            super().write_many(samples)

    sink = Failing()
    with pytest.raises(WatlowSinkError, match="no space left"):
        mgr.record_to_sink(parameters="pv", rate_hz=100.0, sink=sink, batch_size=1)
    assert len(sink.samples) == 3


CHILD = """
import signal, sys, threading
from watlowlib import InMemorySink, WatlowManager, pipe, record
from watlowlib.protocol import port_pool
from watlowlib.simulator import SimulatedBus

signal.signal(signal.SIGINT, signal.default_int_handler)

class ReadySink(InMemorySink):
    def write_many(self, samples):
        super().write_many(samples)
        ready.set()

def report_ready():
    ready.wait(30)
    print("ready", flush=True)

def block():
    # Short waits: a long wait is not interrupted by a signal that another thread receives.
    ready.set()
    while True:
        pause.wait(0.1)

ready, pause = threading.Event(), threading.Event()
reporting = threading.Thread(target=report_ready)
reporting.start()
sink = ReadySink()
settings = dict(parameters=["pv", "setpoint"], rate_hz=100.0, buffer_size=2)
with SimulatedBus([1, 2], baudrate=None) as bus:
    before = set(threading.enumerate())
    try:
        with WatlowManager() as mgr:
            for address in (1, 2):
                mgr.add(str(address), bus.port, address=address)
            {consume}
    except KeyboardInterrupt:
        reporting.join(30)
        left = [each.name for each in threading.enumerate() if each not in before]
        print(left, port_pool._ports, sys.getswitchinterval(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a child alone")
@pytest.mark.parametrize(
    "consume",
    [
        "with record(mgr, **settings) as stream: [ready.set() for batch in stream]",
        "with record(mgr, **settings) as stream: block()",
        "with record(mgr, **settings) as stream, sink: pipe(stream, sink, batch_size=1)",
        "mgr.record_to_sink(sink=sink, batch_size=1, **settings)",
    ],
    ids=["iterating", "full", "pipe", "record_to_sink"],
)
def test_ctrl_c_leaves_no_thread_and_no_port(consume: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.replace("{consume}", consume)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "ready\n"
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=30)
        finally:
            child.kill()
    assert (child.returncode, output, errors) == (0, "[] [] 0.005\n", "")


def test_stats_can_be_read_while_controllers_are_added(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WatlowManager() as mgr:

        def stats(ctl: Controller) -> DeviceStats:
            """Add a controller, as another thread may at this point."""
            if "late" not in mgr.names:
                mgr.add("late", bus.port, address=2)
            return ctl.session.driver.stats

        mgr.add("oven", bus.port)
        monkeypatch.setattr(Controller, "stats", property(stats))
        assert list(mgr.stats().devices) == ["oven"]
        assert mgr.names == ("oven", "late")


class SlowTransport(SerialTransport):
    """A transport that opens only after `may_open` is set."""

    def __init__(self, port: str) -> None:
        super().__init__(port)
        self.opening, self.may_open = threading.Event(), threading.Event()

    def open(self) -> None:
        self.opening.set()
        assert self.may_open.wait(PATIENCE_S)
        super().open()


def start_adding(mgr: WatlowManager, name: str, transport: SlowTransport) -> Future[Controller]:
    """Add `transport` in another thread; return the future of the result."""
    adding: Future[Controller] = Future()

    def add() -> None:
        try:
            adding.set_result(mgr.add(name, transport))
        except Exception as error:
            adding.set_exception(error)

    threading.Thread(target=add, daemon=True).start()
    assert transport.opening.wait(PATIENCE_S)
    return adding


def test_a_controller_added_while_the_manager_closes_is_closed(bus: SimulatedBus) -> None:
    mgr, transport = WatlowManager(), SlowTransport(bus.port)
    adding = start_adding(mgr, "oven", transport)
    mgr.close()
    transport.may_open.set()
    with pytest.raises(WatlowClosedError, match="make a new one"):
        adding.result(PATIENCE_S)
    assert not transport.is_open
    assert mgr.names == ()


def test_one_of_two_controllers_added_at_once_under_one_name_is_refused(
    bus: SimulatedBus, other_bus: SimulatedBus
) -> None:
    with WatlowManager() as mgr:
        first, second = SlowTransport(bus.port), SlowTransport(other_bus.port)
        one, two = start_adding(mgr, "oven", first), start_adding(mgr, "oven", second)
        second.may_open.set()
        assert two.result(PATIENCE_S) is mgr.get("oven")
        first.may_open.set()
        with pytest.raises(WatlowConfigurationError, match="not taken"):
            one.result(PATIENCE_S)
        assert (first.is_open, second.is_open) == (False, True)
    assert not second.is_open


def test_one_of_two_open_controllers_added_at_once_under_one_name_is_refused(
    bus: SimulatedBus,
) -> None:
    meeting = Meeting()

    class SlowDict(dict[str, Controller]):
        """Another thread may run after a name has been looked up."""

        def __contains__(self, name: object) -> bool:
            found = super().__contains__(name)
            meeting.wait()
            return found

    with open_device(bus.port, address=1) as one, open_device(bus.port, address=2) as two:
        members = Members()
        members._controllers = SlowDict()
        errors = run_in_two_threads(
            lambda: members.add("oven", one), lambda: members.add("oven", two)
        )
        assert [type(error) for error in errors] == [WatlowConfigurationError]


def test_a_controller_added_at_once_under_two_names_is_refused_once(bus: SimulatedBus) -> None:
    meeting = Meeting()

    class SlowDict(dict[str, Controller]):
        """Another thread may run after the members have been read."""

        def items(self) -> Any:
            found = list(super().items())
            meeting.wait()
            return found

    with open_device(bus.port) as ctl:
        members = Members()
        members._controllers = SlowDict()
        errors = run_in_two_threads(
            lambda: members.add("one", ctl), lambda: members.add("two", ctl)
        )
        assert [type(error) for error in errors] == [WatlowConfigurationError]


def test_poll_works_while_a_controller_is_removed(bus: SimulatedBus) -> None:
    class Name(str):
        """A name whose lookup removes another controller, as another thread may."""

        def __hash__(self) -> int:
            if "two" in mgr.names:
                mgr.remove("two")
            return super().__hash__()

    with WatlowManager(error_policy=ErrorPolicy.RETURN) as mgr:
        mgr.add(Name("one"), bus.port, address=1)
        mgr.add("two", bus.port, address=2)
        results = mgr.poll("setpoint")
    assert results["one"].error is None
    assert isinstance(results["two"].error, WatlowClosedError)


def test_get_works_while_the_controller_is_removed(bus: SimulatedBus) -> None:
    class Name(str):
        """A name whose second lookup removes its controller, as another thread may."""

        looked_up = False

        def __hash__(self) -> int:
            if self.looked_up and "oven" in mgr.names:
                mgr.remove("oven")
            self.looked_up = True
            return super().__hash__()

    with WatlowManager() as mgr:
        oven = mgr.add("oven", bus.port)
        assert mgr.get(Name("oven")) is oven


def test_an_unknown_name_is_refused_while_a_controller_is_removed(bus: SimulatedBus) -> None:
    class Name(str):
        """A name whose comparison removes another controller, as another thread may."""

        def __len__(self) -> int:
            if "two" in mgr.names:
                mgr.remove("two")
            return super().__len__()

    with WatlowManager() as mgr:
        mgr.add(Name("one"), bus.port, address=1)
        mgr.add("two", bus.port, address=2)
        with pytest.raises(WatlowConfigurationError, match="there is no controller 'onn'"):
            mgr.get("onn")


def test_a_controller_may_be_removed_while_the_manager_closes(
    bus: SimulatedBus, other_bus: SimulatedBus
) -> None:
    class RemovingTransport(SerialTransport):
        def close(self) -> None:
            if "one" in mgr.names:
                mgr.remove("one")
            super().close()

    with WatlowManager() as mgr:
        one = mgr.add("one", bus.port)
        mgr.add("two", RemovingTransport(other_bus.port))
    assert one.closed


def test_a_pool_has_at_most_two_threads_per_port(mgr: WatlowManager, bus: SimulatedBus) -> None:
    def pool() -> list[str]:
        return [each.name for each in threading.enumerate() if "-poll-" in each.name]

    # There are two ports; the calling thread reads one of them itself.
    callers = [threading.Thread(target=mgr.poll, args=(["setpoint"],)) for _ in range(40)]
    for caller in callers:
        caller.start()
    assert len(pool()) <= 4
    for caller in callers:
        caller.join(30)
    assert len(pool()) <= 4
    mgr.close()
    assert pool() == []


def test_record_to_sink_takes_every_option_of_record() -> None:
    options = inspect.signature(record).parameters.keys() - {"source"}
    assert options <= inspect.signature(WatlowManager.record_to_sink).parameters.keys()


def test_record_to_sink_passes_the_options_on(mgr: WatlowManager) -> None:
    memory = InMemorySink()
    summary = mgr.record_to_sink(
        parameters="pv", rate_hz=1.0, duration=1.0, sink=memory, names="oven_top",
        sensor_check=True, clock=ManualClock(),
    )  # fmt: skip
    assert (summary.rows, [sample.status for sample in memory.samples]) == (1, ["ok"])
    with pytest.raises(WatlowConfigurationError, match="assembly"):
        mgr.record_to_sink(
            parameters="pv", rate_hz=1.0, duration=1.0, sink=memory, assembly=True, confirm=True
        )
    with pytest.raises(WatlowConfigurationError, match="switch_interval"):
        mgr.record_to_sink(
            parameters="pv", rate_hz=1.0, duration=1.0, sink=memory, switch_interval=0
        )


def test_poll_plans_again_only_when_arguments_or_fleet_have_changed(
    mgr: WatlowManager, bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[object] = []
    prepare = mgr.prepare

    def counted(*args: Any, **options: Any) -> Any:
        plans.append(options)
        return prepare(*args, **options)

    monkeypatch.setattr(mgr, "prepare", counted)
    for _ in range(3):
        assert set(mgr.poll("setpoint")) == set(mgr.names)
    assert len(plans) == 1
    mgr.poll(iter(["setpoint", "pv"]), names=iter(["oven_top"]))
    mgr.poll(["setpoint"])
    assert len(plans) == 3
    mgr.remove("oven_top")
    assert "oven_top" not in mgr.poll(["setpoint"])
    mgr.add("oven_new", bus.port, address=1)
    assert "oven_new" in mgr.poll(["setpoint"])
    assert len(plans) == 5


def test_unwrap_returns_the_value_or_raises_the_error(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    bus.power_off(1)
    mgr.error_policy = ErrorPolicy.RETURN
    results = mgr.poll("setpoint")
    assert results["retort"].unwrap()[0].value == 75.0
    with pytest.raises(WatlowTimeoutError):
        results["oven_top"].unwrap()


def test_each_poll_reads_its_own_parameters_and_instances(
    mgr: WatlowManager,
) -> None:
    def reads(*args: Any, **options: Any) -> list[tuple[str, int]]:
        samples = mgr.poll(*args, **options)["retort"].unwrap()
        return [(sample.parameter, sample.instance) for sample in samples]

    assert reads("setpoint") == [("setpoint", 1)]
    assert reads("heat_algorithm") == [("heat_algorithm", 1)]
    assert reads("setpoint", instances=[1, 2]) == [("setpoint", 1), ("setpoint", 2)]
    assert reads("setpoint") == [("setpoint", 1)]


def test_two_threads_that_poll_at_once_get_their_own_samples(bus: SimulatedBus) -> None:
    class SlowManager(WatlowManager):
        """Both threads have come to each use of the last plan before one of them goes on."""

        def __getattribute__(self, name: str) -> Any:
            if name == "_last_plan":
                meeting.wait()
            return super().__getattribute__(name)

    def poll(parameter: str) -> None:
        (sample,) = mgr.poll(parameter)["oven"].unwrap()
        samples[parameter] = sample.parameter

    meeting = threading.Barrier(2, timeout=PATIENCE_S)
    samples: dict[str, str] = {}
    with SlowManager() as mgr:
        mgr.add("oven", bus.port)
        run_in_two_threads(lambda: poll("setpoint"), lambda: poll("heat_algorithm"))
    assert samples == {"setpoint": "setpoint", "heat_algorithm": "heat_algorithm"}


def test_poll_returns_the_results_in_the_order_of_the_names(mgr: WatlowManager) -> None:
    for names in (["oven_top", "retort"], ["retort", "oven_top"]):
        assert list(mgr.poll("pv", names=names)) == names
