"""What a forked child abandons, and the process of an object."""

from __future__ import annotations

import gc
import os
import socket
from pathlib import Path

from tests.forked import assert_refused, in_child, needs_fork
from watlowlib._internal.process import OneProcess, abandon_in_child

pytestmark = needs_fork


class Opened(OneProcess):
    _kind = "file"

    def __init__(self) -> None:
        self._pid = os.getpid()


class UrlPort:
    """A port of pyserial without `fileno`, which ends its connection when it is finalized."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def __del__(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)


def test_object_knows_that_it_was_opened_in_another_process() -> None:
    thing = Opened()
    thing.check_process()
    assert_refused(in_child(thing.check_process))
    assert in_child(lambda: thing.in_other_process) is True
    assert not thing.in_other_process


def test_finalizer_does_not_run_in_a_child() -> None:
    here, there = socket.socketpair()
    with here, there:
        ports = [UrlPort(here)]
        abandon_in_child(ports[0])

        def drop() -> int:
            ports.clear()
            return gc.collect() * 0

        assert in_child(drop) == 0
        here.sendall(b"still connected")
        assert there.recv(64) == b"still connected"
        ports.clear()


def test_bytes_written_in_a_child_do_not_reach_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as file:
        abandon_in_child(file)
        assert in_child(lambda: file.write(b"child")) == 5
        file.write(b"parent")
    assert path.read_bytes() == b"parent"


def test_child_of_a_child_abandons_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb", buffering=0) as file:
        abandon_in_child(file)
        assert in_child(lambda: in_child(lambda: file.write(b"child"))) == 5
    assert path.read_bytes() == b""
