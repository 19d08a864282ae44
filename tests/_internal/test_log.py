"""The loggers of the package in new interpreters, since pytest has handlers of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PATIENCE_S = 60.0
OPENED = """
from watlowlib import open_device
from watlowlib.transport.scripted import ScriptedTransport
reply = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
controller = open_device(ScriptedTransport(lambda request: [reply]))
controller.read_pv()
"""
WARN = "from watlowlib._internal.log import logger\nlogger('watlowlib.test').warning('lost')\n"


def output(script: str) -> str:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return done.stdout + done.stderr


def test_a_program_without_handlers_prints_no_warning() -> None:
    assert output(WARN) == ""


def test_a_program_that_removes_its_handler_prints_no_warning() -> None:
    script = (
        "import logging\n"
        "from watlowlib._internal.log import logger\n"
        "package, handler = logging.getLogger('watlowlib'), logging.Handler()\n"
        "handler.emit = lambda record: print(record.msg)\n"
        "package.addHandler(handler)\n"
        "log = logger('watlowlib.test')\n"
        "log.warning('lost')\n"
        "package.removeHandler(handler)\n"
        "log.warning('again')\n"
    )
    assert output(script) == "lost\n"


def test_a_destructor_that_logs_first_while_the_interpreter_exits_runs_to_its_end() -> None:
    script = (
        "import builtins\n"
        "from watlowlib._internal.log import logger\n"
        "class Owner:\n"
        "    def __del__(self, log=logger('watlowlib.test'), show=print):\n"
        "        log.warning('lost')\n"
        "        show('released')\n"
        "builtins.owner = Owner()\n"
    )
    assert output(script) == "released\n"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_added_before_or_after_the_first_warning_prints_warnings(when: str) -> None:
    set_up = "import logging\nlogging.basicConfig(format='%(name)s %(module)s %(message)s')\n"
    script = set_up + WARN if when == "before" else WARN + set_up + WARN
    assert output(script) == "watlowlib.test <string> lost\n"


def test_frames_are_logged_if_logging_is_set_up_after_a_read() -> None:
    set_up = (
        "import logging\n"
        "logging.basicConfig(format='%(message)s')\n"
        "logging.getLogger('watlowlib.wire').setLevel(logging.DEBUG)\n"
        "controller.read_pv()\n"
    )
    lines = output(OPENED + set_up).splitlines()
    assert [line.split()[3] for line in lines] == ["sent", "received"]
