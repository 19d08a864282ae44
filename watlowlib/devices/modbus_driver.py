"""A controller on Modbus RTU: parameters as registers, read together where that pays.

Where a parameter is, and which of its words comes first, is settled before it matters
(`device/layout.py`); which registers are read together is planned (`device/blocks.py`).
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeAlias

from watlowlib.devices.layout import (
    ORDER_SETTING,
    RegisterLayout,
    check_map,
    check_order,
    discover_layout,
)
from watlowlib.devices.read_planner import Block, ReadPlanner, Span
from watlowlib.devices.stdbus_driver import DecodedReply, ReadOutcome, Target
from watlowlib.devices.values import counts, of_counts, present
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowDeviceError,
    WatlowError,
    WatlowIllegalValueError,
    WatlowNoSuchRegisterError,
    WatlowProtocolError,
    WatlowTimeoutError,
)
from watlowlib.model import Unit, Value, WordOrder
from watlowlib.protocol.exchange import Reply, RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.client import ModbusClient
from watlowlib.protocol.modbus.words import decode_words, encode_words, register_count
from watlowlib.protocol.stats import DeviceStats
from watlowlib.registry.parameters import DataType, ParameterSpec

Fetched: TypeAlias = "tuple[Span, Reply | WatlowError]"


class ModbusDriver:
    """An EZ-ZONE PM on Modbus RTU.

    Args:
        client: The port's client.
        address: The slave, 1 to 247.
        policy: How long to wait, and how often to ask again.
        given: What the user says of the data map and the word order.
        registers_per_read: The most registers in one read, to begin with.
    """

    def __init__(
        self,
        client: ModbusClient,
        address: int,
        policy: RetryPolicy,
        *,
        given: RegisterLayout = RegisterLayout(),  # noqa: B008 - a frozen value
        registers_per_read: int = 32,
    ) -> None:
        self.address = address
        self.planner = ReadPlanner(registers_per_read, client.byte_time_s)
        self._client = client
        self._patience = policy
        self._given = given
        self._layout: RegisterLayout | None = None
        self.shown: dict[Target, int] = {}
        """The registers of the assembly that show a value, while there is one."""

    @property
    def temperature_unit(self) -> Unit | None:
        """None: which scale a PM has on the wire only its user knows."""
        return None

    @property
    def layout(self) -> RegisterLayout:
        """The data map and the word order, found out if need be."""
        layout = self._layout
        if layout is None:
            # Two threads may find out at once; they find the same.
            self._layout = layout = discover_layout(self._given, self.ask)
        return layout

    @property
    def _known(self) -> RegisterLayout:
        """What is known without asking."""
        return self._layout or self._given

    def forget(self) -> None:
        """Find out the data map and the word order anew when they matter next."""
        self._layout = None

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse what has no register, as far as that is known without asking.

        Raises:
            WatlowConfigurationError: It has none.
        """
        data_map = self._known.data_map
        maps = (1, 2) if data_map is None else (data_map,)
        if all(spec.register(instance, each) is None for each in maps):
            raise _no_register(spec, instance, data_map)

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; see `ModbusClient.read`."""
        span, order = self.span((spec, instance)), self._order(spec)
        return self._got(span, self._answer(span.register, span.count), order)

    def read_each(self, wanted: Sequence[Target]) -> Iterator[list[ReadOutcome]]:
        """Read several, neighbours together; a register that does not exist costs itself."""
        spans: list[Span] = []
        shown = self.shown
        silent: WatlowError | None = None
        for target in wanted:
            try:
                if silent is not None:
                    raise copy.copy(silent)
                span = self.span(target)
                spans.append(replace(span, register=shown.get(target, span.register)))
            except (WatlowTimeoutError, WatlowProtocolError, WatlowConnectionError) as error:
                # Where it is was asked for in vain: nor would it answer for the others.
                silent = error
                yield [ReadOutcome(target, error)]
            except WatlowError as error:
                yield [ReadOutcome(target, error)]
        layout = self._known
        blocks = self.planner.blocks(spans)
        for n, block in enumerate(blocks):
            if self._known != layout:
                # It has been silent since this was planned, and may be another one by now.
                rest = [span.target for block in blocks[n:] for span in block.spans]
                yield from self.read_each(rest)
                return
            for part in self._fetched(block):
                moved = {each.target for each, _ in part if each.target in shown}
                if moved and self.shown is not shown:
                    # Another thread has told the assembly to show something else since.
                    yield from self.read_each(list(moved))
                    part = [(span, found) for span, found in part if span.target not in moved]
                order = layout.word_order
                yield [
                    ReadOutcome(each.target, self._tried(each, got, order)) for each, got in part
                ]

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Store a value once map and order are certain; see `ModbusClient.write`."""
        order = self._certain_order()
        span = self.span((spec, instance))
        raw = value if spec.data_type is DataType.FLOAT else counts(spec, value)
        with self._doubting_silence():
            reply = self._client.write(
                self.address,
                span.register,
                encode_words(spec.data_type, raw, order),
                self._patience,
                options,
            )
        if spec.number == ORDER_SETTING:
            self.forget()
        return self._got(span, reply, order)

    def ask(self, register: int, count: int) -> tuple[int, ...]:
        """Registers as they are.

        Raises:
            WatlowError: Whatever went wrong.
        """
        return _words(self._answer(register, count))

    def ask_all(self, register: int, count: int) -> list[int]:
        """The same for more than one read may bring."""
        step, end = self.planner.limit, register + count
        return [
            word
            for start in range(register, end, step)
            for word in self.ask(start, min(step, end - start))
        ]

    def put(self, register: int, words: Sequence[int], options: WriteOptions) -> None:
        """Store registers as they are, and see that they arrived."""
        self._client.write(self.address, register, words, self._patience, options)

    @property
    def stats(self) -> DeviceStats:
        """The counters of this controller."""
        return self._client.stats_of(self.address)

    def ping(self, *, within_s: float | None = None) -> None:
        """Ask for the first register, of which a Series SD says that it has none."""
        with suppress(WatlowDeviceError), self._doubting_silence():
            self._client.read(self.address, 0, 1, self._patience.single_attempt(within_s))

    def at(self, address: int) -> ModbusDriver:
        """The same at another address."""
        other = copy.copy(self)
        other.address = address
        return other

    def _certain_order(self) -> WordOrder:
        """The word order; both it and the data map are certain then.

        Raises:
            WatlowUncertainError: One of them is not.
        """
        check_map(self.layout)
        return check_order(self.layout)

    def _order(self, spec: ParameterSpec) -> WordOrder:
        """The order of the words of `spec`, which does not matter to a single one."""
        single = register_count(spec.data_type) == 1
        return WordOrder.HIGH_LOW if single else check_order(self.layout)

    def span(self, target: Target) -> Span:
        """The registers of a target; its map and order are certain then."""
        spec, instance = target
        self._order(spec)
        if spec.map1 == spec.map2:
            register = spec.register(instance, 1)
        else:
            register = spec.register(instance, check_map(self.layout))
        if register is None:
            raise _no_register(spec, instance, self.layout.data_map)
        return Span(register, register_count(spec.data_type), target)

    def _fetched(self, block: Block) -> Iterator[list[Fetched]]:
        """What became of each span of a block, exchange by exchange."""
        try:
            reply = self._answer(block.register, block.count)
        except (WatlowNoSuchRegisterError, WatlowIllegalValueError) as error:
            yield from self._fetched_apart(block, error)
        except WatlowError as error:
            yield [(span, copy.copy(error)) for span in block.spans]
        else:
            if len(block.spans) == 1:
                self.planner.note(block.spans[0], refused=False)
            yield [(span, _part_of(reply, block, span)) for span in block.spans]

    def _fetched_apart(self, block: Block, error: WatlowDeviceError) -> Iterator[list[Fetched]]:
        """A block was refused: ask for its halves, and learn."""
        if len(block.spans) == 1:
            self.planner.note(block.spans[0], refused=True)
            yield [(block.spans[0], error)]
            return
        answered = True
        halves = block.halves()
        for half in halves:
            for part in self._fetched(half):
                answered = answered and not any(isinstance(got, WatlowError) for _, got in part)
                yield part
        if answered:
            self.planner.parted(*halves)

    def _tried(
        self, span: Span, found: Reply | WatlowError, order: WordOrder | None
    ) -> DecodedReply | WatlowError:
        """The value of a span, or what went wrong with it alone."""
        if isinstance(found, WatlowError):
            return found
        try:
            return self._got(span, found, order)
        except WatlowError as error:
            return error

    def _got(self, span: Span, reply: Reply, order: WordOrder | None = None) -> DecodedReply:
        spec, _ = span.target
        words = _words(reply)
        value = decode_words(spec.data_type, words, order or self._order(spec))
        return DecodedReply(present(spec, _scaled(spec, value)), reply)

    def _answer(self, register: int, count: int) -> Reply:
        with self._doubting_silence():
            return self._client.read(self.address, register, count, self._patience)

    @contextmanager
    def _doubting_silence(self) -> Iterator[None]:
        """Forget what was found out of a controller that does not answer.

        When something answers again, it may have been set otherwise, or be another one.
        """
        try:
            yield
        except (WatlowTimeoutError, WatlowConnectionError):
            self.forget()
            raise


def _part_of(reply: Reply, block: Block, span: Span) -> Reply:
    at = 2 * (span.register - block.register)
    return reply._replace(content=reply.content[at : at + 2 * span.count])


def _words(reply: Reply) -> tuple[int, ...]:
    return struct.unpack(f">{len(reply.content) // 2}H", reply.content)


def _scaled(spec: ParameterSpec, value: Value) -> Value:
    return of_counts(spec, value) if isinstance(value, int) else value


def _no_register(
    spec: ParameterSpec, instance: int, data_map: int | None
) -> WatlowConfigurationError:
    where = "" if data_map is None else f" in data map {data_map}, or none is known"
    return WatlowConfigurationError(
        f"{spec.name} ({spec.number}) instance {instance} has no Modbus register{where}; "
        "nothing was sent"
    )
