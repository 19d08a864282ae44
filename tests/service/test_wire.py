"""Requests and replies as text."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest

from watlowlib import errors
from watlowlib.errors import (
    ErrorContext,
    WatlowConfigurationError,
    WatlowDeviceError,
    WatlowError,
    WatlowNoSuchRegisterError,
    WatlowOtherDeviceError,
    WatlowTimeoutError,
)
from watlowlib.model import (
    AcquisitionSummary,
    ProtocolKind,
    RateReport,
    Reading,
    Sample,
    SinkReport,
    Unit,
)
from watlowlib.protocol.line import PortReopenedError
from watlowlib.service.wire import dump, load

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)

VALUES = [
    None,
    True,
    1,
    1.5,
    math.inf,
    "°C",
    b"\x00\xff",
    [1, (2, [3])],
    {"a": [1], "b": None},
    Unit.FAHRENHEIT,
    NOW,
    Reading(7.5, Unit.CELSIUS, "sp", 7001, 1, 2, NOW, NOW, 0.5, b"U", "x", ProtocolKind.STDBUS, 7),
    Reading((1, 2), None, "x", 1, 1, 1, NOW, NOW, 0.0, b""),
    Sample(
        "top", 1, ProtocolKind.MODBUS_RTU, "p", 4001, 1, None, None, NOW, NOW, NOW, 0.0, None,
        "timeout", 3, NOW,
    ),
    AcquisitionSummary(
        NOW, NOW, 1, 2, 3.5, sinks=(SinkReport("a", 1, 2, "full", 3),),
        rates=(RateReport(2.0, ("pv", 7001), 1, 2, 3),),
    ),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_and_of_the_same_class(value: Any) -> None:
    line = dump({"result": value})
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    found = load(line)["result"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "error",
    [
        WatlowTimeoutError("m", context=ErrorContext("/dev/x", 3, "p", 41, 1, b"a", b"\x02", 0.5)),
        WatlowDeviceError("refused", code=0x80),
        WatlowNoSuchRegisterError("none", code=2),
        WatlowOtherDeviceError("another", expected="1", found="2"),
        errors.WatlowPortNotFoundError("gone"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_error_comes_back_as_the_same_class(error: WatlowError) -> None:
    found = load(dump({"error": error}))["error"]
    assert type(found) is type(error)
    assert (str(found), found.context) == (str(error), error.context)
    assert vars(found) == vars(error)


def test_an_error_of_a_private_class_is_one_of_its_public_base() -> None:
    found = load(dump({"error": PortReopenedError("again")}))["error"]
    assert type(found) is errors.WatlowConnectionError


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"7", b'{"v": 2}', b'{"v": 1, "x": {"$Popen": {}}}', b"\xff",
        b'{"v": 1, "x": {"$enum": ["Popen", 1]}}', b'{"v": 1, "x": {"$Sample": {"device": 1}}}',
        b"[" * 100_000,
    ],
    ids=lambda line: line[:30],
)  # fmt: skip
def test_a_line_that_is_not_a_message_is_refused(line: bytes) -> None:
    with pytest.raises(WatlowConfigurationError):
        load(line)


def test_an_unknown_class_of_error_is_the_base_class() -> None:
    line = dump({"error": WatlowTimeoutError("m")}).replace(b"WatlowTimeoutError", b"ErrorContext")
    found = load(line)["error"]
    assert (type(found), str(found)) == (WatlowError, "m")
