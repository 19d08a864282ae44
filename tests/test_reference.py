"""The reference pages: built without a warning, and complete."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import watlowlib
from watlowlib import Alarm, Controller, ControllerLoop, WatlowManager, errors
from watlowlib.devices import maintenance

pytest.importorskip("sphinx")

DOCS = Path(__file__).parents[1] / "docs"
BUILD_S = 300


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the HTML of the reference page."""
    target = tmp_path_factory.mktemp("html")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-E", "-W", str(DOCS), str(target)],
        check=True,
        timeout=BUILD_S,
    )
    return (target / "reference.html").read_text("utf-8")


@pytest.mark.timeout(BUILD_S)
@pytest.mark.parametrize("cls", [Controller, ControllerLoop, Alarm, WatlowManager])
def test_reference_has_every_public_member(page: str, cls: type) -> None:
    for name in vars(cls):
        if not name.startswith("_"):
            assert f'id="watlowlib.{cls.__name__}.{name}"' in page, name


@pytest.mark.timeout(BUILD_S)
def test_reference_has_every_public_name(page: str) -> None:
    missing = [name for name in watlowlib.__all__ if f'id="watlowlib.{name}"' not in page]
    assert missing == ["DEVICE_PROFILES", "EZZONE_PROFILE", "PARAMETERS", "SERIES_SD_PROFILE"]


@pytest.mark.timeout(BUILD_S)
def test_reference_has_the_maintenance_functions(page: str) -> None:
    for name, _ in inspect.getmembers(maintenance, inspect.isfunction):
        if name.startswith("set_"):
            assert f'id="watlowlib.devices.maintenance.{name}"' in page


@pytest.mark.timeout(BUILD_S)
def test_reference_shows_the_exception_tree(page: str) -> None:
    kinds = {
        name
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.WatlowError) and cls.__name__ == name
    }
    assert all(f"── {name}" in page for name in kinds - {"WatlowError"})
