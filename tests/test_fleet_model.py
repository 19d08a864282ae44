"""A property-based test of a whole fleet: random operations, compared with a simple model.

No value may be wrong or old, no write may be lost, every failure must be an error of the library
that fits the state of the line and the controller, and nothing may be left open. To run one
failure again, use `@reproduce_failure` with the text that Hypothesis prints.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.fleet_model import ADDRESSES, NAMES, READ, Fleet, Operation
from tests.fleet_operations import (
    Add,
    Close,
    Fork,
    Plug,
    Poll,
    Read,
    Record,
    Remove,
    Switch,
    Tick,
    Write,
)
from watlowlib.manager import polling
from watlowlib.protocol import line as port_line

EXAMPLES, SOAK_EXAMPLES = 200, 10_000
STEPS = 12

lines = st.sampled_from((0, 1))
names = st.sampled_from(NAMES)
protocols = st.sampled_from(("stdbus", "modbus_rtu"))
units = st.tuples(lines, st.sampled_from(ADDRESSES))
reads = st.builds(Read, names, st.sampled_from(READ))
writes = st.builds(Write, names, st.integers(10, 14).map(float))
adds = st.builds(lambda name, unit, owned: Add(name, *unit, owned), names, units, st.booleans())
plugs = st.builds(Plug, lines, st.booleans())
switches = st.builds(Switch, units)
removes = st.builds(Remove, names)
closes = st.builds(Close, st.booleans())
polls, ticks, records, forks = map(st.just, (Poll(), Tick(), Record(), Fork()))
together = st.one_of(
    reads, writes, reads, writes, polls, ticks, adds, removes, plugs, switches, closes, forks
)


def kind(operation: Operation) -> object:
    """Return what operations at the same time must not have in common."""
    return operation if isinstance(operation, (Read, Write)) else type(operation)


class FleetMachine(RuleBasedStateMachine):
    """Drives a fleet.

    No rule has a precondition: which controllers are added after threads have added and removed
    them is not the same in each run, and Hypothesis must be able to repeat a run.
    """

    @initialize(
        protocols=st.tuples(protocols, protocols),
        adapters=st.booleans(),
        members=st.integers(2, len(NAMES)),
    )
    def start(self, protocols: tuple[str, str], adapters: bool, members: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.fleet = Fleet(None if adapters else Path(self.folder.name), protocols)
        places = [(line, address) for address in ADDRESSES for line in (0, 1)]
        for name, place in list(zip(NAMES, places))[:members]:
            self.fleet.perform(Add(name, *place, owned=True))

    @rule(operation=st.one_of(reads, writes))
    def use(self, operation: Operation) -> None:
        self.fleet.perform(operation)

    @rule(operation=st.one_of(polls, ticks, records))
    def observe(self, operation: Operation) -> None:
        self.fleet.perform(operation)

    @rule(operation=st.one_of(adds, adds, removes))
    def change(self, operation: Operation) -> None:
        self.fleet.perform(operation)

    @rule(operation=st.one_of(plugs, switches))
    def interrupt(self, operation: Operation) -> None:
        self.fleet.perform(operation)

    @rule(operation=st.one_of(forks, closes))
    def end(self, operation: Operation) -> None:
        self.fleet.perform(operation)

    @rule()
    def end_recording(self) -> None:
        self.fleet.end_recording()

    @rule(operations=st.lists(together, min_size=2, max_size=3, unique_by=kind))
    def at_once(self, operations: list[Operation]) -> None:
        self.fleet.perform(*operations)

    def teardown(self) -> None:
        if hasattr(self, "fleet"):
            with self.folder:
                self.fleet.close()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before a lost port is opened again, and wait long for a slow machine."""
    monkeypatch.setattr(port_line, "REOPEN_FIRST_S", 0.005)
    monkeypatch.setattr(port_line, "REOPEN_MOST_S", 0.02)
    monkeypatch.setattr(polling, "IDENTIFY_S", 30.0)


def run(examples: int, **options: bool) -> None:
    run_state_machine_as_test(
        FleetMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="ptys and os.fork"),
    pytest.mark.usefixtures("quick_retries"),
]


@pytest.mark.timeout(170)
def test_random_operations_on_a_fleet() -> None:
    run(EXAMPLES, derandomize=True)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_random_operations_on_a_fleet() -> None:
    run(SOAK_EXAMPLES)
