"""Wrong values accepted, and reads given up, on a line where a fifth of the answers fail.

A simulated controller is read 300 times while its answers are dropped, late, corrupt,
doubled, echoed, noisy, cut or for another question: equal parts of 20 %. Once two
parameters are read in turn, once the same one every time, where a stale answer looks
just like a fresh one. Every answer the controller gives carries a number that was never
given before, and for what and when it was given is noted. A value that a read returns is

    foreign   when it never was an answer for the parameter that was asked for,
    stale     when it was, but was given before the read began.

A read that gives no value is an error. watlowlib asks once more, pywatlow has no such
setting; both wait 0.1 s for an answer, and a late one comes 0.13 s late.

    python benchmarks/wrong_values.py [SEED]      of the faults; 0 if none is given
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
FAILING = 0.2

Read = Callable[[int], object]
Contestant = Callable[[str], contextlib.AbstractContextManager[Read]]


class NumberedAnswers(SimulatedController):
    """Answers every read with the next whole number and notes for what and when it did."""

    def __init__(self) -> None:
        super().__init__(1)
        self.given: dict[object, tuple[int, float]] = {}
        self._numbers = itertools.count(1)

    def answer(self, request: Payload) -> Payload | None:
        if isinstance(request, ReadRequest):
            return self.numbered(request)
        return super().answer(request)

    def numbered(self, request: ReadRequest) -> ReadReply:
        number = float(next(self._numbers))
        parameter = request.class_id * 1000 + request.member_id
        self.given[number] = (parameter, time.monotonic())
        return ReadReply(*request, Tag.FLOAT, encode_value(Tag.FLOAT, number))

    def judged(self, value: object, parameter: int, begun_s: float) -> str:
        asked, given_s = self.given.get(value, (None, 0.0))
        if asked != parameter:
            return "foreign"
        return "right" if given_s >= begun_s else "stale"


class Faults(FaultPlan):
    """The simulator's faults, but another question's answer has its own value."""

    def __init__(self, controller: NumberedAnswers, seed: int) -> None:
        super().__init__(dict.fromkeys(FAULTS, FAILING / len(FAULTS)), seed=seed, late_s=LATE_S)
        self._controller = controller

    def portions(
        self, fault: Fault | None, request: bytes, reply: bytes
    ) -> list[tuple[float, bytes]]:
        if fault is not Fault.FOREIGN:
            return super().portions(fault, request, reply)
        frame = FrameDecoder().feed(request)[0]
        asked = decode_payload(frame.payload)
        other = next(number for number in PARAMETERS if number // 1000 != asked[0])
        answer = encode_payload(self._controller.numbered(ReadRequest(*divmod(other, 1000), 1)))
        return [(0.0, encode_frame(Frame(REPLY, frame.source, frame.destination, answer)))]


@contextlib.contextmanager
def watlowlib(port: str) -> Iterator[Read]:
    with open_device(port, timeout_s=TIMEOUT_S, retries=1) as controller:
        yield lambda parameter: controller.read_parameter(parameter).value


@contextlib.contextmanager
def pywatlow(port: str) -> Iterator[Read]:
    device = Watlow(port=port, timeout=TIMEOUT_S)

    def read(parameter: int) -> object:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it refuses
            return device.readParam(parameter, float)["data"]

    try:
        yield read
    finally:
        device.close()


def one_read(read: Read, parameter: int, controller: NumberedAnswers) -> str:
    begun_s = time.monotonic()
    try:
        value = read(parameter)
    except (WatlowError, ArithmeticError, LookupError, TypeError, ValueError):
        return "error"
    return "error" if value is None else controller.judged(value, parameter, begun_s)


def run(contestant: Contestant, parameters: tuple[int, ...], seed: int) -> Counter[str]:
    """How many reads were right, foreign, stale and errors, and how many answers failed."""
    controller = NumberedAnswers()
    faults = Faults(controller, seed)
    found: Counter[str] = Counter()
    begun_s = time.monotonic()
    with (
        SimulatedBus([controller], turnaround_s=(0.002, 0.01), faults=faults) as bus,
        contestant(bus.port) as read,
    ):
        for _, parameter in zip(range(READS), itertools.cycle(parameters)):
            found[one_read(read, parameter, controller)] += 1
    found["spoilt"] = faults.happened.total()
    found["seconds"] = round(time.monotonic() - begun_s)
    return found


def compare(title: str, parameters: tuple[int, ...], seed: int) -> None:
    contestants = [watlowlib] if Watlow is None else [watlowlib, pywatlow]
    results = [run(each, parameters, seed) for each in contestants]
    columns = ("spoilt", "right", "foreign", "stale", "error", "seconds")
    print(f"{READS} reads of {title}, {FAILING:.0%} of the answers spoilt, seed {seed}")
    rows = [
        (each.__name__, *(str(found[column]) for column in columns))
        for each, found in zip(contestants, results)
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
        print("pywatlow is not installed: nothing to compare with (pip install pywatlow)")
    compare("two parameters in turn", PARAMETERS, seed)
    compare("one parameter", PARAMETERS[:1], seed)


if __name__ == "__main__":
    main()
