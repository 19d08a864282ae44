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
