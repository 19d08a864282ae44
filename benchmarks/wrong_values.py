"""Wrong values and failed reads on a line with faults in a fifth of the replies.

A simulated controller is read 300 times while its replies are dropped, late, corrupt,
duplicated, echoed, noisy, truncated or for another request: equal parts of 20 %. In the first
run two parameters are read in turn. In the second run one parameter is read; there a stale
reply looks like a new one. Each reply of the controller has a new number, whose parameter
and time are stored. A value that a read returns is

    foreign   if it was never a reply for the requested parameter,
    stale     if it was, but was sent before the read began.

A read without a value is an error. watlowlib retries once; pywatlow has no such setting. Both
have a timeout of 0.1 s, and a late reply comes 0.13 s late.

    python benchmarks/wrong_values.py [SEED]      seed of the faults (default: 0)
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from harness import print_ratios, print_table

from watlowlib import WatlowError, open_device
from watlowlib.protocol.stdbus.frames import REPLY, Frame, FrameDecoder, encode_frame
from watlowlib.protocol.stdbus.payloads import (
    Payload,
    ReadReply,
    ReadRequest,
    Tag,
    decode_payload,
    encode_payload,
    encode_value,
)
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController

try:
    from pywatlow.watlow import Watlow
except ImportError:
    Watlow = None

READS = 300
PARAMETERS = (4001, 7001)
TIMEOUT_S = 0.1
LATE_S = 0.13
FAULTS = (
    Fault.DROP,
    Fault.LATE,
    Fault.CORRUPT,
    Fault.DUPLICATE,
    Fault.ECHO,
    Fault.NOISE,
    Fault.TRUNCATE,
    Fault.FOREIGN,
)
FAULT_RATE = 0.2

Read = Callable[[int], object]
Contestant = Callable[[str], contextlib.AbstractContextManager[Read]]


class NumberingController(SimulatedController):
    """A controller that replies to each read with the next number, and stores what it sent."""

    def __init__(self) -> None:
        super().__init__(1)
        self.sent: dict[object, tuple[int, float]] = {}
        self._numbers = itertools.count(1)

    def answer(self, request: Payload) -> Payload | None:
        if isinstance(request, ReadRequest):
            return self.numbered_reply(request)
        return super().answer(request)

    def numbered_reply(self, request: ReadRequest) -> ReadReply:
        number = float(next(self._numbers))
        parameter = request.class_id * 1000 + request.member_id
        self.sent[number] = (parameter, time.monotonic())
        return ReadReply(*request, Tag.FLOAT, encode_value(Tag.FLOAT, number))

    def classify(self, value: object, parameter: int, start_s: float) -> str:
        sent_parameter, sent_s = self.sent.get(value, (None, 0.0))
        if sent_parameter != parameter:
            return "foreign"
        return "right" if sent_s >= start_s else "stale"


class Faults(FaultPlan):
    """The simulator's faults, but the reply to another request has its own value."""

    def __init__(self, controller: NumberingController, seed: int) -> None:
        super().__init__(dict.fromkeys(FAULTS, FAULT_RATE / len(FAULTS)), seed=seed, late_s=LATE_S)
        self._controller = controller

    def portions(
        self, fault: Fault | None, request: bytes, reply: bytes
    ) -> list[tuple[float, bytes]]:
        if fault is not Fault.FOREIGN:
            return super().portions(fault, request, reply)
        frame = FrameDecoder().feed(request)[0]
        requested = decode_payload(frame.payload)
        other = next(number for number in PARAMETERS if number // 1000 != requested[0])
        foreign = self._controller.numbered_reply(ReadRequest(*divmod(other, 1000), 1))
        payload = encode_payload(foreign)
        return [(0.0, encode_frame(Frame(REPLY, frame.source, frame.destination, payload)))]


@contextlib.contextmanager
def watlowlib(port: str) -> Iterator[Read]:
    with open_device(port, timeout_s=TIMEOUT_S, retries=1) as controller:
        yield lambda parameter: controller.read_parameter(parameter).value


@contextlib.contextmanager
def pywatlow(port: str) -> Iterator[Read]:
    device = Watlow(port=port, timeout=TIMEOUT_S)

    def read(parameter: int) -> object:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints refused replies
            return device.readParam(parameter, float)["data"]

    try:
        yield read
    finally:
        device.close()


def read_and_classify(read: Read, parameter: int, controller: NumberingController) -> str:
    start_s = time.monotonic()
    try:
        value = read(parameter)
    except (WatlowError, ArithmeticError, LookupError, TypeError, ValueError):
        return "error"
    return "error" if value is None else controller.classify(value, parameter, start_s)


def run(contestant: Contestant, parameters: tuple[int, ...], seed: int) -> Counter[str]:
    """Count the reads that were right, foreign, stale and errors, and the faulty replies."""
    controller = NumberingController()
    faults = Faults(controller, seed)
    counts: Counter[str] = Counter()
    start_s = time.monotonic()
    with (
        SimulatedBus([controller], turnaround_s=(0.002, 0.01), faults=faults) as bus,
        contestant(bus.port) as read,
    ):
        for _, parameter in zip(range(READS), itertools.cycle(parameters)):
            counts[read_and_classify(read, parameter, controller)] += 1
    counts["faults"] = faults.happened.total()
    counts["seconds"] = round(time.monotonic() - start_s)
    return counts


def compare(title: str, parameters: tuple[int, ...], seed: int) -> None:
    contestants = [watlowlib] if Watlow is None else [watlowlib, pywatlow]
    results = [run(each, parameters, seed) for each in contestants]
    columns = ("faults", "right", "foreign", "stale", "error", "seconds")
    print(f"{READS} reads of {title}, {FAULT_RATE:.0%} of the replies faulty, seed {seed}")
    rows = [
        (each.__name__, *(str(counts[column]) for column in columns))
        for each, counts in zip(contestants, results)
    ]
    print_table(("", *columns), rows)
    ours = results[0]
    print_ratios(
        ("wrong values / reads", (ours["foreign"] + ours["stale"]) / READS, "<=", 0.0),
        ("errors / reads", ours["error"] / READS, "<=", 20 / READS),
    )


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    if Watlow is None:
        print("pywatlow is not installed and is left out (pip install pywatlow)")
    compare("two parameters in turn", PARAMETERS, seed)
    compare("one parameter", PARAMETERS[:1], seed)


if __name__ == "__main__":
    main()
