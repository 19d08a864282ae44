"""The registers of a repeated read are not worked out again, unless they may have changed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import pytest

from watlowlib.devices.driver import Target
from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.modbus_driver import MOST_PLANS, ModbusDriver
from watlowlib.devices.read_planner import Span
from watlowlib.errors import WatlowTimeoutError
from watlowlib.model import ControllerFamily, Value, WordOrder
from watlowlib.protocol.exchange import RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.mbap import encode_frame, split_frames
from watlowlib.protocol.modbus.tcp_client import ModbusTcpClient
from watlowlib.protocol.port import Port
from watlowlib.registry.parameters import PARAMETERS, Registry, registry_of
from watlowlib.simulator import SimulatedController
from watlowlib.transport.scripted import ScriptedTransport

MODBUS = "modbus_rtu"
NAMES = ("setpoint", "control_mode", "control_mode_active")


class Server:
    """Modbus TCP in front of a simulated controller; None: no reply."""

    def __init__(self, **given: object) -> None:
        self.unit: SimulatedController | None = SimulatedController(1, protocol=MODBUS)
        self.requests: list[bytes] = []
        transport = ScriptedTransport(self._reply)
        transport.open()
        client = ModbusTcpClient(Port(transport, quiet_s=0.0))
        self.driver = ModbusDriver(client, 1, RetryPolicy(0.5, 0), **given)  # type: ignore[arg-type]

    def _reply(self, data: bytes) -> Iterable[bytes]:
        for frame in split_frames(data):
            self.requests.append(frame.payload)
            if self.unit is not None:
                payload = self.unit.modbus.reply_to(frame.payload)
                yield encode_frame(frame.transaction, frame.source, payload)

    def read(
        self, names: Sequence[str] = NAMES, registry: Registry = PARAMETERS
    ) -> dict[str, Value | str]:
        """Return the values, and the status of each read that fails."""
        targets = [(registry.resolve(name), 1) for name in names]
        found: dict[str, Value | str] = {}
        for errors, values, *_ in self.driver.read_each(targets):
            found |= {spec.name: value for (spec, _), value in values.items()}
            found |= {spec.name: error.status for (spec, _), error in errors.items()}
        return found


def of_read(register: int, count: int) -> bytes:
    return struct.pack(">BHH", 3, register, count)


def test_a_repeated_read_sends_its_requests_and_nothing_else() -> None:
    server = Server()
    first = server.read()
    server.requests.clear()
    assert server.read() == server.read() == first
    # Data map 1: 8001 at 1880, 8002 at 1882 and 7001 at 2160.
    once = [of_read(1880, 3), of_read(2160, 2)]
    assert server.requests == once + once


@pytest.mark.parametrize("data_map", [1, 2])
@pytest.mark.parametrize("word_order", ["low_high", "high_low"])
def test_after_a_timeout_the_registers_are_worked_out_again(data_map: int, word_order: str) -> None:
    server = Server()
    for _ in range(3):
        server.read()
        server.driver.read(PARAMETERS.resolve("setpoint"), 1)
    server.unit = None
    assert set(server.read().values()) == {"timeout"}
    options = {"data_map": data_map, "word_order": word_order, "setpoint": 99.0}
    server.unit = SimulatedController(1, protocol=MODBUS, **options)  # type: ignore[arg-type]
    assert server.read()["setpoint"] == 99.0
    assert server.driver.read(PARAMETERS.resolve("setpoint"), 1).value == 99.0


def test_values_are_right_after_the_word_order_was_written() -> None:
    server = Server()
    for _ in range(2):
        assert server.read()["setpoint"] == 75.0
    server.driver.write(PARAMETERS.resolve(17043), 1, 1330, WriteOptions())
    assert server.read()["setpoint"] == 75.0
    assert server.driver.read(PARAMETERS.resolve("setpoint"), 1).value == 75.0


def test_nothing_of_a_replaced_controller_is_used() -> None:
    server = Server()
    for _ in range(2):
        server.read()
    server.unit = SimulatedController(1, protocol=MODBUS, data_map=2, setpoint=99.0)
    server.driver.forget_controller()
    assert server.read()["setpoint"] == 99.0


def test_a_family_is_tested_again_after_a_timeout_although_the_layout_is_given() -> None:
    registry = registry_of(ControllerFamily.RMH)
    given = RegisterLayout(1, WordOrder.LOW_HIGH)
    server = Server(given=given, registry=registry)
    for _ in range(2):  # the controller is a PM
        assert server.read(["setpoint"], registry)["setpoint"] == "uncertain"
    tests = len(server.requests)
    server.read(["setpoint"], registry)
    assert len(server.requests) == tests
    unit, server.unit = server.unit, None
    with pytest.raises(WatlowTimeoutError):
        server.driver.ping()
    server.unit = unit
    server.read(["setpoint"], registry)
    assert len(server.requests) > tests + 1


def test_the_registers_of_an_assembly_are_read_while_it_shows_the_values() -> None:
    server = Server(given=RegisterLayout(1, WordOrder.LOW_HIGH))
    for _ in range(2):
        server.read()
    server.requests.clear()
    spec = PARAMETERS.resolve("setpoint")
    server.driver.assembled = {(spec, 1): 200}
    server.read()
    server.read()
    server.driver.assembled = {}
    server.read()
    shown = [of_read(200, 2), of_read(1880, 3)]
    assert server.requests == [*shown, *shown, of_read(1880, 3), of_read(2160, 2)]


def test_a_refused_gap_is_left_out_of_the_next_read() -> None:
    server = Server(given=RegisterLayout(1, WordOrder.LOW_HIGH))
    assert server.unit is not None
    answer = server.unit.modbus.reply_to

    def reply_to(payload: bytes) -> bytes:
        return b"\x83\x02" if payload == of_read(1880, 3) else answer(payload)

    server.unit.modbus.reply_to = reply_to  # type: ignore[method-assign]
    first = server.read()
    server.requests.clear()
    assert server.read() == server.read() == first
    once = [of_read(1880, 1), of_read(1882, 1), of_read(2160, 2)]
    assert server.requests == once + once


def test_few_plans_are_kept() -> None:
    server = Server(given=RegisterLayout(1, WordOrder.LOW_HIGH))
    names = [spec.name for spec in PARAMETERS if spec.register(1, 1) is not None and spec.readable]
    for name in names[: 3 * MOST_PLANS]:
        server.read([name])
    assert 0 < len(server.driver._plans) <= MOST_PLANS


def test_the_rest_of_a_read_follows_a_layout_that_was_discarded_meanwhile() -> None:
    server = Server()
    for _ in range(2):
        server.read()
    reads = server.driver.read_each([(PARAMETERS.resolve(name), 1) for name in NAMES])
    assert len(next(reads).values) == 2  # the modes, at 1880
    options = {"data_map": 2, "word_order": "high_low", "setpoint": 99.0}
    server.unit = SimulatedController(1, protocol=MODBUS, **options)  # type: ignore[arg-type]
    server.driver.forget()
    (rest,) = (each for each in reads if each.values)
    assert list(rest.values.values()) == [99.0]


@pytest.mark.parametrize("names", [NAMES, NAMES[1:], NAMES[::-1], NAMES[:1]])
@pytest.mark.parametrize("spans_before", [1, 2, 3])
def test_a_plan_has_the_registers_of_one_layout(
    names: Sequence[str], spans_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.read()
    span, calls = server.driver.span, 0

    def span_while_the_controller_is_replaced(target: Target) -> Span:
        nonlocal calls
        calls += 1
        found = span(target)
        if calls == spans_before:  # as another thread does after a timeout
            options = {"data_map": 2, "word_order": "high_low", "setpoint": 99.0}
            server.unit = SimulatedController(1, protocol=MODBUS, **options)  # type: ignore[arg-type]
            server.unit.set("control_mode", 54)
            server.driver.forget()
        return found

    expected = {"setpoint": 99.0, "control_mode": 54, "control_mode_active": 54}
    monkeypatch.setattr(server.driver, "span", span_while_the_controller_is_replaced)
    found = {}
    while calls < spans_before:
        server.driver._plans.clear()
        server.driver._places.clear()
        found = server.read(names)
    assert found == {name: expected[name] for name in names}
    calls = 0
    for _ in range(spans_before):
        server.driver._places.clear()
        found["setpoint"] = server.driver.read(PARAMETERS.resolve("setpoint"), 1).value
    assert found["setpoint"] == 99.0
