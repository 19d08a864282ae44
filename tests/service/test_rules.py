"""The rules of a service: what a reload changes, its status, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from tests.service.test_recorder import wait_for
from tests.streaming.test_replace_plan import advance
from watlowlib import WatlowPortBusyError, read_events
from watlowlib._internal.clock import ManualClock
from watlowlib.service.recorder import RigService
from watlowlib.service.requests import carry_out
from watlowlib.service.wire import decode, encode
from watlowlib.simulator import SimulatedBus

HOT = "top.setpoint > 100"


def write_file(rig_file: RigFile, *rules: tuple[str, str], controllers: str, record: str) -> None:
    rig_file.write(controllers, record)
    with rig_file.path.open("a", encoding="utf-8") as file:
        for name, rest in rules:
            file.write(f'[[rules]]\nname = "{name}"\n{rest}\n')


def states(service: RigService) -> list[tuple[str, str, int]]:
    report = decode(encode(carry_out(service, "status", {})))["rules"]
    return [(each["name"], each["state"], each["firings"]) for each in report]


def fired(path: Path) -> list[str]:
    return [each.text.partition(":")[0] for each in read_events(path, kind="rule")]


def test_a_reload_keeps_rules_that_stay_and_applies_the_others(
    rig_file: RigFile, line1: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    line1.controllers[1].set("setpoint", 110.0)
    record = 'rate_hz = 1.0\nparameters = ["setpoint"]'
    kept = ("kept", f'when = "{HOT} for 3 s"')
    changed, removed = ("changed", f'when = "{HOT}"'), ("removed", f'when = "{HOT} for 3 s"')
    write_file(rig_file, kept, changed, removed, controllers="top=line1:1", record=record)
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        advance(clock, 1.0)
        before = [("kept", "waiting", 0), ("changed", "active", 1), ("removed", "waiting", 0)]
        wait_for(lambda: states(service) == before)
        changed = ("changed", 'when = "top.setpoint > 109"')
        added = (
            "added",
            f'when = "{HOT}"\nwrite = {{ device = "new", parameter = "setpoint", value = 40, '
            "confirm = true }",
        )
        both = "top=line1:1 new=line1:2"
        write_file(rig_file, added, kept, changed, controllers=both, record=record)

        with monkeypatch.context() as patched:
            patched.setattr("watlowlib.streaming.changes.Changes.ask", refuse)
            with pytest.raises(WatlowPortBusyError):
                service.reload()
        assert states(service) == before
        service.reload()
        advance(clock, 3.0)
        after = [("added", "active", 1), ("kept", "active", 1), ("changed", "active", 1)]
        wait_for(lambda: states(service) == after)
        wait_for(lambda: line1.controllers[2].get("setpoint") == 40.0)
    path = rig_file.folder / "run.csv"
    assert sorted(fired(path)) == ["added", "changed", "changed", "kept"]
    # The samples that `kept` saw before the reload count: it fires in the slot at 3 s.
    (event,) = [each for each in read_events(path, kind="rule") if each.text.startswith("kept")]
    assert event.tick == 3


def refuse(*arguments: object) -> None:
    raise WatlowPortBusyError("the tick has not ended")
