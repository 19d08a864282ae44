"""A fleet: controllers by name, on any number of ports, which are polled in parallel.

    with WatlowManager() as mgr:
        mgr.add("oven_top", "/dev/ttyUSB0", address=1)
        mgr.add("retort", "/dev/ttyUSB1", address=1)
        for name, result in mgr.poll(["process_value"]).items():
            print(name, result.value[0].value)

The controllers of one port are read one after the other, as a shared line requires. Each
port has its own task; a slow or dead port does not delay the others. The manager uses the
recorder and the sinks for its method `record_to_sink`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from watlowlib._internal.clock import Clock
from watlowlib._internal.process import NotCopied
from watlowlib._internal.switch_interval import SWITCH_INTERVAL_S
from watlowlib._internal.threads import make_pool
from watlowlib._internal.validation import as_enum, shown
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.sampling import make_sampler
from watlowlib.devices.targets import Parameters, Planned, as_list, names_of
from watlowlib.errors import WatlowConfigurationError
from watlowlib.manager.members import Members
from watlowlib.manager.polling import FleetPoll, PortGroup, PortGroups
from watlowlib.manager.results import (
    DeviceResult,
    ErrorPolicy,
    FleetStats,
    apply_policy,
    call,
    result_of,
)
from watlowlib.model import (
    AcquisitionSummary,
    ControllerFamily,
    ProtocolKind,
    Sample,
    Unit,
    WordOrder,
)
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.plan import Rates
from watlowlib.streaming.recorder import OverflowPolicy, record
from watlowlib.transport.base import Transport
from watlowlib.transport.capture_options import CAPTURE_BYTES
from watlowlib.transport.settings import SerialSettings

T = TypeVar("T")
M = TypeVar("M", bound="WatlowManager")


class WatlowManager(NotCopied):
    """A fleet of controllers by name, on any number of ports.

    Args:
        error_policy: How `poll` and `execute_each` report controllers that fail.
    """

    def __init__(self, *, error_policy: ErrorPolicy | str = ErrorPolicy.RAISE) -> None:
        self.error_policy = as_enum("error_policy", ErrorPolicy, error_policy)
        self._members = Members()
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._last_plan: tuple[tuple[str, object], FleetPoll] | None = None

    @classmethod
    def from_file(
        cls: type[M], path: str | os.PathLike[str], *, names: str | Iterable[str] | None = None
    ) -> M:
        """Return a manager with the controllers of a rig file; see `watlowlib.load_rig`.

        Args:
            path: The rig file.
            names: Which of its controllers; None for all.

        Raises:
            WatlowConfigurationError: The file has problems, or no such controller; nothing was
                opened.
            WatlowConnectionError: A port cannot be opened; those opened before are closed.
        """
        from watlowlib.rig.load import load_rig  # its imports are needed only for a file

        rig = load_rig(path)
        chosen = rig.controllers if names is None else names_of(names) or ()
        arguments = {name: rig.open_arguments(name) for name in chosen}
        manager = cls()
        try:
            for name, each in arguments.items():
                manager.add(name, each.pop("port"), **each)
        except BaseException:
            manager.close()
            raise
        return manager

    def __repr__(self) -> str:
        return f"<WatlowManager of {', '.join(self.names) or 'nothing yet'}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The controllers' names, in the order in which they were added."""
        return tuple(self._members.all())

    def add(
        self,
        name: str,
        source: str | os.PathLike[str] | Controller | Transport,
        *,
        protocol: ProtocolKind | str | None = None,
        address: int = 1,
        serial_settings: SerialSettings | None = None,
        family: ControllerFamily | str = ControllerFamily.UNKNOWN,
        temperature_unit: Unit | str | None = None,
        timeout_s: float = 0.5,
        retries: int = 1,
        word_order: WordOrder | str = WordOrder.AUTO,
        data_map: int | str = "auto",
        registers_per_read: int | None = None,
        zone: int | None = None,
        gateway_offset: int = 5000,
        offset: int | None = None,
        capture: str | os.PathLike[str] | None = None,
        capture_bytes: int = CAPTURE_BYTES,
    ) -> Controller:
        """Add a controller; its name here and in samples must not be taken.

        The source is a port, a transport, or an open `Controller`, which the manager does not
        close. The other arguments are those of `open_device`, without effect on an open one.

        Raises:
            WatlowConfigurationError: The name or the controller was added before, the port uses
                another protocol, or an argument is not valid.
            WatlowConnectionError: The port cannot be opened, or the controller was closed.
        """
        self._members.check_name(name)
        if isinstance(source, Controller):
            source.session.check_open()
            self._members.add(name, source)
            return source
        controller = self._open(
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
            zone=zone,
            gateway_offset=gateway_offset,
            offset=offset,
            capture=capture,
            capture_bytes=capture_bytes,
        )
        try:
            self._members.add(name, controller, owned=True)
        except BaseException:
            controller.close()
            raise
        return controller

    def get(self, name: str) -> Controller:
        """Return the controller called `name`; without one the error names the nearest or all."""
        return self._members.get(name)

    def remove(self, name: str) -> None:
        """Remove the controller called `name`, and close it unless it was open when added."""
        self._members.get(name)
        self._members.remove(name)

    def poll(
        self,
        parameters: Parameters,
        *,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> dict[str, DeviceResult[list[Sample]]]:
        """Read parameters x instances of every controller once, the ports in parallel.

        Raises:
            WatlowConfigurationError: A controller, parameter or instance does not exist;
                nothing was sent.
            ExceptionGroup: With `ErrorPolicy.RAISE`, the errors of the controllers of which
                every read failed.
        """
        poll = self._plan(parameters, names, instances)
        results = {name: result_of(reads) for name, reads in poll.reads().items()}
        return apply_policy(self.error_policy, results)

    def execute_each(
        self, op: Callable[[Controller], T], names: str | Iterable[str] | None = None
    ) -> dict[str, DeviceResult[T]]:
        """Call `op` with each controller: in turn on one port, the ports in parallel.

            mgr.execute_each(lambda ctl: ctl.identify().serial_number)

        Args:
            op: The function to call, in several threads at the same time. An exception that
                it raises becomes that controller's error.
            names: Which controllers; None for all.

        Returns:
            The results of `op` by name.

        Raises:
            WatlowConfigurationError: There is no such controller; `op` was not called.
            ExceptionGroup: With `ErrorPolicy.RAISE`, the exceptions that `op` raised, after
                the calls for all controllers.
        """

        def call_group(group: PortGroup) -> dict[str, DeviceResult[T]]:
            return {name: call(op, controller) for name, controller in group.items()}

        return apply_policy(self.error_policy, self._port_groups(names).run(call_group))

    def record_to_sink(
        self,
        *,
        parameters: Parameters | Rates,
        rate_hz: float | None = None,
        duration: float | None = None,
        sink: SampleSink,
        names: str | Iterable[str] | None = None,
        instances: int | Iterable[int] = (1,),
        overflow: OverflowPolicy | str | None = None,
        buffer_size: int = 64,
        batch_size: int = 64,
        flush_interval: float = 1.0,
        auto_reconnect: bool = True,
        sensor_check: bool = False,
        show_unit: Unit | str | None = None,
        assembly: bool = False,
        confirm: bool = False,
        metadata: Mapping[str, Any] | None = None,
        events: bool = False,
        alarms: bool | float = False,
        switch_interval: float | None = SWITCH_INTERVAL_S,
        clock: Clock | None = None,
    ) -> AcquisitionSummary:
        """Record into a sink until the duration is over: `record` and `pipe` in one call.

        A sink that is not open is opened, and closed at the end. The other arguments are those
        of `watlowlib.record` and `watlowlib.pipe`. A duration of None records until Ctrl-C; an
        overflow of None waits for the sink.

        Raises:
            WatlowConfigurationError: An argument is not valid; the message says which.
            WatlowSinkError: The sink could not be opened, or did not keep all its rows.
            WatlowConnectionError: A port was lost, and `auto_reconnect` is off.
            KeyboardInterrupt: Ctrl-C, after all samples read so far have been written.
        """
        if isinstance(sink, type) or not hasattr(sink, "write_many"):
            raise WatlowConfigurationError(
                f"sink={shown(sink)}: give a sink such as CsvSink('run.csv')"
            )
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
            sensor_check=sensor_check,
            show_unit=show_unit,
            assembly=assembly,
            confirm=confirm,
            metadata=metadata,
            events=events,
            alarms=alarms,
            switch_interval=switch_interval,
            clock=clock,
        )
        with ExitStack() as stack:
            if not getattr(sink, "is_open", False):
                stack.callback(sink.close)
                sink.open()
            stream = stack.enter_context(recording)
            return self._pipe(stream, sink, batch_size=batch_size, flush_interval=flush_interval)

    def prepare(
        self,
        parameters: Planned,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
        show_unit: Unit | None = None,
    ) -> FleetPoll:
        """Plan a poll for a recording; see `watlowlib.devices.poll.PollSource`."""
        groups = self._port_groups(names)
        options: Any = {"sensor_check": sensor_check, "show_unit": show_unit}
        samplers = {
            name: make_sampler(ctl.session, parameters, instances, name, **options)
            for name, ctl in groups.fleet.items()
        }
        return FleetPoll(groups, samplers)

    def assembly(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        confirm: bool = False,
    ) -> AbstractContextManager[object]:
        """Map scattered parameters so that one request reads them; see `Controller.assembly`."""
        assemblies = [
            ctl.assembly(parameters, instances=instances, confirm=confirm)
            for ctl in self._port_groups(names).fleet.values()
        ]
        return _enter_all(assemblies)

    def stats(self) -> FleetStats:
        """Return the communication counters, by controller and by port."""
        controllers = self._members.all()
        return FleetStats(
            {name: replace(ctl.stats) for name, ctl in controllers.items()},
            {ctl.port: replace(ctl.port_stats) for ctl in controllers.values()},
        )

    def close(self) -> None:
        """Close the controllers that `add` opened, last in first out; may be repeated."""
        if self._members.in_other_process:
            return
        self._members.close()
        with ExitStack() as stack:
            # If one of these is interrupted, the others still run.
            for pool in list(self._pools.values()):
                stack.callback(pool.shutdown, wait=True)
            for name in self.names:
                stack.callback(self._members.remove, name)

    def __enter__(self) -> WatlowManager:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _plan(
        self,
        parameters: Parameters,
        names: str | Iterable[str] | None,
        instances: int | Iterable[int],
    ) -> FleetPoll:
        """Return a poll; the last one again when it has the same arguments and fleet."""
        parameters, names = as_list("parameters", parameters), names_of(names)
        instances = as_list("instances", instances)
        # The order of the names is the order of the results.
        key = repr((parameters, instances)), list(self._members.select(names).items())
        plan = self._last_plan  # read once: another thread may replace it
        if plan is None or plan[0] != key:
            plan = key, self.prepare(parameters, names=names, instances=instances)
            self._last_plan = plan
        return plan[1]

    def _port_groups(self, names: str | Iterable[str] | None) -> PortGroups:
        fleet = self._members.select(names)
        ports = {ctl.session.port for ctl in fleet.values()}
        return PortGroups(fleet, self._pool_for(len(ports)))

    def _pool_for(self, ports: int) -> ThreadPoolExecutor:
        """Return a pool for this number of ports, with threads for two callers at a time."""
        # Sizes are powers of two: a growing fleet needs few pools.
        threads = 2 << (ports - 1).bit_length()
        if threads not in self._pools:
            self._pools.setdefault(threads, make_pool("poll", threads))
        return self._pools[threads]

    def _open(self, *args: Any, **options: Any) -> Controller:
        """Open a controller; a subclass may return one of another class."""
        return open_device(*args, **options)

    def _pipe(self, *args: Any, **options: Any) -> AcquisitionSummary:
        """Write a recording; a subclass may return a summary of another class."""
        return pipe(*args, **options)


@contextmanager
def _enter_all(managers: list[AbstractContextManager[None]]) -> Iterator[None]:
    with ExitStack() as stack:
        for manager in managers:
            stack.enter_context(manager)
        yield
