"""The driver of an EZ-ZONE PM on Modbus: parameters as registers, read together.

`devices/layout.py` discovers the registers of a parameter and the order of their words;
`devices/read_planner.py` plans which registers are read together.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TypeAlias

from watlowlib._internal.cache import Cache
from watlowlib._internal.log import logger
from watlowlib.devices.driver import DecodedReply, Driver, Outcomes, Target
from watlowlib.devices.layout import (
    ORDER_SETTING,
    RegisterLayout,
    check_map,
    check_order,
    discover_layout,
)
from watlowlib.devices.read_planner import (
    FRAMING_BYTES,
    Basis,
    Block,
    Place,
    Plan,
    ReadPlanner,
    Span,
)
from watlowlib.devices.register_values import decode_reply, outcomes_of
from watlowlib.devices.unknown_registers import no_register, not_proven
from watlowlib.devices.values import counts
from watlowlib.errors import (
    WatlowConnectionError,
    WatlowDeviceError,
    WatlowError,
    WatlowFrameError,
    WatlowIllegalValueError,
    WatlowLineNotQuietError,
    WatlowNoSuchRegisterError,
    WatlowTimeoutError,
    WatlowTransportError,
)
from watlowlib.model import WordOrder
from watlowlib.protocol.exchange import Reply, RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.registers import Registers
from watlowlib.protocol.modbus.words import encode_words, register_count
from watlowlib.protocol.stats import DeviceStats
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec, Registry

log = logger(__name__)

BlockResult: TypeAlias = "tuple[Block, Reply | WatlowError]"

MOST_PLANS, MOST_SPANS = 16, 512
"""How many plans and spans of earlier reads a driver keeps."""


class ModbusDriver(Driver):
    """An EZ-ZONE PM on Modbus RTU or TCP; the address is its slave address or unit id.

    `given` has the data map and word order as far as the user has given them;
    `registers_per_read` is the most registers in one read, before any is refused. `registry` has
    the registers of its family.
    """

    def __init__(
        self,
        client: Registers,
        address: int,
        policy: RetryPolicy,
        *,
        given: RegisterLayout = RegisterLayout(),  # noqa: B008 - a frozen value
        registers_per_read: int = 32,
        registry: Registry = PARAMETERS,
    ) -> None:
        super().__init__(address, policy)
        self.registry = registry
        self.planner = ReadPlanner(registers_per_read, client.byte_time_s)
        self._registers_per_read = registers_per_read
        self._client = client
        self._given = given
        self._discovered: RegisterLayout | None = None
        self.assembled: dict[Target, int] = {}
        """The register of the assembly that shows each target, while there is one."""
        self._plans: Cache[tuple[Target, ...], Plan] = Cache(MOST_PLANS)
        self._places: Cache[Target, Place] = Cache(MOST_SPANS)
        self._doubted: set[str] = set()
        """The doubts about registers for which a warning was logged."""

    @cached_property
    def stats(self) -> DeviceStats:
        """Counters of this controller."""
        return self._client.stats_of(self.station)

    @property
    def station(self) -> Hashable:
        """The address, and the zone behind a gateway."""
        return self._client.counter_of(self.address)

    def discover_layout(self) -> RegisterLayout:
        """Return the data map and word order, reading them from the controller if needed."""
        layout = self._discovered
        if layout is None:
            # Two threads may discover it at once; both get the same result.
            self._discovered = layout = discover_layout(self._given, self.read_block, self.registry)
        return layout

    @property
    def known_layout(self) -> RegisterLayout:
        """The layout as far as it is known without a read."""
        return self._discovered or self._given

    def forget(self) -> None:
        """Discover the data map and word order again when they are next needed."""
        self.planner.expire()  # first: a plan that has seen None below sees this too
        self._discovered = None

    def forget_controller(self) -> None:
        """Discard also the assembly, and what refused reads have shown."""
        self.forget()
        self.planner = ReadPlanner(self._registers_per_read, self._client.byte_time_s)
        self.assembled = {}

    def adopt_layout(self, other: Driver) -> None:
        """Take over the data map and word order that `other` has discovered."""
        assert isinstance(other, ModbusDriver)
        self.planner.expire()
        self._discovered = other._discovered

    def check(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse a parameter without a register in any data map that is possible.

        Raises:
            WatlowConfigurationError: It has none.
        """
        self._maps_with(spec, instance)

    def check_write(self, spec: ParameterSpec, instance: int) -> None:
        """Refuse also a parameter whose register is not proven.

        Raises:
            WatlowUncertainError: It is not.
        """
        doubts = [spec.doubt(instance, each) for each in self._maps_with(spec, instance)]
        if all(doubts):
            raise not_proven(spec, instance, doubts[0])

    def _maps_with(self, spec: ParameterSpec, instance: int) -> list[int]:
        """Return the possible data maps in which a parameter has a register.

        Raises:
            WatlowConfigurationError: There is none.
        """
        found = [each for each in self._possible_maps if spec.register(instance, each) is not None]
        if not found:
            raise no_register(spec, instance, self.known_layout.data_map)
        return found

    @property
    def _possible_maps(self) -> tuple[int, ...]:
        data_map = self.known_layout.data_map
        return (1, 2) if data_map is None else (data_map,)

    def possible_registers(self, spec: ParameterSpec, instance: int) -> list[tuple[int, int]]:
        """Return the first register and the count in each data map that is possible."""
        found = dict.fromkeys(spec.register(instance, each) for each in self._possible_maps)
        count = register_count(spec.data_type)
        return [(register, count) for register in found if register is not None]

    def read(self, spec: ParameterSpec, instance: int) -> DecodedReply:
        """Read one parameter; see `RegisterClient.read`."""
        span, order, _ = self._place_of((spec, instance))
        return decode_reply(spec, self._read(span.register, span.count), order)

    def _place_of(self, target: Target) -> Place:
        place = self._places.get(target)
        if place is None or not self._is_based_on(place.basis):
            basis = self._basis()
            place = Place(self.span(target), self._order(target[0]), basis)
            if self.planner.knowledge is not basis.knowledge:
                return self._place_of(target)  # another thread has discarded the layout meanwhile
            if self._is_based_on(basis):
                self._places.keep(target, place)
        return place

    def _basis(self) -> Basis:
        return Basis(self._discovered, self.assembled, self.planner.knowledge)

    def _is_based_on(self, basis: Basis) -> bool:
        """Whether nothing has changed since `_basis` returned this."""
        return (
            basis.discovered is self._discovered
            and basis.assembled is self.assembled
            and basis.knowledge is self.planner.knowledge
        )

    def read_each(self, targets: Sequence[Target]) -> Iterator[Outcomes]:
        """Read several parameters, adjacent registers together.

        A register that does not exist makes only its own parameter fail.
        """
        key = tuple(targets)
        plan = self._plans.get(key)
        if plan is None or not self._is_based_on(plan.basis):
            basis = self._basis()
            spans: list[Span] = []
            no_layout: WatlowError | None = None
            for target in targets:
                try:
                    if no_layout is not None:
                        raise copy.copy(no_layout)
                    span = self.span(target)
                    if target in basis.assembled:
                        span = replace(span, register=basis.assembled[target])
                    spans.append(span)
                except (WatlowTransportError, WatlowFrameError, WatlowLineNotQuietError) as error:
                    # The layout could not be read: the other targets would fail the same way.
                    no_layout = error
                    yield Outcomes({target: error})
                except WatlowError as error:
                    yield Outcomes({target: error})
            layout = self.known_layout
            if self.planner.knowledge is not basis.knowledge:
                # Another thread has discarded the layout meanwhile; some spans may be of another.
                yield from self.read_each([span.target for span in spans])
                return
            plan = Plan(self.planner.blocks(spans), layout, basis)
            if len(spans) == len(key) and self._is_based_on(basis):
                self._plans.keep(key, plan)
        yield from self._read_blocks(plan)

    def exchange_bytes(self, targets: Sequence[Target]) -> list[int]:
        """Return the bytes of each read of registers, with the silences around its frames."""
        assembled = self.assembled
        spans = [self.span(each) for each in targets]
        moved = [replace(s, register=assembled.get(s.target, s.register)) for s in spans]
        return [FRAMING_BYTES + 2 * block.count for block in self.planner.blocks(moved)]

    def _read_blocks(self, plan: Plan) -> Iterator[Outcomes]:
        blocks, layout, (_, assembled, _) = plan
        order = layout.word_order or WordOrder.HIGH_LOW  # without one all are single registers
        for n, block in enumerate(blocks):
            if self.known_layout != layout:
                # A timeout has discarded the layout: the controller may have been replaced.
                yield from self.read_each(
                    [target for each in blocks[n:] for target in each.targets]
                )
                return
            for part, result in self._read_block(block):
                outcomes = outcomes_of(part, result, order)
                if assembled and self.assembled is not assembled:
                    # Another thread has changed the assembly since the read was planned.
                    moved = [target for target in part.targets if target in assembled]
                    yield from self.read_each(moved)
                    outcomes = outcomes.of(set(part.targets).difference(moved))
                yield outcomes

    def write(
        self, spec: ParameterSpec, instance: int, value: float | int, options: WriteOptions
    ) -> DecodedReply:
        """Write one value once the map and order are known; see `RegisterClient.write`."""
        # The policy first: after another opening of the port, this layout is not used.
        policy = self._policy
        layout = self.discover_layout()
        if doubt := spec.doubt(instance, check_map(layout)):
            raise not_proven(spec, instance, doubt)
        check_order(layout)
        span, order, _ = self._place_of((spec, instance))
        raw = value if spec.data_type is DataType.FLOAT else counts(spec, value)
        words = encode_words(spec.data_type, raw, order)
        reply = self._write(span.register, words, policy, options)
        if spec.number == ORDER_SETTING:
            self.forget()
        return decode_reply(spec, reply, order)

    def read_block(self, register: int, count: int) -> tuple[int, ...]:
        """Read registers as they are.

        Raises:
            WatlowError: The read failed.
        """
        return struct.unpack(f">{count}H", self._read(register, count).content)

    def read_registers(self, register: int, count: int) -> list[int]:
        """Read registers as they are, in several reads if they exceed the limit of one."""
        step, end = self.planner.limit, register + count
        return [
            word
            for start in range(register, end, step)
            for word in self.read_block(start, min(step, end - start))
        ]

    def write_block(self, register: int, words: Sequence[int], options: WriteOptions) -> None:
        """Write registers as they are and confirm that they are stored."""
        self._write(register, words, self._policy, options)

    def ping(self, *, within_s: float | None = None) -> None:
        """Read register 0; a Series SD replies with an exception."""
        with suppress(WatlowDeviceError):
            self._read(0, 1, self._policy.single_attempt(within_s))

    def span(self, target: Target) -> Span:
        """Return the registers of a target.

        Raises:
            WatlowUncertainError: The data map or word order matters and is not known.
            WatlowConfigurationError: It has no register.
        """
        spec, instance = target
        self._order(spec)
        register = spec.register(instance, 1)
        same = register == spec.register(instance, 2)
        # By the word order the user says that this is an EZ-ZONE, whatever its data map.
        if not (spec.map1 == spec.map2 or (same and self._given.word_order)):
            register = spec.register(instance, check_map(self.discover_layout()))
        if register is None:
            raise no_register(spec, instance, self.known_layout.data_map)
        if self.registry is not PARAMETERS:
            self._warn_of_doubt(spec, instance)
        return Span(register, register_count(spec.data_type), target)

    def _warn_of_doubt(self, spec: ParameterSpec, instance: int) -> None:
        """Log that a register is not proven, once for all with the same doubt."""
        doubt = spec.doubt(instance, self.known_layout.data_map or 1)
        if doubt and doubt not in self._doubted:
            self._doubted.add(doubt)
            log.warning(
                "%s (%d) instance %d at address %d: its register is not proven (%s); check that "
                "the value is right, also of others of class %d",
                spec.name,
                spec.number,
                instance,
                self.address,
                doubt,
                spec.class_id,
            )

    def _order(self, spec: ParameterSpec) -> WordOrder:
        """Return the word order of `spec`; it does not matter to a single register."""
        if register_count(spec.data_type) == 1:
            return WordOrder.HIGH_LOW
        return self._given.word_order or check_order(self.discover_layout())

    def _read(self, register: int, count: int, policy: RetryPolicy | None = None) -> Reply:
        """Read registers.

        What was discovered is discarded if the controller does not reply: when it replies again,
        it may have other settings or be another controller. A write does the same.
        """
        try:
            return self._client.read(self.address, register, count, policy or self._policy)
        except (WatlowTimeoutError, WatlowConnectionError):
            self.forget()
            raise

    def _write(
        self, register: int, words: Sequence[int], policy: RetryPolicy, options: WriteOptions
    ) -> Reply:
        try:
            return self._client.write(self.address, register, words, policy, options)
        except (WatlowTimeoutError, WatlowConnectionError):
            self.forget()
            raise

    def _read_block(self, block: Block) -> Iterator[BlockResult]:
        """Read one block and yield the result of each exchange, with the part that it has read."""
        try:
            reply = self._read(block.register, block.count)
        except (WatlowNoSuchRegisterError, WatlowIllegalValueError) as error:
            yield from self._read_halves(block, error)
        except WatlowError as error:
            yield block, error
        else:
            if len(block.spans) == 1:
                self.planner.note(block.spans[0], refused=False)
            yield block, reply

    def _read_halves(self, block: Block, error: WatlowDeviceError) -> Iterator[BlockResult]:
        """Read the halves of a refused block and let the planner learn from them."""
        if len(block.spans) == 1:
            self.planner.note(block.spans[0], refused=True)
            yield block, error
            return
        all_read = True
        halves = block.halves()
        for half in halves:
            for part, result in self._read_block(half):
                all_read &= not isinstance(result, WatlowError)
                yield part, result
        if all_read:
            self.planner.keep_apart(*halves)
