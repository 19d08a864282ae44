"""The values of parameters in the registers of a reply. No I/O."""

from __future__ import annotations

from watlowlib.devices.driver import DecodedReply, Outcomes, Target, failed
from watlowlib.devices.read_planner import Block
from watlowlib.devices.values import are_present, present
from watlowlib.errors import ErrorContext, WatlowError
from watlowlib.model import Value, WordOrder
from watlowlib.protocol.exchange import Reply
from watlowlib.protocol.modbus.words import arranged, decode_all, decode_at, of_counts
from watlowlib.registry.parameters import ParameterSpec


def outcomes_of(block: Block, result: Reply | WatlowError, order: WordOrder) -> Outcomes:
    """Return the outcomes of the exchange that has read a block."""
    if isinstance(result, WatlowError):
        return Outcomes(failed(block.targets, result))
    data = arranged(result.content, order)
    if block.joint_format is not None:
        numbers = decode_all(block.joint_format, data, order)
        if numbers is not None and are_present(numbers):
            return Outcomes({}, dict(zip(block.targets, numbers)), result)
    errors: dict[Target, WatlowError] = {}
    values: dict[Target, Value] = {}
    for span in block.spans:
        try:
            at = 2 * (span.register - block.register)
            values[span.target] = _value_at(span.target[0], data, at, order)
        except WatlowError as error:
            error.context = ErrorContext(elapsed_s=result.latency_s)
            errors[span.target] = error
    return Outcomes(errors, values, result)


def decode_reply(spec: ParameterSpec, reply: Reply, order: WordOrder) -> DecodedReply:
    """Return the value of a reply that has nothing else."""
    return DecodedReply(_value_at(spec, arranged(reply.content, order), 0, order), reply)


def _value_at(spec: ParameterSpec, data: bytes, at: int, order: WordOrder) -> Value:
    value = decode_at(spec.data_type, data, at, order)
    return present(spec, of_counts(spec, value) if isinstance(value, int) else value)
