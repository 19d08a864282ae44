"""From a read to a `Reading` or a `Sample`, with or without a value."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from watlowlib.devices.stdbus_driver import DecodedReply
from watlowlib.devices.values import label_of, unit_of
from watlowlib.model import Reading, Sample
from watlowlib.registry.parameters import ParameterSpec

if TYPE_CHECKING:
    from watlowlib.devices.session import Session


def reading_of(ctl: Session, spec: ParameterSpec, instance: int, got: DecodedReply) -> Reading:
    """What has been got, as a reading."""
    value, reply = got
    return Reading(
        value=value,
        unit=unit_of(spec, ctl.temperature_unit),
        parameter=spec.name,
        parameter_id=spec.number,
        instance=instance,
        address=ctl.address,
        requested_at=reply.requested_at,
        received_at=reply.requested_at + timedelta(seconds=reply.latency_s),
        latency_s=reply.latency_s,
        raw=reply.raw,
        label=label_of(spec, value),
    )


def sample_of(ctl: Session, device: str, reading: Reading) -> Sample:
    """A reading as the sample of a recording."""
    return Sample(
        device=device,
        address=reading.address,
        protocol=ctl.protocol,
        parameter=reading.parameter,
        parameter_id=reading.parameter_id,
        instance=reading.instance,
        value=reading.value,
        unit=reading.unit,
        requested_at=reading.requested_at,
        received_at=reading.received_at,
        midpoint_at=reading.requested_at + timedelta(seconds=reading.latency_s / 2),
        latency_s=reading.latency_s,
        raw=reading.raw,
    )


def gap_of(
    ctl: Session,
    device: str,
    spec: ParameterSpec,
    instance: int,
    status: str,
    elapsed_s: float = 0.0,
) -> Sample:
    """The sample of a read that brought nothing, and took `elapsed_s` until that was clear."""
    received_at = datetime.now(timezone.utc)
    return Sample(
        device=device,
        address=ctl.address,
        protocol=ctl.protocol,
        parameter=spec.name,
        parameter_id=spec.number,
        instance=instance,
        value=None,
        unit=unit_of(spec, ctl.temperature_unit),
        requested_at=received_at - timedelta(seconds=elapsed_s),
        received_at=received_at,
        midpoint_at=received_at - timedelta(seconds=elapsed_s / 2),
        latency_s=elapsed_s,
        raw=None,
        status=status,
    )
