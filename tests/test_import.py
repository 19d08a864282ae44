"""What `import watlowlib` loads and shows, and how the interpreter exits, in new interpreters."""

from __future__ import annotations

import ast
import pydoc
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

import watlowlib
from watlowlib import PARAMETERS, Reading, Unit, open_device, record
from watlowlib.simulator import SimulatedBus

SOURCE = Path(watlowlib.__file__).read_text("utf-8")
OPTIONAL = {"pyarrow", "psycopg", "rich", "click", "numpy", "pandas", "sqlite3", "minimalmodbus"}
OPTIONAL |= {"pydantic", "tomllib", "tomli", "matplotlib", "plotly"}
OPTIONAL |= {"bottle", "cheroot"}
PATIENCE_S = 50.0


def run_script(script: str, *arguments: str) -> str:
    """Run a script in a new interpreter, which must exit without errors; return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def modules_after(script: str) -> set[str]:
    """Return the top-level modules loaded after `script`."""
    modules = run_script(f"{script}\nimport sys\nprint(*sys.modules)").split()
    return {name for name in modules if "." not in name}


def test_import_loads_no_unused_library() -> None:
    assert not modules_after("import watlowlib") & (OPTIONAL | {"serial"})


def test_the_core_loads_no_optional_library() -> None:
    assert not modules_after("from watlowlib import open_device, WatlowManager, record") & OPTIONAL


NEEDED_LATER = {
    "concurrent.futures", "difflib", "importlib.resources", "logging", "pathlib", "socket",
    "watlowlib.devices.alarms",
    "watlowlib.devices.identity", "watlowlib.devices.loops", "watlowlib.devices.procedures",
    "watlowlib.devices.sampling", "watlowlib.devices.writing", "watlowlib.model.controllers",
    "watlowlib.model.events", "watlowlib.model.html", "watlowlib.model.reports",
    "watlowlib.protocol.modbus.client", "watlowlib.registry.part_numbers",
}  # fmt: skip
"""What a program that opens a controller and reads a value does not load."""

READ_A_VALUE = """
from watlowlib import open_device
from watlowlib.transport.scripted import ScriptedTransport
reply = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
with open_device(ScriptedTransport(lambda request: [reply])) as controller:
    controller.read_pv()
import sys
print(*sys.modules)
"""


def test_a_first_read_loads_no_module_that_other_calls_need() -> None:
    # The finder of an editable installation imports pathlib in each interpreter.
    bare = set(run_script("import sys\nprint(*sys.modules)").split())
    assert not set(run_script(READ_A_VALUE).split()) & NEEDED_LATER - bare


def test_all_public_names_load_no_heavy_library() -> None:
    heavy = OPTIONAL - {"sqlite3", "minimalmodbus"}
    assert not modules_after("from watlowlib import *") & heavy


def test_each_public_name_is_the_one_declared_for_type_checkers() -> None:
    imports = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ImportFrom)]
    declared = {
        alias.name: node.module
        for node in imports
        for alias in node.names
        if (node.module or "").startswith("watlowlib.")
    }
    assert set(declared) == {*watlowlib.__all__, "__version__"}
    for name, module in declared.items():
        assert getattr(watlowlib, name) is getattr(sys.modules[str(module)], name)


def test_dir_and_help_list_every_public_name() -> None:
    shown = run_script("import watlowlib; print(*dir(watlowlib))").split()
    offered = {name for name in shown if not name.startswith("_")}
    assert offered == set(watlowlib.__all__)
    text = pydoc.plain(pydoc.render_doc(watlowlib))
    assert all(name in text for name in watlowlib.__all__)


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'watlowlib' has no attribute 'recrod'"):
        _ = watlowlib.recrod  # type: ignore[attr-defined]


class Printer:
    """The printer that IPython passes to `_repr_pretty_`."""

    def __init__(self) -> None:
        self.shown = ""

    def text(self, text: str) -> None:
        self.shown += text


def test_a_notebook_shows_a_reading_in_readable_form() -> None:
    now = datetime.now(timezone.utc)
    reading = Reading(72.4, Unit.FAHRENHEIT, "process_value", 4001, 1, 1, now, now, 0.01, b"", None)
    printer = Printer()
    reading._repr_pretty_(printer, False)
    assert printer.shown == "72.4 °F (process_value, instance 1)"


def test_no_public_repr_shows_a_memory_address() -> None:
    with SimulatedBus([1, 2], baudrate=None) as bus, open_device(bus.port) as ctl:
        stream = record(ctl, parameters="pv", rate_hz=2.0)
        shown = [bus, ctl, ctl.loop(1), ctl.alarm(1), stream, PARAMETERS, ctl.stats]
        assert not [each for each in map(repr, shown) if " object at 0x" in each]
        assert repr(stream) == "<Recording at 2 Hz, not begun>"
        with stream:
            pass
        assert repr(stream) == "<Recording at 2 Hz, ended>"
        assert repr(PARAMETERS) == f"<Registry of the {len(PARAMETERS)} parameters of family pm>"


LEFT_OPEN = {
    "a controller": "ctl = watlowlib.open_device(port, timeout_s=20.0)\n"
    "print(ctl.read_setpoint().value)",
    "a manager": "mgr = watlowlib.WatlowManager(); mgr.add('a', port)\n"
    "mgr.add('b', port, address=2)\nprint(mgr.poll('setpoint')['a'].value[0].value)",
    "a recording": "ctl = watlowlib.open_device(port, timeout_s=20.0)\n"
    "stream = watlowlib.record(ctl, parameters='setpoint', rate_hz=50.0).__enter__()\n"
    "print(next(iter(stream))[0].value)",
    "a recording without a consumer": "ctl = watlowlib.open_device(port, timeout_s=20.0)\n"
    "stream = watlowlib.record(ctl, parameters='setpoint', rate_hz=500.0, buffer_size=1)\n"
    "stream.__enter__()\nfirst = next(iter(stream))\nqueue = stream._queue\n"
    "with queue.not_empty:\n    assert queue.not_empty.wait_for(queue._qsize, 20.0)\n"
    "print(first[0].value)",
}


@pytest.mark.parametrize("script", LEFT_OPEN.values(), ids=LEFT_OPEN)
def test_objects_left_open_do_not_block_the_exit(script: str) -> None:
    with SimulatedBus([1, 2], baudrate=None, turnaround_s=0.0) as bus:
        assert (
            run_script(f"import sys, watlowlib\nport = sys.argv[1]\n{script}", bus.port) == "75.0\n"
        )


def test_parts_are_attributes_without_an_import_of_their_own() -> None:
    code = """import watlowlib
for name in ("diagnosis", "labview", "snapshots", "sync", "views"):
    print(getattr(watlowlib, name).__name__)"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.split() == [
        "watlowlib.diagnosis",
        "watlowlib.labview",
        "watlowlib.snapshots",
        "watlowlib.sync",
        "watlowlib.views",
    ], found.stderr
