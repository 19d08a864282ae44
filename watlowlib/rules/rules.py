"""Evaluates the rules of a recording in a thread, which acts for them.

    with Rules(stream, rig.rules, mgr.get), stream:
        pipe(stream, sink)

The recorder only puts each list of samples into a bounded queue. The thread evaluates them, starts
commands, which run beside it, and writes. While a write is in progress, samples wait in the queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib._internal.queues import SLICE_S, ShutDown
from watlowlib._internal.threads import Worker
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Sample
from watlowlib.model.events import EventKind
from watlowlib.model.text import counted, times
from watlowlib.rules.command import Command
from watlowlib.rules.rule import Rule, check_command, filled, unit_of_write, value_text, values_of
from watlowlib.rules.state import Change, RuleState
from watlowlib.streaming.recorder import Recording

log = logger(__name__)

WAITING_TICKS = 1024
POLL_S = 0.1
"""How often a running command is checked."""

END_S = 2.0
"""Seconds that commands get at the end."""

JOIN_S = 15.0
"""Time limit for the end: a write in progress, and `END_S`."""

GetController = Callable[[str], Controller]


class Rules(NotCopied):
    """Evaluates rules within a `with` statement; enter it before the recording.

    Args:
        stream: The recording; with `events=True` it stores what the rules do.
        rules: The rules, such as `load_rig("rig.toml").rules`.
        get: Returns the controller of a name, such as `WatlowManager.get`.

    Raises:
        WatlowConfigurationError: A name is given twice, or a rule is not valid.
    """

    def __init__(self, stream: Recording, rules: Iterable[Rule], get: GetController) -> None:
        self._stream = stream
        self._get = get
        self._states = _states_of(rules, get)
        self._commands: dict[RuleState, Command] = {}
        self._ticks = stream.watch(WAITING_TICKS)
        self._dropped = 0
        self._evaluated = 0
        """The number of ticks that all rules of their time have seen."""
        self._ended = False
        """Whether nothing may be done any more, not even for ticks that wait."""
        self._worker = Worker("rules", self._run, self._ticks.shutdown)

    def __enter__(self) -> Rules:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._worker.stop()
            self._worker.join(JOIN_S)
        finally:
            self._ended = True

    def report(self) -> list[dict[str, Any]]:
        """Return a dict for each rule.

        Its keys are `name`, `when`, `state`, `firings`, `failures` and `last_fired`. The state is
        "active", "waiting" (the condition holds, but it has not fired yet), "false" or "unknown".
        """
        return [
            {
                "name": each.rule.name,
                "when": each.rule.when,
                "state": each.state,
                "firings": each.firings,
                "failures": each.failures,
                "last_fired": each.last_fired,
            }
            for each in self._states
        ]

    @contextmanager
    def replacing(self, rules: Sequence[Rule], get: GetController) -> Iterator[None]:
        """Use other rules and controllers once the block has ended; after an error the old ones.

        Within the block, in which the plan of the recording changes, only rules that stay are
        evaluated. New ones get the samples of later ticks. A rule stays if it and the controllers
        that it names are the same as before.
        """
        new = _states_of(rules, get)
        before, old_get = self._states, self._get
        stay = {
            each.rule: each
            for each in before
            if each.rule in rules and all(get(name) is old_get(name) for name in each.devices)
        }
        evaluated = self._evaluated
        self._states = tuple(stay.values())
        try:
            yield
            last = self._stream.latest
            for each in new:
                each.after_tick = -1 if not last or last[0].tick is None else last[0].tick
            self._states, self._get = tuple(stay.get(each.rule, each) for each in new), get
            for each in before:
                each.removed = each.rule not in stay
        except BaseException:
            for each in before:
                if each.rule not in stay and self._evaluated != evaluated:  # it has missed ticks
                    each.forget()
            self._states, self._get = before, old_get
            raise

    def _run(self) -> None:
        try:
            while True:
                self._handle(self._next())
                self._check_commands()
        except ShutDown:
            pass
        except Exception as error:
            log.exception("rules are not evaluated any more")
            text = f"rules are not evaluated any more: {error!r}"
            self._stream.tell(EventKind.RULE_FAILED, text)
            raise
        finally:
            self._ticks.shutdown()
            self._end_commands()

    def _next(self) -> list[Sample]:
        try:
            samples = self._ticks.get(timeout=POLL_S if self._commands else SLICE_S)
        except queue.Empty:
            return []
        if self._ticks.dropped != self._dropped:
            self._dropped = self._ticks.dropped
            log.warning(
                "rules fall behind: not evaluated in all: %s; 'for' starts again",
                counted(self._dropped, "tick"),
            )
            for state in self._states:
                state.forget()
        return samples

    def _handle(self, samples: list[Sample]) -> None:
        fired: list[tuple[RuleState, Sample]] = []
        get = self._get
        for state in self._states:
            change = state.feed(samples)
            if change is not None:
                self._tell(state.rule, change)
                if change.fired:
                    fired.append((state, change.sample))
        self._evaluated += bool(samples)
        for state, sample in fired:  # commands first: a write may take long
            if state.rule.command and self._acts(state):
                self._start(state, sample)
        for state, _ in fired:
            if state.rule.write is not None and self._acts(state):
                self._write(state, get)

    def _acts(self, state: RuleState) -> bool:
        """Whether a rule may still act: a write before may have taken long."""
        if not self._ended and not state.removed:
            return True
        self._note_failure(state, "it came too late: it was changed, or the recording had ended")
        return False

    def _tell(self, rule: Rule, change: Change) -> None:
        if change.fired:
            often = f"; met and ended {times(change.missed)} since the last event"
            text = rule.title + often * bool(change.missed)
            log.warning("rule %s; it is %s", text, _shown(change))
        else:
            text = f"{rule.name}: {rule.when}; it held for {change.held_s:g} s"
            log.info("rule ended: %s", text)
        kind = EventKind.RULE if change.fired else EventKind.RULE_ENDED
        self._stream.tell_sample(change.sample, kind, text, change.value)

    def _start(self, state: RuleState, sample: Sample) -> None:
        rule = state.rule
        if (running := self._commands.pop(state, None)) is not None:
            self._note_outcome(state, *running.kill("it was killed: the rule has fired again"))
        try:
            arguments = filled(rule.command, values_of(rule, sample))
            self._commands[state] = Command(arguments, rule.timeout, rule.folder)
        except (OSError, ValueError) as error:
            self._note_failure(state, f"{rule.command[0]} cannot be started: {error}")

    def _write(self, state: RuleState, get: GetController) -> None:
        write = state.rule.write
        assert write is not None
        try:
            controller = get(write.device)
            reading = controller.write_parameter(
                write.parameter,
                write.value,
                instance=write.instance,
                confirm=True,
                unit=unit_of_write(write, controller.registry),
            )
        except Exception as error:  # noqa: BLE001 - the other rules continue
            text = f"{write.device}: {write.parameter} was not set to {write.value}: {error}"
            self._note_failure(state, text)
        else:
            log.warning("rule %s: %s holds %s", state.rule.name, write.device, reading)

    def _check_commands(self) -> None:
        for state, command in list(self._commands.items()):
            outcome = command.poll()
            if outcome is not None:
                del self._commands[state]
                self._note_outcome(state, outcome.error, outcome.output)

    def _end_commands(self) -> None:
        deadline, waiting = Deadline.after(END_S), threading.Event()
        while self._commands and not deadline.passed():
            waiting.wait(POLL_S)
            self._check_commands()
        for state, command in self._commands.items():
            self._note_outcome(state, *command.kill("it was killed: the recording has ended"))
        self._commands.clear()

    def _note_outcome(self, state: RuleState, error: str | None, output: str) -> None:
        printed = f"; it printed: {output}" * bool(output)
        if error is None:
            log.info("rule %s: the command has ended%s", state.rule.name, printed)
        else:
            self._note_failure(state, f"{state.rule.command[0]}: {error}{printed}")

    def _note_failure(self, state: RuleState, text: str) -> None:
        state.failures += 1
        log.error("rule %s failed: %s", state.rule.name, text)
        self._stream.tell(EventKind.RULE_FAILED, f"{state.rule.name}: {text}")


def _states_of(rules: Iterable[Rule], get: GetController) -> tuple[RuleState, ...]:
    states: dict[str, RuleState] = {}
    for rule in rules:
        if rule.name in states:
            raise WatlowConfigurationError(f"two rules are called {rule.name!r}; rename one")
        check_command(rule.command)
        states[rule.name] = RuleState(rule, lambda name: get(name).registry)
    return tuple(states.values())


def _shown(change: Change) -> str:
    unit = "" if isinstance(change.value, str) else change.sample.unit or ""
    return f"{value_text(change.value)} {unit}".rstrip()
