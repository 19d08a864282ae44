"""The values of parameters in the registers of a reply. No I/O."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from watlowlib.devices.driver import DecodedReply, Outcomes
from watlowlib.devices.read_planner import Span
from watlowlib.devices.values import present
from watlowlib.errors import WatlowError
from watlowlib.model import Value, WordOrder
from watlowlib.protocol.exchange import Reply
from watlowlib.protocol.modbus.words import arranged, decode_at, of_counts
from watlowlib.registry.parameters import ParameterSpec


def outcomes_of(
    first: int, spans: Sequence[Span], result: Reply | WatlowError, order: WordOrder
) -> Outcomes:
    """Return the outcomes for the registers from `first` on, which one exchange has read."""
    if isinstance(result, WatlowError):
        return {span.target: copy.copy(result) for span in spans}
    data = arranged(result.content, order)
    outcomes: Outcomes = {}
    for span in spans:
        target = span.target
        try:
            value = _value_at(target[0], data, 2 * (span.register - first), order)
            outcomes[target] = DecodedReply(value, result)
        except WatlowError as error:
            outcomes[target] = error
    return outcomes


def decode_reply(spec: ParameterSpec, reply: Reply, order: WordOrder) -> DecodedReply:
    """Return the value of a reply that has nothing else."""
    return DecodedReply(_value_at(spec, arranged(reply.content, order), 0, order), reply)


def _value_at(spec: ParameterSpec, data: bytes, at: int, order: WordOrder) -> Value:
    value = decode_at(spec.data_type, data, at, order)
    return present(spec, of_counts(spec, value) if isinstance(value, int) else value)
