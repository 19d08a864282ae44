"""Ten parameters over Modbus RTU at 9600 baud: read together, beside bare minimalmodbus.

A simulated PM in another process, behind a wire that takes the time of 9600 baud and a
turnaround: the simulator's own, which is about a real PM's (2 to 40 ms, one in a hundred up to
250), and a quick one of 2 to 10 ms. The contestants read one after the other for some seconds
each. A round is ten values:

    bare minimalmodbus    its own `Instrument` on the port, ten single reads
    read_parameter        ten single reads of ours
    poll                  `ctl.poll` of the ten
    assembly              the same within `ctl.assembly`

once of ten neighbours, the gains and powers of a control loop, and once of ten that a user
might record, which stand in seven places. The wire alone sets a limit: ten single floats are 170
bytes and ten turnarounds, ten at once 53 bytes and one. It is worked out beside what was
measured, with the silences of 3.5 characters that every exchange has before the question and
before the answer: below a turnaround of 12.5 ms five times faster is beyond any client.

Then on a wire that takes no time: processor time and exchanges per second of one float after
the other. There both keep 1.75 ms of silence before a question, so 570 a second are the most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.connection import Connection
from statistics import mean, median

import minimalmodbus
from harness import in_another_process, print_ratios, print_table

from watlowlib import Controller, open_device
from watlowlib.model import ProtocolKind, SerialSettings
from watlowlib.registry.parameters import PARAMETERS, DataType
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.simulator.turnaround import PM3_TURNAROUND_S, SLOW_SHARE

NEIGHBOURS = (8009, 8012, 8006, 8007, 8008, 8010, 8013, 8011, 8014, 8033)
SCATTERED = (4001, 4002, 7001, 7007, 8002, 8011, 8014, 8027, 9009, 17009)
TURNAROUNDS_S = (PM3_TURNAROUND_S, (0.002, 0.01))
BAUDRATE = 9600
BYTE_S = 10 / BAUDRATE
SECONDS = 6.0
"""How long each contestant reads: the turnaround is random, and a poll has one a round."""
FAST_READS = 500
FAST_ROUNDS = 5

PortTasks = Callable[[], object]


def serve(pipe: Connection, baudrate: int | None, turnaround_s: tuple[float, ...]) -> None:
    """A simulated PM, until the process is ended."""
    pm = SimulatedController(1, protocol="modbus_rtu", cooling=True)
    with SimulatedBus([pm], baudrate=baudrate, turnaround_s=turnaround_s) as bus:
        pipe.send(bus.port)
        pipe.recv()


@contextmanager
def bare(port: str, baudrate: int) -> Iterator[Callable[[int], object]]:
    """Read one parameter with minimalmodbus alone."""
    slave = minimalmodbus.Instrument(port, 1)
    slave.serial.baudrate, slave.serial.timeout = baudrate, 1.0

    def read(number: int) -> object:
        spec = PARAMETERS.resolve(number)
        register = spec.register(1, 1)
        if spec.data_type is DataType.FLOAT:
            return slave.read_float(register, byteorder=minimalmodbus.BYTEORDER_LITTLE_SWAP)
        return slave.read_register(register)

    try:
        yield read
    finally:
        slave.serial.close()
        minimalmodbus._serialports.clear()


def opened(port: str, baudrate: int) -> Controller:
    return open_device(
        port,
        protocol=ProtocolKind.MODBUS_RTU,
        serial_settings=SerialSettings(baudrate=baudrate),
        timeout_s=1.0,
    )


@contextmanager
def singles_of_minimalmodbus(port: str, wanted: tuple[int, ...]) -> Iterator[PortTasks]:
    with bare(port, BAUDRATE) as read:
        yield lambda: [read(number) for number in wanted]


@contextmanager
def singles_of_ours(port: str, wanted: tuple[int, ...]) -> Iterator[PortTasks]:
    with opened(port, BAUDRATE) as ctl:
        yield lambda: [ctl.read_parameter(number) for number in wanted]


@contextmanager
def polled(port: str, wanted: tuple[int, ...], assembly: bool = False) -> Iterator[PortTasks]:
    def checked() -> None:
        samples = ctl.poll(wanted)
        if any(each.status != "ok" for each in samples):
            raise SystemExit(f"a read failed: {samples}")

    with opened(port, BAUDRATE) as ctl:
        shown = ctl.assembly(wanted, confirm=True) if assembly else nullcontext()
        with shown:
            yield checked


def assembled(port: str, wanted: tuple[int, ...]) -> AbstractContextManager[PortTasks]:
    return polled(port, wanted, assembly=True)


CONTESTANTS: dict[str, Callable[[str, tuple[int, ...]], AbstractContextManager[PortTasks]]] = {
    "bare minimalmodbus": singles_of_minimalmodbus,
    "read_parameter": singles_of_ours,
    "poll": polled,
    "assembly": assembled,
}


def times_s(port: str, wanted: tuple[int, ...]) -> dict[str, float]:
    """What a round of each contestant took, on average."""
    found: dict[str, float] = {}
    for name, contestant in CONTESTANTS.items():
        with contestant(port, wanted) as once:
            once()  # which also finds out the word order, and what can be read together
            once()
            rounds, begun_s = 0, time.perf_counter()
            while (lasted_s := time.perf_counter() - begun_s) < SECONDS:
                once()
                rounds += 1
            found[name] = lasted_s / rounds
    return found


def limit(wanted: tuple[int, ...], turnaround_s: float) -> float:
    """How many times faster one exchange is than ten, by wire, silences and turnaround."""

    def exchange_s(registers: int) -> float:
        return (8 + 5 + 2 * registers + 2 * 3.5) * BYTE_S + turnaround_s

    kinds = [PARAMETERS.resolve(number).data_type for number in wanted]
    singles = sum(exchange_s(2 if kind is DataType.FLOAT else 1) for kind in kinds)
    return singles / exchange_s(2 * len(wanted))


def compare(title: str, wanted: tuple[int, ...], turnaround_s: tuple[float, ...]) -> None:
    spans = " to ".join(f"{each * 1000:.0f}" for each in turnaround_s)
    print(f"{title}; {BAUDRATE} baud, turnaround {spans} ms")
    with in_another_process(serve, BAUDRATE, turnaround_s) as port:
        found = times_s(port, wanted)
    first_s = found["bare minimalmodbus"]
    print_table(
        ("", "ms/round", "times faster"),
        [(name, f"{each * 1000:.1f}", f"{first_s / each:.2f}") for name, each in found.items()],
    )
    ordinary, slow = mean(turnaround_s[:2]), mean(turnaround_s[-2:])
    rare = SLOW_SHARE if len(turnaround_s) == 3 else 0.0
    best = limit(wanted, (1 - rare) * ordinary + rare * slow)
    # Ten that are scattered are several exchanges for a poll: one is what the assembly is for.
    at_once = ("poll", "assembly") if wanted is NEIGHBOURS else ("assembly",)
    for name in at_once:
        faster = first_s / found[name]
        print_ratios(
            (f"{name} / bare minimalmodbus", faster, ">=", 5.0),
            (f"the same, / the wire's limit of {best:.2f}", faster / best, ">=", 0.95),
        )


def turn(read: Callable[[int], object]) -> tuple[float, float]:
    """Seconds and processor seconds an exchange took."""
    read(4001)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(FAST_READS):
        read(4001)
    cpu_s = time.process_time() - cpu_s
    return (time.perf_counter() - wall_s) / FAST_READS, cpu_s / FAST_READS


def at_once() -> None:
    theirs, ours = [], []
    with in_another_process(serve, None, (0.0, 0.0)) as port:
        for _ in range(FAST_ROUNDS):
            with bare(port, 38400) as read:
                theirs.append(turn(read))
            with opened(port, 38400) as ctl:
                ours.append(turn(ctl.read_parameter))
    print("one float after the other on a wire that takes no time")
    rows = {
        name: [median(each) for each in zip(*turns)]
        for name, turns in (("bare minimalmodbus", theirs), ("read_parameter", ours))
    }
    print_table(
        ("", "exchanges/s", "CPU us/exchange"),
        [(name, f"{1 / wall:.0f}", f"{cpu * 1e6:.0f}") for name, (wall, cpu) in rows.items()],
    )
    (wall_s, cpu_s), (our_wall_s, our_cpu_s) = rows.values()
    print_ratios(
        ("exchanges/s", wall_s / our_wall_s, ">=", 0.9),
        ("CPU per exchange", our_cpu_s / cpu_s, "<=", 3.0),
    )


def main() -> None:
    for turnaround_s in TURNAROUNDS_S:
        compare("ten neighbours", NEIGHBOURS, turnaround_s)
        compare("ten scattered", SCATTERED, turnaround_s)
    at_once()


if __name__ == "__main__":
    main()
