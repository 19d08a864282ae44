"""Where the socket of a service is, and who may use it."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from watlowlib import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowPortBusyError,
    attach,
)
from watlowlib.service.endpoint import MOST_WAITING, Endpoint


def test_a_service_in_the_folder_of_a_unit_is_found(
    rig_file: RigFile, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = runtime_folder / "rig"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(unit))
    with closing(Endpoint(rig_file.path)) as endpoint:
        endpoint.listener.settimeout(0)
        monkeypatch.delenv("RUNTIME_DIRECTORY")
        attach(rig_file.path)
        endpoint.listener.accept()[0].close()
        with pytest.raises(WatlowPortBusyError, match=f"pid {os.getpid()}"):
            Endpoint(rig_file.path)
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(runtime_folder / "another"))
        with pytest.raises(WatlowPortBusyError, match=f"pid {os.getpid()}"):
            Endpoint(rig_file.path)


def test_programs_of_another_user_are_neither_answered_nor_asked(
    rig_file: RigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Endpoint(rig_file.path)) as endpoint:
        attach(rig_file.path)
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        monkeypatch.setattr("struct.unpack", lambda form, data: (1, 54321, 1))
        with endpoint.listener.accept()[0] as connection:
            assert not endpoint.may_ask(connection)
        with pytest.raises(WatlowConnectionError, match="no service of this user"):
            attach(rig_file.path)


def test_a_service_that_accepts_no_connection_is_not_taken_for_none(rig_file: RigFile) -> None:
    with ExitStack() as stack:
        endpoint = stack.enter_context(closing(Endpoint(rig_file.path)))
        address = endpoint.listener.getsockname()
        for _ in range(MOST_WAITING + 1):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(1.0)
            connection.connect(address)
        with pytest.raises(WatlowPortBusyError, match="does not accept"):
            attach(rig_file.path)


def test_a_folder_that_cannot_be_made_is_refused(
    rig_file: RigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    with pytest.raises(WatlowConfigurationError, match="Not a directory; set XDG_RUNTIME_DIR"):
        Endpoint(rig_file.path)


def test_a_link_of_another_user_is_refused(
    rig_file: RigFile, runtime_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_folder.symlink_to(tmp_path)
    lstat = os.stat_result((0o120777, 1, 1, 1, 54321, 1, 1, 0, 0, 0))
    monkeypatch.setattr(Path, "lstat", lambda path: lstat)
    before = tmp_path.stat().st_mode
    with pytest.raises(WatlowConfigurationError, match="another user"):
        Endpoint(rig_file.path)
    assert tmp_path.stat().st_mode == before


def test_a_folder_of_another_user_is_refused(
    rig_file: RigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(WatlowConfigurationError, match="another user"):
        Endpoint(rig_file.path)


def test_a_path_that_is_too_long_is_refused(
    rig_file: RigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(WatlowConfigurationError, match="XDG_RUNTIME_DIR"):
        Endpoint(rig_file.path)
