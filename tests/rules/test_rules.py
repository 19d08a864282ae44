"""Rules of a running recording: their commands, their writes, and the end."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.streaming.test_replace_plan import PATIENCE_S, advance
from watlowlib import (
    Event,
    Recording,
    Rule,
    Rules,
    RuleWrite,
    WatlowConfigurationError,
    WatlowManager,
    record,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.rules import rules as rules_module
from watlowlib.rules.command import Command
from watlowlib.simulator import SimulatedBus
from watlowlib.streaming.overflow import Watch

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")

HOT = "top.setpoint > 100"
SAFE = RuleWrite("bottom", "setpoint", 40.0)


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code, *arguments)


def wait_for(reached: Callable[[], Any]) -> None:
    waiting = threading.Event()
    for _ in range(round(3 * PATIENCE_S / 0.01)):
        if reached():
            return
        waiting.wait(0.01)
    raise AssertionError("not reached")


def has_no_writer(fifo: int) -> bool:
    """Whether all processes that had the other end of a non-blocking FIFO have ended."""
    try:
        return os.read(fifo, 1) == b""
    except BlockingIOError:
        return False


class Oven:
    """Two controllers that are recorded at 1 Hz by a manual clock, with rules."""

    def __init__(self, bus: SimulatedBus, clock: ManualClock) -> None:
        self.bus, self.clock = bus, clock
        self.stream: Recording
        self.rules: Rules
        self.get: Callable[[str], Controller]
        self.gate = threading.Event()
        """While it is not set, writes wait."""
        self.gate.set()

    def heat(self, value: float, seconds: float = 1.0) -> None:
        """Set what the rules see, and read it."""
        self.bus.controllers[1].set("setpoint", value)
        advance(self.clock, seconds)

    def events(self, kind: str) -> list[Event]:
        return [each for each in self.stream.recent_events if each.kind == kind]


@pytest.fixture
def oven(bus: SimulatedBus) -> Callable[..., Any]:
    """Return a context manager that records with the given rules."""

    @contextmanager
    def begin(*rules: Rule) -> Iterator[Oven]:
        clock = ManualClock()
        running = Oven(bus, clock)
        bus.controllers[1].set("setpoint", 20.0)
        with WatlowManager() as mgr:

            def get(name: str) -> Controller:
                if threading.current_thread() is not threading.main_thread():
                    assert running.gate.wait(6 * PATIENCE_S)
                return mgr.get(name)

            for n, name in enumerate(("top", "bottom"), 1):
                mgr.add(name, bus.port, address=n, timeout_s=0.25, retries=0)
            stream = record(
                mgr, parameters=["setpoint"], rate_hz=1.0, events=True, clock=clock,
                overflow="drop_oldest",
            )  # fmt: skip
            running.stream, running.rules = stream, Rules(stream, rules, get)
            running.get = get
            with running.rules, stream:
                assert clock.waiting.wait(PATIENCE_S)
                yield running

    return begin


def test_a_rule_stores_events_starts_a_command_and_writes_once(
    oven: Callable[..., Any], tmp_path: Path
) -> None:
    code = "import json, sys; json.dump(sys.argv[1:], open('args', 'w')); print('paged')"
    arguments = ("{device}", "{{{parameter}:{instance}}}", "{value} {status}{unit}", "{event}|; *")
    rule = Rule(
        "hot", f"{HOT} for 2 s", "too {value} hot", python(code, *arguments), 30.0, SAFE, tmp_path
    )
    with oven(rule) as running:
        running.heat(101.5, 2.0)
        assert running.rules.report()[0]["firings"] == 0
        running.heat(101.5)
        wait_for(lambda: running.bus.controllers[2].get("setpoint") == 40.0)
        wait_for(lambda: not running.rules._commands)
        running.bus.controllers[2].set("setpoint", 99.0)
        running.heat(101.5)
        running.heat(100.0)
        wait_for(lambda: running.events("rule_ended"))
    (fired,), (ended,) = running.events("rule"), running.events("rule_ended")
    assert fired.text == "hot: too {value} hot (top.setpoint > 100 for 2 s)"
    # The setpoint is 101.5 from the slot at 1 s.
    assert (fired.device, fired.tick, fired.value) == ("top", 3, 101.5)
    assert (ended.text, ended.value) == ("hot: top.setpoint > 100 for 2 s; it held for 4 s", 100.0)
    assert json.loads((tmp_path / "args").read_text()) == [
        "top", "{setpoint:1}", "101.5 ok", "too {value} hot|; *",
    ]  # fmt: skip
    (written,) = running.events("parameter_written")
    assert (written.device, written.value) == ("bottom", 40.0)
    assert running.bus.controllers[2].get("setpoint") == 99.0  # written once
    assert running.events("rule_failed") == []


def test_failures_become_events_and_the_recording_continues(
    oven: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    fails = python("import os; print('no modem'); os._exit(3)")
    noisy = python("print('x' * 300_000); raise SystemExit(1)")
    rules = [
        Rule("a", HOT, command=fails),
        Rule("b", HOT, command=("/nowhere/page-me",)),
        Rule("c", HOT, command=noisy),
        Rule("d", HOT, write=replace(SAFE, value=1e6)),
    ]
    with oven(*rules) as running:
        running.heat(101.0)
        wait_for(lambda: len(running.events("rule_failed")) == 4)
        running.heat(101.0)
        assert running.stream.summary.ticks_skipped == 0
        assert [each["failures"] for each in running.rules.report()] == [1, 1, 1, 1]
    failures = {each.text[0]: each.text for each in running.events("rule_failed")}
    assert failures["a"].endswith("exit code 3; it printed: no modem")
    assert "/nowhere/page-me cannot be started" in failures["b"]
    assert "it printed: " + "x" * 100 in failures["c"]
    assert max(len(each.getMessage()) for each in caplog.records) < 1300
    assert "bottom: setpoint was not set to 1000000.0" in failures["d"]
    assert "allowed is" in failures["d"]


def test_a_command_and_a_write_that_hang_delay_no_tick(
    oven: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_module, "END_S", 0.0)
    rules = [
        Rule("hangs", HOT, command=python("import time; time.sleep(600)"), timeout=60.0),
        Rule("writes", HOT, write=SAFE),
        Rule("later", "top.setpoint > 200"),
    ]
    with oven(*rules) as running:
        running.gate.clear()
        running.heat(101.0)
        wait_for(lambda: len(running.events("rule")) == 2)
        running.heat(201.0, 3.0)  # each tick has to end in less time than the command
        assert len(running.events("rule")) == 2
        running.gate.set()
        wait_for(lambda: len(running.events("rule")) == 3)
        wait_for(lambda: running.events("parameter_written"))
        assert running.rules._commands
    assert running.events("rule")[-1].tick == 2


def test_a_command_is_killed_with_its_children_and_a_dead_controller_is_an_event(
    oven: Callable[..., Any], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "alive")
    alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    hangs = ("/bin/sh", "-c", "exec 3> alive; echo begun; sleep 600 & wait")
    rules = [
        Rule("killed", HOT, command=hangs, timeout=2.0, folder=tmp_path),
        Rule("dead", HOT, write=SAFE),
        Rule("silent", "bottom.status != ok for 2 s"),
    ]
    with oven(*rules) as running:
        running.bus.power_off(2)
        running.heat(101.0, 4.0)
        wait_for(lambda: len(running.events("rule_failed")) == 2)
        wait_for(lambda: len(running.events("rule")) == 3)
    dead, killed = sorted(running.events("rule_failed"), key=lambda each: each.text)
    assert "bottom: setpoint was not set to 40.0" in dead.text
    assert killed.text == "killed: /bin/sh: it was killed after 2 s; it printed: begun"
    wait_for(lambda: has_no_writer(alive))
    os.close(alive)
    silent = next(each for each in running.events("rule") if each.device == "bottom")
    assert silent.text == "silent: bottom.status != ok for 2 s"
    assert silent.value in ("timeout", "offline")


def test_the_end_of_the_recording_kills_a_running_command(
    oven: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_module, "END_S", 0.0)
    started: list[Command] = []
    with oven(Rule("hangs", HOT, command=python("import time; time.sleep(600)"))) as running:
        running.heat(101.0)
        wait_for(lambda: running.rules._commands)
        started += running.rules._commands.values()
    assert not running.rules._worker.alive
    assert started[0]._process.returncode == -9
    assert running.rules.report()[0]["failures"] == 1


@pytest.mark.parametrize("ends", [False, True])
def test_a_write_that_comes_too_late_is_not_sent(
    oven: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ends: bool,
) -> None:
    monkeypatch.setattr(rules_module, "JOIN_S", 0.01)
    rules = [Rule("first", HOT, write=SAFE), Rule("second", HOT, write=replace(SAFE, value=77.0))]
    with oven(*rules) as running:
        running.gate.clear()
        running.heat(101.0)
        wait_for(lambda: len(running.events("rule")) == 2)
        if not ends:
            with running.rules.replacing(rules[:1], running.get):
                pass
            running.gate.set()
            wait_for(lambda: running.events("rule_failed"))
            assert running.bus.controllers[2].get("setpoint") == 40.0
    running.gate.set()
    running.rules._worker.wait()
    assert "rule second failed: it came too late" in caplog.text
    assert running.bus.controllers[2].get("setpoint") != 77.0


def test_a_rule_whose_controller_is_exchanged_begins_anew(oven: Callable[..., Any]) -> None:
    rule = Rule("hot", f"{HOT} for 2 s")
    with oven(rule) as running:
        running.heat(101.0)
        wait_for(lambda: running.rules.report()[0]["state"] == "waiting")
        exchanged = {"top": running.get("bottom"), "bottom": running.get("top")}
        with running.rules.replacing([rule], exchanged.__getitem__):
            pass
        assert running.rules.report()[0]["state"] == "unknown"
        with running.rules.replacing([rule], exchanged.__getitem__):
            before = running.rules._states
        assert running.rules._states == before


def test_a_rule_that_a_failed_reload_suspended_starts_its_time_again(
    oven: Callable[..., Any],
) -> None:
    def fail() -> None:
        running.heat(101.0)
        wait_for(lambda: running.rules._evaluated == 3)
        raise WatlowConfigurationError("no")

    with oven(Rule("hot", f"{HOT} for 2 s")) as running:
        running.heat(101.0)
        wait_for(lambda: running.rules._evaluated == 2)
        assert running.rules.report()[0]["state"] == "waiting"
        with pytest.raises(WatlowConfigurationError), running.rules.replacing([], running.get):
            fail()
        assert running.rules.report()[0]["state"] == "unknown"


def test_missed_ticks_start_the_time_again(oven: Callable[..., Any]) -> None:
    with oven(Rule("hot", f"{HOT} for 2 s")) as running:
        running.heat(101.0)
        wait_for(lambda: running.rules.report()[0]["state"] == "waiting")
        running.rules._ticks.dropped += 1  # as when the queue was full
        running.heat(101.0, 3.0)
        wait_for(lambda: running.events("rule"))
    (fired,) = running.events("rule")
    assert fired.tick == 4  # 2 s after the slot at 2 s


def test_a_full_queue_counts_what_it_drops() -> None:
    watch = Watch(2)
    for _ in range(5):
        watch.offer([])
    assert (watch.dropped, watch.qsize()) == (3, 2)
    watch.shutdown()
    watch.offer([])
    assert watch.dropped == 3


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([Rule("a", HOT), Rule("a", HOT)], "two rules are called 'a'"),
        ([Rule("a", "tpo.setpoint > 1")], "did you mean 'top'?"),
        ([Rule("a", "top.setpiont > 1")], "did you mean 'setpoint'"),
        ([Rule("a", HOT, command=("x", "{valu}"))], "did you mean '{value}'?"),
        ([Rule("a", HOT, command=("x", "{"))], "'{' is not a placeholder"),
        ([Rule("a", HOT, command=("./{value}", "x"))], "allowed in its arguments only"),
    ],
)
def test_rules_that_are_not_valid_are_refused(
    bus: SimulatedBus, rules: list[Rule], message: str
) -> None:
    with WatlowManager() as mgr:
        mgr.add("top", bus.port)
        stream = record(mgr, parameters=["setpoint"], rate_hz=1.0)
        with pytest.raises(WatlowConfigurationError) as caught:
            Rules(stream, rules, mgr.get)
    assert message in str(caught.value)
