"""Reads over Modbus TCP, compared with the synchronous client of pymodbus.

The server is a C program in a process of its own, with the registers of a simulated PM: what is
measured is the client. Without a C compiler all figures are left out. The bare socket sends the
same request, receives the reply and checks nothing: no client of Python is faster.
"""

from __future__ import annotations

import importlib.util
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from figures import HEADER, Figure, Size, alternate, cells, figure
from harness import print_table
from modbus import FORTY_ADJACENT

from watlowlib import Controller, open_device
from watlowlib.simulator import SimulatedController

SOURCE = Path(__file__).with_name("modbus_tcp_server.c")
LAST_REGISTER = 5000
PROCESS_VALUE = 360
REQUEST = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, PROCESS_VALUE, 2)
REPLY_BYTES = 13


def registers() -> bytes:
    """Return the registers of a simulated PM; one that it does not have is 0."""
    pm = SimulatedController(1, protocol="modbus_rtu", cooling=True)
    replies = (pm.modbus.reply_to(struct.pack(">BHH", 3, n, 1)) for n in range(LAST_REGISTER))
    return b"".join(each[2:4] if each[0] == 3 else b"\0\0" for each in replies)


@contextmanager
def compiled_server(compiler: str) -> Iterator[int]:
    """Compile the server, run it, and yield the number of its port."""
    with tempfile.TemporaryDirectory() as folder:
        program, image = Path(folder, "server"), Path(folder, "registers")
        subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
        image.write_bytes(registers())
        with (
            image.open("rb") as stored,
            subprocess.Popen([program], stdin=stored, stdout=subprocess.PIPE) as server,
        ):
            assert server.stdout is not None
            try:
                yield int(server.stdout.readline())
            finally:
                server.terminate()


@contextmanager
def open_pymodbus(number: int) -> Iterator[Callable[[], object]]:
    """Yield a function that reads the process value with pymodbus."""
    from pymodbus.client import ModbusTcpClient

    client: Any = ModbusTcpClient("127.0.0.1", port=number, timeout=1.0, retries=0)
    client.connect()

    def read() -> object:
        reply = client.read_holding_registers(PROCESS_VALUE, count=2, device_id=1)
        return client.convert_from_registers(
            reply.registers, client.DATATYPE.FLOAT32, word_order="little"
        )

    try:
        yield read
    finally:
        client.close()


@contextmanager
def open_socket(number: int) -> Iterator[Callable[[], object]]:
    """Yield a function that reads the process value and checks nothing."""
    with socket.create_connection(("127.0.0.1", number)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def read() -> object:
            connection.sendall(REQUEST)
            low, high = struct.unpack(">HH", connection.recv(4096)[-4:])
            return struct.unpack(">f", struct.pack(">HH", high, low))

        yield read


def reads_per_s(read: Callable[[], object], count: int) -> float:
    """Return how many times a second `read` can be called."""
    start_s = time.perf_counter()
    for _ in range(count):
        read()
    return count / (time.perf_counter() - start_s)


def polls(ctl: Controller, count: int) -> float:
    """Return how many values a second `count` values have in polls of 40."""

    def poll() -> None:
        samples = ctl.poll(FORTY_ADJACENT)
        if any(each.status != "ok" for each in samples):
            raise SystemExit(f"a read failed: {samples}")

    return len(FORTY_ADJACENT) * reads_per_s(poll, max(1, count // 10))


def figures(size: Size) -> Iterator[Figure]:
    """Yield the reads per second, beside pymodbus and a bare socket."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("Modbus TCP is left out: there is no C compiler (cc) for its server", file=sys.stderr)
        return
    rounds, reads = size.of(1, 40, 200), size.of(2, 100, 100)
    with (
        compiled_server(compiler) as number,
        open_device(f"tcp://127.0.0.1:{number}", address=1) as ctl,
        open_socket(number) as bare,
    ):
        ctl.read_pv()  # also detects the word order
        ours = {"ours": partial(reads_per_s, ctl.read_pv, reads)}
        results = alternate({**ours, "bare": partial(reads_per_s, bare, reads)}, rounds)
        yield figure("read_pv", results["ours"], "reads/s", "bare socket", results["bare"])
        if importlib.util.find_spec("pymodbus") is None:
            print("pymodbus is left out: it is not installed", file=sys.stderr)
            return
        with open_pymodbus(number) as read:
            theirs = partial(reads_per_s, read, reads)
            results = alternate({**ours, "pymodbus": theirs}, rounds)
            yield figure(
                "read_pv", results["ours"], "reads/s", "pymodbus", results["pymodbus"], ">= 3"
            )
            results = alternate({"ours": partial(polls, ctl, reads), "pymodbus": theirs}, rounds)
            yield figure(
                "40 adjacent, poll", results["ours"], "values/s", "pymodbus, single reads",
                results["pymodbus"], ">= 10",
            )  # fmt: skip


if __name__ == "__main__":
    print_table(HEADER, cells(figures(Size.QUICK)))
