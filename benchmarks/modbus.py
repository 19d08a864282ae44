"""Ten parameters over Modbus RTU at 9600 baud in one poll, compared with bare minimalmodbus.

A simulated PM runs in another process, on a line with the transmission time of 9600 baud and
a turnaround: the simulator's default, which is about that of a real PM (2 to 40 ms, one in a
hundred up to 250), and a short one of 2 to 10 ms. The contestants read one after the other for
some seconds each. A round is ten values:

    bare minimalmodbus    its own `Instrument` on the port, ten single reads
    read_parameter        ten single reads with watlowlib
    poll                  `ctl.poll` of the ten
    assembly              the same within `ctl.assembly`

The ten are once adjacent parameters, the gains and powers of a control loop, and once typical
parameters of a recording, which are in seven places. The line sets a limit: ten single floats
need 170 bytes and ten turnarounds, one read of ten needs 53 bytes and one. The limit is
calculated with the silence of 3.5 characters before each request and each reply. Below a
turnaround of 12.5 ms no client can be five times faster.

The second part uses a line without transmission time: processor time and exchanges per second
of single floats. Both clients keep 1.75 ms of silence before a request, which allows at most
570 exchanges per second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from multiprocessing.connection import Connection
from statistics import mean, median

import minimalmodbus
from figures import Figure, Size, alternate, figure
from harness import in_another_process, print_ratios, print_table

from watlowlib import Controller, open_device
from watlowlib.model import ProtocolKind
from watlowlib.registry.parameters import PARAMETERS, DataType
from watlowlib.simulator import SimulatedBus, SimulatedController
from watlowlib.simulator.turnaround import PM3_TURNAROUND_S, SLOW_SHARE
from watlowlib.transport.settings import SerialSettings

ADJACENT = (8009, 8012, 8006, 8007, 8008, 8010, 8013, 8011, 8014, 8033)
SCATTERED = (4001, 4002, 7001, 7007, 8002, 8011, 8014, 8027, 9009, 17009)
FORTY_ADJACENT = (
    *(8001, 8002, 8003, 8004, 8038, 8009, 8012, 8006, 8007, 8008, 8010, 8013, 8011, 8014, 8033),
    *(8022, 8034, 8035, 8024, 8025, 8026, 8039, 8040, 8041, 8048),
    *(7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009, 7010, 7011, 7012, 7013, 7014, 7015),
)
FORTY_SCATTERED = (
    *(4001, 4004, 4010, 4014, 4018, 4022, 4031, 12002, 12009, 18005, 18009, 18012, 18016, 6003),
    *(6008, 6010, 15001, 15008, 15011, 15020, 9001, 9003, 9019, 8009, 8007, 8013, 8033, 8041),
    *(7001, 7004, 7008, 7011, 7017, 7025, 22005, 22009, 21002, 21006, 31013, 31028),
)
TURNAROUNDS_S = (PM3_TURNAROUND_S, (0.002, 0.01))
BAUDRATE = 9600
BYTE_S = 10 / BAUDRATE
SECONDS = 6.0
"""Duration per contestant: the turnaround is random, and a poll has only one per round."""
FAST_READS = 500
FAST_ROUNDS = 5

ReadRound = Callable[[], object]


CASES = (
    ("1 parameter, poll", (4001,), "poll"),
    ("10 adjacent, poll", ADJACENT, "poll"),
    ("10 scattered, poll", SCATTERED, "poll"),
    ("10 scattered, assembly", SCATTERED, "assembly"),
    ("40 adjacent, poll", FORTY_ADJACENT, "poll"),
    ("40 scattered, poll", FORTY_SCATTERED, "poll"),
)
"""The cases of the suite: name, parameters, contestant."""


def serve(pipe: Connection, baudrate: int | None, turnaround_s: tuple[float, ...]) -> None:
    """Run a simulated PM until the process is ended."""
    pm = SimulatedController(1, protocol="modbus_rtu", cooling=True)
    with SimulatedBus([pm], baudrate=baudrate, turnaround_s=turnaround_s) as bus:
        pipe.send(bus.port)
        pipe.recv()


@contextmanager
def open_minimalmodbus(port: str, baudrate: int) -> Iterator[Callable[[int], object]]:
    """Yield a function that reads one parameter with minimalmodbus alone."""
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


def open_controller(port: str, baudrate: int) -> Controller:
    return open_device(
        port,
        protocol=ProtocolKind.MODBUS_RTU,
        serial_settings=SerialSettings(baudrate=baudrate),
        timeout_s=1.0,
    )


@contextmanager
def single_reads_minimalmodbus(port: str, parameters: tuple[int, ...]) -> Iterator[ReadRound]:
    with open_minimalmodbus(port, BAUDRATE) as read:
        yield lambda: [read(number) for number in parameters]


@contextmanager
def single_reads_watlowlib(port: str, parameters: tuple[int, ...]) -> Iterator[ReadRound]:
    with open_controller(port, BAUDRATE) as ctl:
        yield lambda: [ctl.read_parameter(number) for number in parameters]


@contextmanager
def polls(port: str, parameters: tuple[int, ...], assembly: bool = False) -> Iterator[ReadRound]:
    def poll_and_check() -> None:
        samples = ctl.poll(parameters)
        if any(each.status != "ok" for each in samples):
            raise SystemExit(f"a read failed: {samples}")

    with open_controller(port, BAUDRATE) as ctl:
        setup = ctl.assembly(parameters, confirm=True) if assembly else nullcontext()
        with setup:
            yield poll_and_check


def assembly_polls(port: str, parameters: tuple[int, ...]) -> AbstractContextManager[ReadRound]:
    return polls(port, parameters, assembly=True)


CONTESTANTS: dict[str, Callable[[str, tuple[int, ...]], AbstractContextManager[ReadRound]]] = {
    "bare minimalmodbus": single_reads_minimalmodbus,
    "read_parameter": single_reads_watlowlib,
    "poll": polls,
    "assembly": assembly_polls,
}


def times_s(port: str, parameters: tuple[int, ...]) -> dict[str, float]:
    """Return the mean duration of a round of each contestant."""
    results: dict[str, float] = {}
    for name, contestant in CONTESTANTS.items():
        with contestant(port, parameters) as read_round:
            read_round()  # also detects the word order and the registers that can be combined
            read_round()
            rounds, start_s = 0, time.perf_counter()
            while (elapsed_s := time.perf_counter() - start_s) < SECONDS:
                read_round()
                rounds += 1
            results[name] = elapsed_s / rounds
    return results


def limit(parameters: tuple[int, ...], turnaround_s: float) -> float:
    """Return the largest possible ratio of ten exchanges to one, by the time on the line."""

    def exchange_s(registers: int) -> float:
        return (8 + 5 + 2 * registers + 2 * 3.5) * BYTE_S + turnaround_s

    kinds = [PARAMETERS.resolve(number).data_type for number in parameters]
    singles = sum(exchange_s(2 if kind is DataType.FLOAT else 1) for kind in kinds)
    return singles / exchange_s(2 * len(parameters))


def compare(title: str, parameters: tuple[int, ...], turnaround_s: tuple[float, ...]) -> None:
    spans = " to ".join(f"{each * 1000:.0f}" for each in turnaround_s)
    print(f"{title}; {BAUDRATE} baud, turnaround {spans} ms")
    with in_another_process(serve, BAUDRATE, turnaround_s) as port:
        results = times_s(port, parameters)
    first_s = results["bare minimalmodbus"]
    print_table(
        ("", "ms/round", "times faster"),
        [(name, f"{each * 1000:.1f}", f"{first_s / each:.2f}") for name, each in results.items()],
    )
    ordinary, slow = mean(turnaround_s[:2]), mean(turnaround_s[-2:])
    rare = SLOW_SHARE if len(turnaround_s) == 3 else 0.0
    best = limit(parameters, (1 - rare) * ordinary + rare * slow)
    # A poll of scattered parameters needs several exchanges; only the assembly needs one.
    single_exchange = ("poll", "assembly") if parameters is ADJACENT else ("assembly",)
    for name in single_exchange:
        faster = first_s / results[name]
        print_ratios(
            (f"{name} / bare minimalmodbus", faster, ">=", 5.0),
            (f"the same / the line's limit of {best:.2f}", faster / best, ">=", 0.95),
        )


def time_reads(read: Callable[[int], object]) -> tuple[float, float]:
    """Return the seconds and processor seconds per exchange."""
    read(4001)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(FAST_READS):
        read(4001)
    cpu_s = time.process_time() - cpu_s
    return (time.perf_counter() - wall_s) / FAST_READS, cpu_s / FAST_READS


def compare_without_line_time() -> None:
    theirs, ours = [], []
    with in_another_process(serve, None, (0.0, 0.0)) as port:
        for _ in range(FAST_ROUNDS):
            with open_minimalmodbus(port, 38400) as read:
                theirs.append(time_reads(read))
            with open_controller(port, 38400) as ctl:
                ours.append(time_reads(ctl.read_parameter))
    print("single floats on a line without transmission time")
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


def seconds_of(read_round: ReadRound) -> float:
    start_s = time.perf_counter()
    read_round()
    return time.perf_counter() - start_s


def figures(size: Size) -> Iterator[Figure]:
    """Yield the values per second of one poll, beside single reads of minimalmodbus."""
    turnaround_s = TURNAROUNDS_S[1]
    with (
        in_another_process(serve, BAUDRATE, turnaround_s) as our_port,
        in_another_process(serve, BAUDRATE, turnaround_s) as their_port,
    ):
        for name, parameters, contestant in CASES:
            with (
                CONTESTANTS[contestant](our_port, parameters) as poll,
                CONTESTANTS["bare minimalmodbus"](their_port, parameters) as reads,
            ):
                poll()  # also detects the word order and the registers that can be combined
                count = len(parameters)
                results = alternate(
                    {"ours": partial(seconds_of, poll), "bare": partial(seconds_of, reads)},
                    size.of(1, 2 + 10 // count, 10 + 100 // count),
                )
            ours, bare = ([count / seconds for seconds in each] for each in results.values())
            best = limit(parameters, mean(turnaround_s))
            target = f">= {0.95 * best:.2f}" if parameters is ADJACENT else ""
            yield figure(name, ours, "values/s", "minimalmodbus", bare, target)


def main() -> None:
    for turnaround_s in TURNAROUNDS_S:
        compare("ten adjacent parameters", ADJACENT, turnaround_s)
        compare("ten scattered parameters", SCATTERED, turnaround_s)
    compare_without_line_time()


if __name__ == "__main__":
    main()
