"""The contents of a rig file as frozen values.

All values are checked, all names of environment variables replaced by their values, and all
paths absolute. The same names as in the file are used; `docs/rig.md` describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from watlowlib._internal.validation import nearest, shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind, WordOrder
from watlowlib.registry.parameters import Registry, registry_of
from watlowlib.rules.rule import Rule
from watlowlib.streaming.recorder import OverflowPolicy
from watlowlib.transport.settings import SerialSettings

V = TypeVar("V")


def located_port(folder: Path, port: str) -> str:
    """Return `port`; if it is a relative path, such as ./ttyV0, as a path from `folder`."""
    return str(folder / port) if "/" in port and "://" not in port else port


class FrozenMapping(Mapping[str, V]):
    """A mapping that cannot be changed, but copied and pickled."""

    def __init__(self, items: Mapping[str, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


@dataclass(frozen=True)
class RigPort:
    """A port of the rig: `[ports.NAME]`."""

    port: str
    protocol: ProtocolKind
    baudrate: int | None
    parity: str | None
    stopbits: int | None
    vary_source: bool
    timeout: float
    retries: int
    temperature_unit: str | None
    capture: str | None

    @property
    def serial_settings(self) -> SerialSettings | None:
        """The serial settings; None for the factory settings of the protocol."""
        given = {
            name: value
            for name in ("baudrate", "parity", "stopbits", "vary_source")
            if (value := getattr(self, name))
        }
        if not given or self.protocol is ProtocolKind.MODBUS_TCP:
            return None
        # With AUTO, the baud rate is given whenever one of the others is.
        auto = self.protocol is ProtocolKind.AUTO
        factory = SerialSettings() if auto else SerialSettings.factory_for(self.protocol)
        return replace(factory, **given)


@dataclass(frozen=True)
class RigController:
    """A controller of the rig: `[controllers.NAME]`."""

    port: str
    address: int
    family: ControllerFamily
    temperature_unit: str | None
    word_order: WordOrder
    data_map: int | str
    registers_per_read: int | None
    zone: int | None
    gateway_offset: int
    offset: int | None

    @property
    def registry(self) -> Registry:
        """The parameters of the controller's family."""
        gateway = self.zone is not None or self.offset is not None
        return registry_of(self.family, gateway=gateway)


@dataclass(frozen=True)
class RigSink:
    """A sink: `[[record.sinks]]`; `open_sink(sink.url, **sink.rotation)` returns it."""

    url: str
    rotate: str | tuple[str, ...] | None = None
    keep: str | tuple[str, ...] | None = None
    compress: bool = False
    min_free: str | None = None
    partition: str | None = None

    @property
    def rotation(self) -> dict[str, Any]:
        """The options of `open_sink`; `partition` only if it is given, which is not for files."""
        names = ("rotate", "keep", "compress", "min_free") + ("partition",) * bool(self.partition)
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        options = (f", {name}={each!r}" for name, each in self.rotation.items() if each)
        return f"RigSink(url={shown(self.url)}{''.join(options)})"  # without its password


@dataclass(frozen=True)
class RigRecord:
    """What to record: `[record]`. Either `rates`, or `parameters` and `rate_hz`, are set."""

    parameters: tuple[str | int, ...]
    rate_hz: float | None
    rates: Mapping[str, float]
    instances: tuple[int, ...]
    duration: float | None
    overflow: OverflowPolicy
    sensor_check: bool
    alarms: float | None
    show_unit: str | None
    switch_interval: float
    metadata: Mapping[str, Any]
    sinks: tuple[RigSink, ...]


@dataclass(frozen=True)
class Rig:
    """A rig file; see `load_rig`.

    Attributes:
        path: The file, as an absolute path.
        ports: The ports by name, in the order of the file.
        controllers: The controllers by name, in the order of the file.
        record: What to record; the defaults if the file has no `[record]`.
        rules: The rules, in the order of the file.
    """

    path: Path
    ports: Mapping[str, RigPort]
    controllers: Mapping[str, RigController]
    record: RigRecord
    rules: tuple[Rule, ...] = ()

    def open_arguments(self, name: str) -> dict[str, Any]:
        """Return the arguments of `open_device` for the controller `name`, without its name.

        Raises:
            WatlowConfigurationError: The rig has no such controller; the message names the
                nearest or all.
        """
        if name not in self.controllers:
            hint = nearest(str(name), self.controllers)
            raise WatlowConfigurationError(f"{self.path} has no controller {shown(name)}; {hint}")
        controller = self.controllers[name]
        port = self.ports[controller.port]
        return {
            "port": port.port,
            "protocol": port.protocol,
            "address": controller.address,
            "serial_settings": port.serial_settings,
            "family": controller.family,
            "temperature_unit": controller.temperature_unit or port.temperature_unit,
            "timeout_s": port.timeout,
            "retries": port.retries,
            "word_order": controller.word_order,
            "data_map": controller.data_map,
            "registers_per_read": controller.registers_per_read,
            "zone": controller.zone,
            "gateway_offset": controller.gateway_offset,
            "offset": controller.offset,
            "capture": port.capture,
        }

    def record_arguments(self) -> dict[str, Any]:
        """Return the arguments of `record`, without the source."""
        record = self.record
        return {
            "parameters": dict(record.rates) or list(record.parameters),
            "rate_hz": record.rate_hz,
            "instances": list(record.instances),
            "duration": record.duration,
            "overflow": record.overflow,
            "sensor_check": record.sensor_check,
            "alarms": False if record.alarms is None else record.alarms,
            "show_unit": record.show_unit,
            "switch_interval": record.switch_interval or None,
            "metadata": dict(record.metadata),
        }
