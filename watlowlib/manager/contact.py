"""Asks each controller of a fleet once: who answers, what it is, and its first value."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowConnectionError, WatlowError, WatlowTimeoutError
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.polling import FleetPoll, ReadResults
from watlowlib.model import Sample

log = logging.getLogger(__name__)

NO_ANSWER = (WatlowTimeoutError, WatlowConnectionError)


@dataclass(frozen=True)
class Contact:
    """What one controller has answered.

    Attributes:
        name: The controller's name.
        port: Its port.
        address: Its address on the port.
        part_number: Its part number (1009); None where it is not reported.
        firmware_id: Its firmware ID (1002); None where it could not be read.
        first: The first sample; without a value if it could not be read.
        error: Why the first sample has no value; None if it has one.
        answers: Whether it sent any reply.
    """

    name: str
    port: str
    address: int
    part_number: str | None
    firmware_id: int | None
    first: Sample
    error: WatlowError | None
    answers: bool


def ask_each(manager: WatlowManager, poll: FleetPoll) -> list[Contact]:
    """Read `poll` once, and the part number and firmware of each controller that answers."""
    reads = poll.reads()
    answering = [name for name, results in reads.items() if _has_answer(results)]
    identities = {}
    if answering:
        results = manager.execute_each(_identity, names=answering)
        identities = {name: result.value for name, result in results.items()}
    return [
        _contact(manager.get(name), results, *identities.get(name, (None, None)), name in answering)
        for name, results in reads.items()
    ]


def _has_answer(results: ReadResults) -> bool:
    return any(not isinstance(error, NO_ANSWER) for _, error in results)


def _identity(controller: Controller) -> tuple[str | None, int | None]:
    """Return the part number and the firmware ID; None for what cannot be read."""
    part, firmware = None, None
    try:
        part = controller.session.part_number()
        value = controller.read_parameter("firmware").value
        firmware = value if isinstance(value, int) else None
    except WatlowError as error:
        log.info("%s: the identity is not known: %s", controller.name, error)
    return part.text if part else None, firmware


def _contact(
    controller: Controller,
    results: ReadResults,
    part_number: str | None,
    firmware_id: int | None,
    answers: bool,
) -> Contact:
    sample, error = results[0]
    return Contact(
        controller.name, controller.port, controller.address, part_number, firmware_id, sample,
        error, answers,
    )  # fmt: skip
