"""A fleet: controllers by name, polled port by port, the ports side by side.

    with WatlowManager() as mgr:
        mgr.add("oven_top", "/dev/ttyUSB0", address=1)
        mgr.add("retort", "/dev/ttyUSB1", address=1)
        for name, result in mgr.poll(["process_value"]).items():
            print(name, result.value[0].value)

On one port the controllers are asked one after the other, as the line demands; each
port has its own task, so that a slow or dead one delays no other. The manager stands
above the recorder and the sinks, so that it can also record itself: `record_to_sink`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from watlowlib._internal.threads import make_pool
from watlowlib._internal.validation import as_enum
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.sampling import make_sampler
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowConfigurationError
from watlowlib.manager.members import Members
from watlowlib.manager.polling import FleetPoll, OnePort, PortTasks, Reads
from watlowlib.manager.results import DeviceResult, ErrorPolicy, FleetStats
from watlowlib.model import (
    AcquisitionSummary,
    ControllerFamily,
    ProtocolKind,
    Sample,
    SerialSettings,
    Unit,
    WordOrder,
)
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.plan import Rates
from watlowlib.streaming.recorder import OverflowPolicy, record
from watlowlib.transport.base import Transport

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

T = TypeVar("T")


class WatlowManager:
    """Controllers by name, on any number of ports.

    Args:
        error_policy: How `poll` and `execute_each` report controllers that fail.
    """

    def __init__(self, *, error_policy: ErrorPolicy = ErrorPolicy.RAISE) -> None:
        self.error_policy = as_enum("error_policy", ErrorPolicy, error_policy)
        self._members = Members()
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def __repr__(self) -> str:
        return f"<WatlowManager of {', '.join(self.names) or 'nothing yet'}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The controllers' names, in the order they were added."""
        return tuple(self._members.all())

    def add(
        self,
        name: str,
        source: str | os.PathLike[str] | Controller | Transport,
        *,
        protocol: ProtocolKind = ProtocolKind.STDBUS,
        address: int = 1,
        serial_settings: SerialSettings | None = None,
        family: ControllerFamily = ControllerFamily.UNKNOWN,
        temperature_unit: Unit | str | None = None,
        timeout_s: float = 0.5,
        retries: int = 1,
        word_order: WordOrder | str = WordOrder.AUTO,
        data_map: int | str = "auto",
        registers_per_read: int = 32,
    ) -> Controller:
        """Add a controller.

        Args:
            name: What it is called here and in samples; not yet taken.
            source: A port, a transport, or a `Controller` that was opened before, which
                stays its owner's to close and has the other arguments behind it already.
            protocol: What the controller is set to.
            address: Its address, 1 to 16, on Modbus RTU 1 to 247.
            serial_settings: How the line is set; None for the protocol's own.
            family: The product family; a Series SD must be named.
            temperature_unit: "C" or "F" where the scale on the wire is known.
            timeout_s: Seconds to wait for an answer.
            retries: How often a read is asked again.
            word_order: Over Modbus, which word comes first; see `open_device`.
            data_map: Over Modbus, where the parameters are; see `open_device`.
            registers_per_read: Over Modbus, the most registers to ask for at once.

        Raises:
            WatlowConfigurationError: The name is taken, the same controller is here under
                another name, the port speaks another protocol, or an argument cannot be.
            WatlowConnectionError: The port cannot be opened, or the controller was closed.
        """
        self._members.check_name(name)
        if isinstance(source, Controller):
            source.session.check_open()
            self._members.enter(name, source)
            return source
        controller = open_device(
            source,
            protocol=protocol,
            address=address,
            serial_settings=serial_settings,
            family=family,
            name=name,
            temperature_unit=temperature_unit,
            timeout_s=timeout_s,
            retries=retries,
            word_order=word_order,
            data_map=data_map,
            registers_per_read=registers_per_read,
        )
        try:
            self._members.enter(name, controller, owned=True)
        except BaseException:
            controller.close()
            raise
        return controller

    def get(self, name: str) -> Controller:
        """The controller called `name`.

        Raises:
            WatlowConfigurationError: There is none; the message says what there is.
        """
        return self._members.get(name)

    def remove(self, name: str) -> None:
        """Forget the controller called `name`, and close it unless it was added opened."""
        self._members.get(name)
        self._members.let_go(name)

    def poll(
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> dict[str, DeviceResult[list[Sample]]]:
        """Read parameters x instances of every controller once, the ports side by side.

        Raises:
            WatlowConfigurationError: Something wanted does not exist; nothing was sent.
            ExceptionGroup: Under `ErrorPolicy.RAISE`, the errors of the controllers that
                did not answer at all.
        """
        poll = self.prepare(parameters, instances=instances, names=names)
        return self._judged({name: _result(reads) for name, reads in poll.reads().items()})

    def execute_each(
        self, op: Callable[[Controller], T], *, names: str | Iterable[str] | None = None
    ) -> dict[str, DeviceResult[T]]:
        """Call `op` with each controller: one after the other on a port, the ports side by side.

            mgr.execute_each(lambda ctl: ctl.identify().serial_number)

        Args:
            op: What to do with a controller; called in several threads at once. What it
                raises becomes that controller's error.
            names: Which controllers; None for all.

        Returns:
            What `op` has returned for each.

        Raises:
            WatlowConfigurationError: There is no such controller; nothing was done.
            ExceptionGroup: Under `ErrorPolicy.RAISE`, what `op` has raised, after it was
                called with all of them.
        """

        def each(port: OnePort) -> dict[str, DeviceResult[T]]:
            return {name: _outcome(op, controller) for name, controller in port.items()}

        return self._judged(self._round(names).run(each))

    def record_to_sink(
        self,
        *,
        parameters: Parameters | Rates,
        rate_hz: float | None = None,
        duration: float | None = None,
        sink: SampleSink,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
        overflow: OverflowPolicy | None = None,
        buffer_size: int = 64,
        batch_size: int = 64,
        flush_interval: float = 1.0,
        auto_reconnect: bool = True,
    ) -> AcquisitionSummary:
        """Record into a sink until the duration is over: `record` and `pipe` in one call.

        Args:
            parameters: What to read; see `watlowlib.record`.
            rate_hz: How often a second.
            duration: Seconds to record; None until Ctrl-C.
            sink: Where to. It is opened if it is not open, and closed in the end.
            names: Which controllers; None for all.
            instances: Which instances of each parameter.
            overflow: What to do when the sink does not keep up; None waits for it.
            buffer_size: How many batches may wait for the sink.
            batch_size: Samples the sink is given at once.
            flush_interval: Seconds a sample may wait for that.
            auto_reconnect: Whether to go on when a port is lost.

        Raises:
            WatlowConfigurationError: An argument that cannot be; the message says which.
            WatlowSinkError: The sink could not be opened, or did not keep all its rows.
            WatlowConnectionError: A port was lost, and `auto_reconnect` is off.
            KeyboardInterrupt: Ctrl-C, after everything that was read has been written.
        """
        if isinstance(sink, type) or not hasattr(sink, "write_many"):
            raise WatlowConfigurationError(f"sink={sink!r}: give a sink, CsvSink('run.csv')")
        recording = record(
            self,
            parameters=parameters,
            rate_hz=rate_hz,
            duration=duration,
            names=names,
            instances=instances,
            overflow=OverflowPolicy.BLOCK if overflow is None else overflow,
            buffer_size=buffer_size,
            auto_reconnect=auto_reconnect,
        )
        try:
            sink.open()
            with recording as stream:
                return pipe(stream, sink, batch_size=batch_size, flush_interval=flush_interval)
        finally:
            sink.close()

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
    ) -> FleetPoll:
        """Plan a poll for a recording; see `watlowlib.devices.poll.PollSource`."""
        round_ = self._round(names)
        samplers = {
            name: make_sampler(ctl.session, parameters, instances, name, sensor_check=sensor_check)
            for name, ctl in round_.fleet.items()
        }
        return FleetPoll(round_, samplers)

    def assembly(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        confirm: bool = False,
    ) -> AbstractContextManager[object]:
        """Let scattered parameters be read in one go; see `Controller.assembly`."""
        each = [
            ctl.assembly(parameters, instances=instances, confirm=confirm)
            for ctl in self._round(names).fleet.values()
        ]
        return _all_of(each)

    def stats(self) -> FleetStats:
        """What went over the lines so far, by controller and by port."""
        controllers = self._members.all()
        return FleetStats(
            {name: replace(ctl.stats) for name, ctl in controllers.items()},
            {ctl.port: replace(ctl.port_stats) for ctl in controllers.values()},
        )

    def close(self) -> None:
        """Close what was opened here, last in first out; the second time, nothing."""
        self._members.close()
        with ExitStack() as stack:
            # Whatever interrupts one of these, the others are done all the same.
            for pool in list(self._pools.values()):
                stack.callback(pool.shutdown, wait=True)
            for name in self.names:
                stack.callback(self._members.let_go, name)

    def __enter__(self) -> WatlowManager:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _round(self, names: str | Iterable[str] | None) -> PortTasks:
        fleet = self._members.chosen(names)
        return PortTasks(
            fleet, self._pool_for(len({ctl.session.port_key for ctl in fleet.values()}))
        )

    def _pool_for(self, ports: int) -> ThreadPoolExecutor:
        """A pool for so many ports, with threads for two callers at once; made when needed."""
        # By powers of two, so that a fleet that grows does not have one for each size.
        threads = 2 << (ports - 1).bit_length()
        return self._pools.setdefault(threads, make_pool("poll", threads))

    def _judged(self, results: dict[str, DeviceResult[T]]) -> dict[str, DeviceResult[T]]:
        """`results`, unless there are errors and they are to be raised."""
        errors = [result.error for result in results.values() if result.error is not None]
        if errors and self.error_policy is ErrorPolicy.RAISE:
            raise ExceptionGroup(f"{len(errors)} of {len(results)} controllers failed", errors)
        return results


@contextmanager
def _all_of(each: list[AbstractContextManager[None]]) -> Iterator[None]:
    with ExitStack() as stack:
        for one in each:
            stack.enter_context(one)
        yield


def _result(reads: Reads) -> DeviceResult[list[Sample]]:
    protocol = reads[0][0].protocol
    errors = [error for _, error in reads if error is not None]
    if len(errors) == len(reads):
        return DeviceResult(None, errors[0], protocol)
    return DeviceResult([sample for sample, _ in reads], None, protocol)


def _outcome(op: Callable[[Controller], T], controller: Controller) -> DeviceResult[T]:
    try:
        return DeviceResult(op(controller), None, controller.protocol)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this controller's result
        return DeviceResult(None, error, controller.protocol)
