"""Checks of a rig file that concern several of its values."""

from __future__ import annotations

from typing import Any

from watlowlib._internal.validation import nearest, shown
from watlowlib.devices.factory import address_hint, address_range, protocol_of
from watlowlib.devices.targets import target_of
from watlowlib.devices.zones import REGISTERS, Zone, make_zone
from watlowlib.errors import WatlowConfigurationError, WatlowUnknownParameterError
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS
from watlowlib.rig.problems import Problems, key_text
from watlowlib.rig.values import Rig, RigController, RigPort, RigRecord
from watlowlib.sinks.choose import check_sink
from watlowlib.streaming.metadata import as_metadata


def check_rig(rig: Rig, document: dict[str, Any], problems: Problems) -> None:
    """Add the problems of `rig`, which has the valid values of `document`."""
    if not document.get("controllers"):
        problems.add(
            ("controllers",),
            "controllers is missing: give at least one table, such as [controllers.oven]",
        )
    _check_ports(rig, problems)
    _check_controllers(rig, document, problems)
    _check_record(rig, document, problems)


def _check_ports(rig: Rig, problems: Problems) -> None:
    first: dict[str, str] = {}
    for name, port in rig.ports.items():
        place = ("ports", name)
        other = first.setdefault(port.port, name)
        if other != name:
            problems.add_value(
                (*place, "port"),
                port.port,
                f"is also the port of {key_text(('ports', other))}; give each port once",
            )
        try:
            protocol_of(port.port, port.protocol)
        except WatlowConfigurationError as error:
            problems.add((*place, "port"), f"{key_text((*place, 'port'))}: {error.message}")
        if port.protocol is ProtocolKind.MODBUS_TCP:
            for key in ("baudrate", "parity", "stopbits"):
                if value := getattr(port, key):
                    problems.add_value(
                        (*place, key), value, "a network has no serial settings; leave it out"
                    )
        if port.vary_source and port.protocol is not ProtocolKind.STDBUS:
            problems.add_value(
                (*place, "vary_source"),
                True,
                f"only Standard Bus has source addresses, and the protocol is {port.protocol}; "
                "leave it out",
            )
        if port.protocol is ProtocolKind.AUTO and not port.baudrate:
            for key in ("parity", "stopbits"):
                if value := getattr(port, key):
                    problems.add_value(
                        (*place, key), value, "give baudrate too, or a protocol other than auto"
                    )


def _check_controllers(rig: Rig, document: dict[str, Any], problems: Problems) -> None:
    known = document.get("ports")
    names = known if isinstance(known, dict) else {}
    first: dict[tuple[str, int, int | None], str] = {}
    zones = _zones(rig, problems)
    for name, controller in rig.controllers.items():
        place = ("controllers", name)
        if not name:
            problems.add(place, f"{key_text(place)}: the name is empty; give one")
        if controller.port not in names:
            problems.add_value(
                (*place, "port"),
                controller.port,
                f"there is no port of this name; {nearest(controller.port, names)}",
            )
        zone = zones.get(name)
        station = (controller.port, controller.address, zone.offset if zone else None)
        other = first.setdefault(station, name)
        if other != name:
            problems.add_value(
                (*place, "address"),
                controller.address,
                f"is also the address of {key_text(('controllers', other))} on this port; "
                "give each controller its own",
            )
        if controller.port in rig.ports:
            _check_protocol(name, controller, rig.ports[controller.port], problems)


def _zones(rig: Rig, problems: Problems) -> dict[str, Zone]:
    """Return the zone of each controller behind a gateway, and check that none overlap."""
    found: dict[str, Zone] = {}
    registers: dict[str, Zone] = {}
    for name, controller in rig.controllers.items():
        place = ("controllers", name)
        try:
            zone = make_zone(controller.zone, controller.gateway_offset, controller.offset)
        except WatlowConfigurationError as error:
            problems.add(place, f"{key_text(place)}: {error.message}")
            continue
        used = zone or Zone(None, range(REGISTERS))
        for other, each in registers.items():
            gateway = rig.controllers[other].port, rig.controllers[other].address
            if gateway == (controller.port, controller.address) and each.overlaps(used):
                problems.add(
                    place if zone else (*place, "zone"),
                    f"{key_text(place)}: {zone or 'without a zone it'} overlaps with "
                    f"{key_text(('controllers', other))}; give each controller its zone, and the "
                    "gateway_offset or offset that is set in the gateway",
                )
        registers[name] = used
        if zone is not None:
            found[name] = zone
    return found


