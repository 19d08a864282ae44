"""Wrong and stale values that reads return on a faulty line, by kind of fault.

A peer (`peer.py`) replies to each read with a value that names its address, its parameter and
the number of the request. Three parameters at each of two addresses are read in turn; half of
the reads repeat the one before. A value that a read returns is accepted. It is

    wrong     if it belongs to another parameter or controller, or was never sent,
    stale     if the controller sent it in reply to an earlier read.

A read without a value is refused. watlowlib is promised to return no wrong and no stale value
with any kind of fault above the line in the table. Below the line, replies overtake each other,
or extra replies arrive while others are late; the protocols cannot tell these from correct ones.

vary_source is watlowlib with `SerialSettings(vary_source=True)`, where each request comes from
another source address. pywatlow (Standard Bus; left out if it is not installed) and
minimalmodbus (Modbus RTU) have the same timeout. watlowlib retries once, its default; the others
have no such setting.
`docs/limits.md` has tables of results, each with its command.

    python benchmarks/faults.py                      all kinds of fault
    python benchmarks/faults.py --kind late          one kind; --help lists all options
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import minimalmodbus
from figures import Figure, Size, figure
from harness import print_ratios
from peer import KINDS, PROMISED, SOURCES, FaultyLine, NumberingControllers, Peer, Source

from watlowlib import SerialSettings, WatlowError, open_device

try:
    from pywatlow.watlow import Watlow
except ImportError:
    Watlow = None

Read = Callable[[Source], object]
REFUSALS = (WatlowError, OSError, ArithmeticError, LookupError, TypeError, ValueError)
COLUMNS = ("kind", "protocol", "library", "accepted", "wrong", "stale", "refused", "seconds")
WIDTHS = (15, 10, 13, 8, 6, 6, 8, 7)


@contextmanager
def watlowlib(
    port: str, timeout_s: float, protocol: str, settings: SerialSettings | None = None
) -> Iterator[Read]:
    with ExitStack() as stack:
        controllers = {
            address: stack.enter_context(
                open_device(
                    port,
                    protocol=protocol,
                    address=address,
                    timeout_s=timeout_s,
                    serial_settings=settings,
                    word_order="low_high",
                    data_map=1,
                )
            )
            for address in (1, 2)
        }
        yield lambda source: controllers[source.address].read_parameter(source.parameter).value


def watlowlib_varied(port: str, timeout_s: float, protocol: str) -> AbstractContextManager[Read]:
    return watlowlib(port, timeout_s, protocol, SerialSettings(vary_source=True))


@contextmanager
def pywatlow(port: str, timeout_s: float, protocol: str) -> Iterator[Read]:
    first = Watlow(port=port, timeout=timeout_s)
    devices = {1: first, 2: Watlow(serial=first.serial, address=2)}

    def read(source: Source) -> object:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints replies that it refuses
            return devices[source.address].readParam(source.parameter, float)["data"]

    try:
        yield read
    finally:
        first.close()


@contextmanager
def bare_minimalmodbus(port: str, timeout_s: float, protocol: str) -> Iterator[Read]:
    slaves = {address: minimalmodbus.Instrument(port, address) for address in (1, 2)}
    slaves[1].serial.baudrate, slaves[1].serial.timeout = 38400, timeout_s
    order = minimalmodbus.BYTEORDER_LITTLE_SWAP
    try:
        yield lambda source: slaves[source.address].read_float(source.register, byteorder=order)
    finally:
        slaves[1].serial.close()
        minimalmodbus._serialports.clear()


class Contestant(NamedTuple):
    """A library with a protocol."""

    name: str
    protocol: str
    open: Callable[[str, float, str], AbstractContextManager[Read]]


CONTESTANTS = (
    Contestant("watlowlib", "modbus_rtu", watlowlib),
    Contestant("minimalmodbus", "modbus_rtu", bare_minimalmodbus),
    Contestant("watlowlib", "stdbus", watlowlib),
    Contestant("vary_source", "stdbus", watlowlib_varied),
    *((Contestant("pywatlow", "stdbus", pywatlow),) if Watlow else ()),
)


class Job(NamedTuple):
    """One contestant on a line with one kind of fault."""

    kind: str
    contestant: Contestant
    options: argparse.Namespace


def targets(options: argparse.Namespace) -> Iterator[Source]:
    """Yield what to read: the parameters in turn, and some of them repeatedly."""
    chance, turn = random.Random(options.seed), itertools.cycle(SOURCES[: options.parameters])
    source = next(turn)
    for _ in range(options.reads):
        yield source
        if chance.random() >= options.repeat:
            source = next(turn)


def run(job: Job) -> tuple[Job, Counter[str]]:
    """Return how many reads were right, wrong, stale and refused, and the seconds."""
    options, contestant = job.options, job.contestant
    line = FaultyLine(
        job.kind,
        options.fraction,
        options.late,
        turnaround_s=tuple(options.turnaround),
        seed=options.seed,
    )
    controllers = NumberingControllers(contestant.protocol, line, options.seed)
    counts: Counter[str] = Counter()
    start_s = time.monotonic()
    with (
        Peer(controllers) as peer,
        contestant.open(peer.port, options.timeout, contestant.protocol) as read,
    ):
        for source in targets(options):
            counts[read_and_classify(controllers, read, source)] += 1
    counts["seconds"] = round(time.monotonic() - start_s)
    return job, counts


def read_and_classify(controllers: NumberingControllers, read: Read, source: Source) -> str:
    before = controllers.requests
    try:
        value = read(source)
    except REFUSALS:
        return "refused"
    return "refused" if value is None else controllers.classify(value, source, before)


def print_row(*cells: object) -> None:
    texts = [str(cell) for cell in cells]
    padded = [
        text.ljust(width) if column < 3 else text.rjust(width)
        for column, (text, width) in enumerate(zip(texts, WIDTHS))
    ]
    print("  ".join(padded).rstrip(), flush=True)


def in_order(futures: list[Future[tuple[Job, Counter[str]]]]) -> Iterator[tuple[Job, Counter[str]]]:
    for future in futures:
        # Short waits: Ctrl-C does not interrupt a wait that begins just after the signal.
        while not wait([future], timeout=0.1).done:
            pass
        yield future.result()


@contextmanager
def results_of(jobs: list[Job], count: int) -> Iterator[Iterator[tuple[Job, Counter[str]]]]:
    """Yield the results of `run` in order, each when it is ready, from `count` processes.

    The processes ignore Ctrl-C, and are killed when the body fails.
    """
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        try:
            handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the processes
            futures = [pool.submit(run, job) for job in jobs]
            signal.signal(signal.SIGINT, handler)
            yield in_order(futures)
        except BaseException:
            for process in multiprocessing.active_children():
                process.kill()
            raise


def compare(kinds: list[str], options: argparse.Namespace) -> None:
    """Run all jobs in processes, a few at a time, and print them in order."""
    names = options.library or [each.name for each in CONTESTANTS]
    jobs = [
        Job(kind, contestant, options)
        for kind in kinds
        for contestant in CONTESTANTS
        if contestant.name in names and contestant.protocol in options.protocol
    ]
    previous, ours = "", Counter[str]()
    with results_of(jobs, options.jobs) as results:
        print_row(*COLUMNS)
        for job, counts in results:
            if previous in PROMISED and job.kind not in PROMISED:
                print_row(*("-" * width for width in WIDTHS))
            accepted = counts["right"] + counts["wrong"] + counts["stale"]
            print_row(
                "" if job.kind == previous else job.kind,
                job.contestant.protocol,
                job.contestant.name,
                accepted,
                *(counts[each] for each in ("wrong", "stale", "refused", "seconds")),
            )
            previous = job.kind
            if job.kind in PROMISED and job.contestant.name == "watlowlib":
                ours.update(accepted=accepted, wrong=counts["wrong"] + counts["stale"])
    if ours["accepted"]:
        print()
        ratio = ours["wrong"] / ours["accepted"]
        print_ratios(("watlowlib: wrong and stale / accepted, promised kinds", ratio, "<=", 0.0))


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kind", action="append", choices=KINDS, help="a kind of fault (default: all)")
    add(
        "--protocol",
        nargs="+",
        default=["modbus_rtu", "stdbus"],
        choices=["modbus_rtu", "stdbus"],
        help="default: both",
    )
    names = sorted({each.name for each in CONTESTANTS})
    add("--library", nargs="+", choices=names, help="default: all")
    add("--reads", type=int, default=500, help="reads of each library (default: %(default)s)")
    add("--fraction", type=float, default=0.05, help="share of faulty replies (%(default)s)")
    add("--timeout", type=float, default=0.1, help="seconds (default: %(default)s)")
    add("--late", type=float, default=3.0, help="greatest lateness, seconds (%(default)s)")
    add(
        "--turnaround",
        nargs=2,
        type=float,
        default=[0.002, 0.04],
        metavar=("MIN", "MAX"),
        help="seconds from a request to an ordinary reply (default: 0.002 0.04)",
    )
    add("--repeat", type=float, default=0.5, help="share of reads that repeat the last (0.5)")
    most = len(SOURCES)
    add("--parameters", type=int, choices=range(1, most + 1), default=most, help="how many (6)")
    add("--seed", type=int, default=0, help="seed of faults and reads (default: %(default)s)")
    add("--jobs", type=int, default=8, help="runs at the same time (default: %(default)s)")
    return parser.parse_args(arguments)


def figures(size: Size) -> Iterator[Figure]:
    """Yield the wrong and stale values per accepted value with mixed faults."""
    reads = str(size.of(5, 100, 1000))
    options = parse_options(["--reads", reads, "--fraction", "0.2", "--late", "0.5"])
    counts: dict[tuple[str, str], Counter[str]] = {}
    jobs = [Job("mixed", each, options) for each in CONTESTANTS]
    with results_of(jobs, len(jobs)) as results:
        for job, count in results:
            counts[job.contestant.protocol, job.contestant.name] = count
    for protocol, peer in (("stdbus", "pywatlow"), ("modbus_rtu", "minimalmodbus")):
        theirs = [wrong_share(counts[protocol, peer])] if (protocol, peer) in counts else []
        for name in ("watlowlib", "vary_source"):
            if (protocol, name) in counts:
                ours = [wrong_share(counts[protocol, name])]
                yield figure(f"{protocol}, {name}, wrong and stale", ours, "%", target="<= 0")
        if theirs:
            yield figure(f"{protocol}, {peer}, wrong and stale", theirs, "%")
        refused = counts[protocol, "watlowlib"]["refused"] / options.reads * 100
        yield figure(f"{protocol}, watlowlib, no value", [refused], "%")


def wrong_share(counts: Counter[str]) -> float:
    """Return the wrong and stale values in percent of the accepted ones."""
    wrong = counts["wrong"] + counts["stale"]
    return wrong / max(1, wrong + counts["right"]) * 100


def main() -> None:
    options = parse_options()
    try:
        compare(options.kind or list(KINDS), options)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
