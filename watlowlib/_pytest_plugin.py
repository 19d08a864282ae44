"""The fixtures for pytest; `docs/testing.md` describes them.

pytest imports this module at each start. Therefore everything else is imported in the fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller
    from watlowlib.testing import TestBus, TestRig


@pytest.fixture
def watlow_bus() -> Iterator[TestBus]:
    """A running simulated line with an EZ-ZONE PM at address 1."""
    from watlowlib.testing import bus

    with bus() as running:
        yield running


@pytest.fixture
def watlow_controller(watlow_bus: TestBus) -> Iterator[Controller]:
    """The controller at address 1 of `watlow_bus`, opened."""
    from watlowlib.devices.factory import open_device

    with open_device(watlow_bus.port) as ctl:
        yield ctl


@pytest.fixture
def watlow_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TestRig]]:
    """A function that simulates the ports of a rig file; its arguments are those of `rig`."""
    from watlowlib.testing import rig

    def start(file: str, **options: Any) -> TestRig:
        return stack.enter_context(
            rig(file, **{"folder": tmp_path_factory.mktemp("watlow_rig")} | options)
        )

    with ExitStack() as stack:
        yield start
