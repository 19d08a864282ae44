"""Access to a running service through its socket."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from tests.streaming.test_replace_plan import PATIENCE_S, advance
from watlowlib import (
    AcquisitionSummary,
    Reading,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowConnectionError,
    WatlowPortBusyError,
    WatlowTimeoutError,
    WatlowUnknownParameterError,
    attach,
    load_rig,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.service import server
from watlowlib.service.client import ServiceClient
from watlowlib.service.endpoint import Endpoint
from watlowlib.service.recorder import RigService
from watlowlib.service.requests import carry_out
from watlowlib.service.server import MOST_CONNECTIONS, Handler, RequestServer
from watlowlib.simulator import SimulatedBus

Serve = Callable[..., ServiceClient]


@pytest.fixture
def serve(rig_file: RigFile) -> Iterator[Serve]:
    """Return a function that answers requests with a handler, and returns a client."""
    with ExitStack() as stack:

        def start(handler: Handler, *, unix: bool = True) -> ServiceClient:
            endpoint = stack.enter_context(closing(Endpoint(rig_file.path, unix=unix)))
            server = RequestServer(endpoint, handler)
            stack.callback(server.wait)
            stack.enter_context(server)
            return ServiceClient(rig_file.path, unix=unix)

        yield start


def raw_request(folder: Path, data: bytes) -> dict[str, object]:
    (path,) = folder.glob("*.sock")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(data)
        received = b""
        while not received.endswith(b"\n"):
            received += connection.recv(65536)
    found: dict[str, object] = json.loads(received)
    return found


@pytest.mark.parametrize("unix", [True, False])
def test_reads_and_writes_go_through_the_service(
    unix: bool, serve: Serve, rig_file: RigFile, line1: SimulatedBus
) -> None:
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        advance(clock, 1.0)
        with serve(partial(carry_out, service), unix=unix) as client:
            reading = client.read_parameter("top", "pv")
            assert isinstance(reading, Reading)
            assert reading.parameter == "process_value"
            snapshot = client.read_all("top")
            assert (snapshot.identity["address"], len(snapshot.entries) > 10) == (1, True)
            assert client.set_setpoint("top", 81.0, confirm=True).value == 81.0
            assert line1.controllers[1].get("setpoint") == 81.0
            assert (
                client.write_parameter("top", "heat_algorithm", "off", confirm=True).label == "Off"
            )
            with pytest.raises(WatlowConfirmationError):
                client.set_setpoint("top", 82.0)
            with pytest.raises(WatlowUnknownParameterError, match="did you mean"):
                client.read_parameter("top", "pvv")
            with pytest.raises(WatlowConfigurationError, match="'top'"):
                client.read_parameter("topp", "pv")
            (latest,) = client.latest()
            assert (latest.device, latest.status) == ("top", "ok")
            summary = client.summary()
            assert isinstance(summary, AcquisitionSummary)
            assert summary.ticks_emitted == 2
            assert client.status()["controllers"] == {"top": "ok"}
            ((sample, error),) = client.read_each(["top"], ["setpoint"])
            assert (sample.value, error) == (81.0, None)
        with pytest.raises(WatlowClosedError):
            client.latest()


def test_the_example_of_the_page_runs(
    serve: Serve, rig_file: RigFile, line1: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "service.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(rig_file.folder)
    line1.controllers[1].set("setpoint", 70.0)
    clock = ManualClock()
    with RigService("rig.toml", clock=clock) as service:
        advance(clock, 1.0)
        serve(partial(carry_out, service))
        exec(code, {})
    assert line1.controllers[1].get("setpoint") == 75.0


def test_a_reload_through_the_socket_raises_what_is_wrong(
    serve: Serve, rig_file: RigFile, line1: SimulatedBus
) -> None:
    clock = ManualClock()
    with RigService(rig_file.path, clock=clock) as service:
        client = serve(partial(carry_out, service))
        advance(clock, 1.0)
        rig_file.write(record='parameters = ["setpiont"]')
        with pytest.raises(WatlowConfigurationError, match="setpoint"):
            client.reload()
        rig_file.write("top=line1:1 bottom=line1:2")
        client.reload()
        assert set(client.status()["controllers"]) == {"top", "bottom"}
        assert client.status()["reloads"] == 1


def test_only_the_owner_can_open_the_socket(serve: Serve, runtime_folder: Path) -> None:
    serve(lambda command, arguments: None)
    assert stat.S_IMODE(runtime_folder.stat().st_mode) == 0o700
    (path,) = runtime_folder.glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_is_needed_without_unix_sockets(
    serve: Serve, rig_file: RigFile, runtime_folder: Path
) -> None:
    client = serve(lambda command, arguments: ["kept"], unix=False)
    assert client.latest() == ["kept"]
    (path,) = runtime_folder.glob("*.port")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "token": "guessed"}))
    with pytest.raises(WatlowConfigurationError, match="token"):
        client.latest()


def test_a_second_service_for_a_file_is_refused_with_the_pid_of_the_first(
    serve: Serve, rig_file: RigFile
) -> None:
    client = serve(lambda command, arguments: "first")
    with pytest.raises(WatlowPortBusyError, match=f"pid {os.getpid()}"):
        Endpoint(rig_file.path)
    link = rig_file.folder / "link.toml"
    link.symlink_to(rig_file.path)
    with pytest.raises(WatlowPortBusyError):
        Endpoint(link)
    assert client.request("anything") == "first"


def test_the_socket_of_a_dead_service_is_replaced(
    serve: Serve, rig_file: RigFile, runtime_folder: Path
) -> None:
    endpoint = Endpoint(rig_file.path)
    endpoint.listener.close()
    endpoint._lock.close()  # as after kill -9: the socket is still there
    assert len(list(runtime_folder.glob("*.sock"))) == 1
    with pytest.raises(WatlowConnectionError, match="no service"):
        attach(rig_file.path)
    assert serve(lambda command, arguments: "new").request("x") == "new"


def test_attach_takes_a_path_or_a_rig(serve: Serve, rig_file: RigFile) -> None:
    serve(lambda command, arguments: [])
    assert attach(str(rig_file.path)).latest() == []
    assert attach(load_rig(rig_file.path)).latest() == []
    with pytest.raises(WatlowConfigurationError, match="there is no file"):
        attach(rig_file.folder / "other.toml")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello\n", "not a message"),
        (b'{"v": 9}\n', "version 9"),
        (b'{"v": 1}\n', "give a command"),
        (b'{"v": 1, "do": "exit"}\n', "no command 'exit'"),
        (b'{"v": 1, "do": "latest", "with": {"x": 1}}\n', "latest: got an unexpected"),
        (b"x" * (server.MOST_REQUEST + 1), "more than 65536 bytes"),
    ],
)
def test_a_wrong_request_gets_an_error(
    data: bytes, text: str, serve: Serve, runtime_folder: Path
) -> None:
    serve(partial(carry_out, None))  # type: ignore[arg-type]
    error = raw_request(runtime_folder, data)["error"]
    assert text in error["$error"]["message"]  # type: ignore[index]


def test_an_unexpected_exception_is_an_error_of_the_client(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(lambda command, arguments: 1 // 0)
    with pytest.raises(Exception, match="ZeroDivisionError"):
        client.latest()
    assert "a request failed" in caplog.text


def test_more_requests_than_allowed_are_refused_and_later_ones_are_answered(serve: Serve) -> None:
    begun, end = threading.Semaphore(0), threading.Event()

    def handler(command: str, arguments: dict[str, object]) -> str:
        begun.release()
        assert end.wait(PATIENCE_S)
        return "done"

    client = serve(handler)
    found: list[object] = []
    askers = [
        threading.Thread(target=lambda: found.append(client.request("x")))
        for _ in range(MOST_CONNECTIONS)
    ]
    for each in askers:
        each.start()
        assert begun.acquire(timeout=PATIENCE_S)
    with pytest.raises(WatlowPortBusyError):
        client.request("x")
    end.set()
    for each in askers:
        each.join(PATIENCE_S)
    assert found == ["done"] * MOST_CONNECTIONS


def test_a_client_with_an_incomplete_request_is_disconnected(
    serve: Serve, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TRANSFER_S", 0.05)
    serve(lambda command, arguments: None)
    (path,) = runtime_folder.glob("*.sock")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(b'{"v": 1')
        assert connection.recv(100) == b""


def test_stopping_the_server_does_not_wait_for_a_request(rig_file: RigFile) -> None:
    begun, end, ended = threading.Event(), threading.Event(), threading.Event()

    def handler(command: str, arguments: dict[str, object]) -> None:
        begun.set()
        ended.wait(PATIENCE_S)

    with closing(Endpoint(rig_file.path)) as endpoint:
        requests = RequestServer(endpoint, handler)
        with requests:
            client = ServiceClient(rig_file.path)
            asking = threading.Thread(target=lambda: (client.request("x"), end.set()))
            asking.start()
            assert begun.wait(PATIENCE_S)
        with pytest.raises(WatlowConnectionError):
            client.request("x")
        ended.set()
        requests.wait()
    asking.join(PATIENCE_S)
    assert end.is_set()  # it was answered


def test_a_service_that_does_not_reply_is_a_timeout(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watlowlib.service.client.ANSWER_S", 0.05)
    end = threading.Event()
    client = serve(lambda command, arguments: end.wait(PATIENCE_S))
    with pytest.raises(WatlowTimeoutError):
        client.latest()
    end.set()
