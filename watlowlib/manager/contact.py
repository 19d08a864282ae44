"""Reads each controller of a fleet once: whether it replies, what it is, its first value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from watlowlib._internal.log import logger
from watlowlib.devices.controller import Controller
from watlowlib.devices.identity import read_description
from watlowlib.devices.scale_check import scale_warning
from watlowlib.errors import WatlowConnectionError, WatlowError, WatlowTimeoutError
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.polling import FleetPoll, ReadResults
from watlowlib.model import Sample

log = logger(__name__)

NO_REPLY = (WatlowTimeoutError, WatlowConnectionError)


@dataclass(frozen=True)
class Contact:
    """The replies of one controller.

    Attributes:
        name: The controller's name.
        port: Its port.
        address: Its address on the port.
        part_number: Its part number (1009); None where it is not reported.
        firmware_id: Its firmware ID (1002); None where it could not be read.
        first: The first sample; without a value if it could not be read.
        error: Why the first sample has no value; None if it has one.
        replies: Whether it sent any reply.
        warning: What contradicts its declared scale; empty for nothing.
    """

    name: str
    port: str
    address: int
    part_number: str | None
    firmware_id: int | None
    first: Sample
    error: WatlowError | None
    replies: bool
    warning: str = ""


class _Facts(NamedTuple):
    """What a controller that replies reports about itself; see `Contact`."""

    part_number: str | None = None
    firmware_id: int | None = None
    warning: str = ""


def read_each_once(manager: WatlowManager, poll: FleetPoll) -> list[Contact]:
    """Read `poll` once, and identity and scale of each controller that replies."""
    reads = poll.reads()
    replying = [name for name, results in reads.items() if _has_reply(results)]
    facts = {}
    if replying:
        results = manager.execute_each(_facts, names=replying)
        facts = {name: result.value for name, result in results.items()}
    return [
        _contact(manager.get(name), results, facts.get(name)) for name, results in reads.items()
    ]


def _has_reply(results: ReadResults) -> bool:
    return any(not isinstance(error, NO_REPLY) for _, error in results)


def _facts(controller: Controller) -> _Facts:
    """Return what the controller reports; None for what cannot be read."""
    try:
        read_description(controller.session)
    except WatlowError as error:
        log.info("%s: the identity is not known: %s", controller.name, error)
    known = controller.session.settings
    part = known.part.text if known.part else None
    return _Facts(part, known.firmware_id, scale_warning(controller.session))


def _contact(controller: Controller, results: ReadResults, facts: _Facts | None) -> Contact:
    sample, error = results[0]
    known = facts or _Facts()
    return Contact(
        controller.name, controller.port, controller.address, known.part_number,
        known.firmware_id, sample, error, facts is not None, known.warning,
    )  # fmt: skip