def _check_protocol(
    name: str, controller: RigController, port: RigPort, problems: Problems
) -> None:
    lowest, most = address_range(port.protocol)
    if not lowest <= controller.address <= most:
        problems.add_value(
            ("controllers", name, "address"),
            controller.address,
            address_hint(port.protocol, controller.address),
        )
    gateway = controller.zone is not None or controller.offset is not None
    if gateway and not port.protocol.is_modbus:
        problems.add_value(
            ("controllers", name, "offset" if controller.zone is None else "zone"),
            controller.offset if controller.zone is None else controller.zone,
            f"a gateway is a Modbus device, and the protocol of its port is {port.protocol}",
        )
    if controller.family is ControllerFamily.SD and port.protocol is ProtocolKind.STDBUS:
        problems.add_value(
            ("controllers", name, "family"),
            controller.family.value,
            'a Series SD supports only Modbus RTU; give its port protocol = "modbus_rtu"',
        )


def _check_record(rig: Rig, document: dict[str, Any], problems: Problems) -> None:
    record = rig.record
    table = document.get("record")
    if isinstance(table, dict) and "rates" in table:
        for key in ("rate_hz", "parameters"):
            if key in table:
                problems.add_value(
                    ("record", key), table[key], "record.rates has the rates; leave it out"
                )
    _check_parameters(rig, problems)
    _check_show_unit(rig, problems)
    urls = [sink.url for sink in record.sinks]
    captures = {port.capture for port in rig.ports.values()}
    for n, url in enumerate(urls):
        place = ("record", "sinks", n, "url")
        if url in captures:
            problems.add(place, f"{key_text(place)}: is also a capture; give another file")
        if url in urls[:n]:
            problems.add(place, f"{key_text(place)}: is also that of another sink; give each once")
    for n, sink in enumerate(record.sinks):
        try:
            check_sink(sink.url, **sink.rotation)
        except WatlowConfigurationError as error:
            name = error.message.partition("=")[0]
            what = error.message.partition(": ")[2]
            problems.add_value(("record", "sinks", n, name), sink.rotation[name], what)
    for key, value in record.metadata.items():
        try:
            as_metadata({key: value})
        except WatlowConfigurationError as error:
            problems.add(("record", "metadata", key), f"record.{error.message}")


def _check_show_unit(rig: Rig, problems: Problems) -> None:
    if rig.record.show_unit is None:
        return
    for name, controller in rig.controllers.items():
        port = rig.ports.get(controller.port)
        declared = controller.temperature_unit or (port and port.temperature_unit)
        if not declared and controller.family is not ControllerFamily.SD:
            problems.add(
                ("record", "show_unit", name),
                f"record.show_unit={shown(rig.record.show_unit)}: the scale of "
                f"{key_text(('controllers', name))} on the wire is not known; give "
                "temperature_unit for it or its port",
            )


def _check_parameters(rig: Rig, problems: Problems) -> None:
    record: RigRecord = rig.record
    table = "rates" if record.rates else "parameters"
    registries = dict.fromkeys(each.registry for each in rig.controllers.values())
    if record.alarms and SD_PARAMETERS in registries:
        what = (
            "a Series SD does not have what alarms reads; leave it out, and record other parameters"
        )
        problems.add_value(("record", "alarms"), record.alarms, what)
    for parameter in record.rates or record.parameters:
        for registry in registries or (PARAMETERS,):
            for instance in record.instances:
                try:
                    target_of(registry, parameter, instance)
                except WatlowUnknownParameterError as error:
                    problems.add(("record", table, parameter), f"record.{table}: {error.message}")
                except WatlowConfigurationError as error:
                    place = ("record", table, parameter, instance)
                    problems.add(place, f"record.{table}: {error.message}")
