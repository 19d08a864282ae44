"""Where the service of a rig file is reached: a socket in a folder that only its owner may open.

The names of the socket and of its lock are a digest of the file's path. The service holds the lock
as long as it runs. The holder of the lock may remove a socket that a killed service has left. On
Windows, which has no Unix sockets in Python, the socket is a TCP port on 127.0.0.1. A file has the
number of the port and a token that each request must contain.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import stat
import struct
from contextlib import suppress
from io import FileIO
from pathlib import Path

from watlowlib._internal.folders import state_folder
from watlowlib._internal.process import abandon_in_child
from watlowlib.errors import WatlowConfigurationError, WatlowError, WatlowPortBusyError

UNIX = hasattr(socket, "AF_UNIX") and os.name != "nt"
LOCALHOST = "127.0.0.1"
MOST_WAITING = 8
"""How many connections may wait to be accepted."""

SYSTEM_FOLDER = Path("/run/watlowlib")
"""Where system units have a folder for each service."""

LOCK_AT = 1 << 20
"""Where Windows locks the file: a locked byte cannot be read, and the first ones are the pid."""


def name_of(rig_file: Path) -> str:
    """Return the name of the socket for a rig file, without an extension."""
    return hashlib.sha256(os.fsencode(rig_file.resolve())).hexdigest()[:16]


def service_folder() -> Path:
    """Return the folder for the socket of a service that is started here."""
    if given := os.environ.get("RUNTIME_DIRECTORY"):  # systemd sets it
        return Path(given.partition(":")[0])
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given) / "watlowlib"
    return state_folder() / "run"


def places() -> list[Path]:
    """Return the folders in which a service may have made its socket.

    systemd makes a folder for each unit in that of its user, or of the system.
    """
    bases = [service_folder(), state_folder() / "run"]
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        bases.append(Path(given) / "watlowlib")
    if hasattr(os, "getuid"):
        bases.append(Path(f"/run/user/{os.getuid()}/watlowlib"))
    folders = []
    for base in [*bases, SYSTEM_FOLDER]:
        folders.append(base)
        with suppress(OSError):
            folders += sorted(base.iterdir())
    return list(dict.fromkeys(folders))


def connect(
    rig_file: Path, timeout_s: float, *, unix: bool = UNIX
) -> tuple[socket.socket, str] | None:
    """Return a connection to the service of a rig file, and its token; None if none runs.

    Raises:
        WatlowPortBusyError: The service has too many connections that wait.
    """
    name = name_of(rig_file)
    for folder in places():
        try:
            connection, token = _connect(folder / name, timeout_s, unix=unix)
        except BlockingIOError as error:
            raise WatlowPortBusyError(
                f"the service for {rig_file} does not accept connections; try again later"
            ) from error
        except (OSError, ValueError, KeyError):
            continue
        if os.name == "nt" or os.geteuid() == 0 or _is_ours(connection):
            return connection, token
        connection.close()  # another user offers it
    return None


def _connect(path: Path, timeout_s: float, *, unix: bool) -> tuple[socket.socket, str]:
    address: str | tuple[str, int] = f"{path}.sock"
    token = ""
    if not unix:
        found = json.loads(Path(f"{path}.port").read_text("utf-8"))
        address, token = (LOCALHOST, int(found["port"])), str(found["token"])
    connection = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection, token


def _is_ours(connection: socket.socket) -> bool:
    """Whether the program at the other end is our user's, or root's, as far as that is known."""
    peer_credentials = getattr(socket, "SO_PEERCRED", None)
    if peer_credentials is None or connection.family == socket.AF_INET:
        return True
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, peer_credentials, size)
    )
    return user in (0, os.geteuid())


class Endpoint:
    """The listening socket for a rig file.

    Args:
        rig_file: The rig file.
        unix: Whether to use a Unix socket.

    Raises:
        WatlowPortBusyError: A service for this file runs; the message has its pid.
        WatlowConfigurationError: The folder belongs to another user, cannot be made, or its path
            is too long.
    """

    def __init__(self, rig_file: Path, *, unix: bool = UNIX) -> None:
        self.unix = unix
        self.token = "" if unix else secrets.token_hex(32)
        folder = service_folder()
        name = name_of(rig_file)
        self._path = folder / f"{name}.{'sock' if unix else 'port'}"
        try:
            _make_private(folder)
            self._lock = _locked(folder / f"{name}.lock", rig_file)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise WatlowConfigurationError(
                f"{folder} cannot have the socket of a service: {error.strerror}; set "
                "XDG_RUNTIME_DIR to a folder in which you can write"
            ) from error
        try:
            _check_alone(folder, name, rig_file)
            self.listener = self._listen()
        except BaseException:
            self._lock.close()
            raise
        abandon_in_child(self.listener)

    def may_ask(self, connection: socket.socket) -> bool:
        """Whether the program at the other end may send requests: it is our user's, or root's."""
        return _is_ours(connection)

    def accepts(self, token: object) -> bool:
        """Whether a request has the token."""
        return hmac.compare_digest(self.token.encode(), str(token or "").encode())

    def close(self) -> None:
        """Remove the socket and release the lock."""
        self.listener.close()
        self._path.unlink(missing_ok=True)
        self._lock.close()

    def _listen(self) -> socket.socket:
        self._path.unlink(missing_ok=True)  # of a service that was killed: we have its lock
        listener = socket.socket(
            socket.AF_UNIX if self.unix else socket.AF_INET, socket.SOCK_STREAM
        )
        try:
            if self.unix:
                self._bind(listener)
            else:
                listener.bind((LOCALHOST, 0))
            listener.listen(MOST_WAITING)
            if not self.unix:
                self._write_port(listener.getsockname()[1])
        except BaseException:
            listener.close()
            raise
        return listener

    def _bind(self, listener: socket.socket) -> None:
        try:
            listener.bind(str(self._path))
        except OSError as error:
            if "too long" not in str(error):
                raise WatlowError(f"{self._path}: no socket can be made: {error}") from error
            raise WatlowConfigurationError(
                f"{self._path}: the path is too long for a socket; set XDG_RUNTIME_DIR to a folder "
                "with a shorter path"
            ) from error
        self._path.chmod(0o600)

    def _write_port(self, number: int) -> None:
        text = json.dumps({"port": number, "token": self.token})
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "geteuid"):
        return  # the user's folders on Windows are private
    found = folder.stat()
    # Another user may have put a link to a folder of ours there.
    if found.st_uid != os.geteuid() or folder.lstat().st_uid not in (0, os.geteuid()):
        raise WatlowConfigurationError(
            f"{folder} belongs to another user and cannot be used for the socket of a service; set "
            "XDG_RUNTIME_DIR to a folder of your own"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def _check_alone(folder: Path, name: str, rig_file: Path) -> None:
    """Check that no service for the file runs that has its lock in another folder.

    Raises:
        WatlowPortBusyError: One does.
    """
    for other in places():
        path = other / f"{name}.lock"
        try:
            if not path.exists() or other.samefile(folder):
                continue
            _locked(path, rig_file).close()
        except PermissionError:
            continue  # of another user


def _locked(path: Path, rig_file: Path) -> FileIO:
    """Return the open lock file, which has our pid; it is locked until it is closed."""
    file = FileIO(str(path), "a+")
    if _try_lock(file):
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        abandon_in_child(file)
        return file
    file.seek(0)
    pid = file.read(20).decode("ascii", "replace").strip() or "unknown"
    file.close()
    raise WatlowPortBusyError(
        f"a service for {rig_file} runs already: pid {pid}; stop it first, or make it load the "
        "file again with 'watlowlib reload'"
    )


def _try_lock(file: FileIO) -> bool:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        file.seek(LOCK_AT)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
