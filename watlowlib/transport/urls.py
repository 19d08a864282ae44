"""URLs of ports: `tcp://` is a Modbus TCP server, `socket://` and `rfc2217://` a serial line."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from watlowlib.errors import WatlowConfigurationError

TCP = "tcp://"
DEVICE_SERVERS = ("socket://", "rfc2217://")
"""How the URLs of serial device servers begin."""

MODBUS_PORT = 502
"""The port of Modbus TCP servers. Source: Modbus messaging on TCP/IP 1.0b."""


class Server(NamedTuple):
    """The place of a server."""

    host: str
    number: int

    @property
    def url(self) -> str:
        """Its URL; the same for all spellings."""
        return f"{TCP}{_bracketed(self.host)}:{self.number}"


def is_tcp(port: object) -> bool:
    """Whether a port is the URL of a Modbus TCP server."""
    return isinstance(port, str) and port[: len(TCP)].lower() == TCP


def server_of(port: str) -> Server:
    """Return the place of the Modbus TCP server `port`.

    >>> server_of("tcp://Gateway.lab")
    Server(host='gateway.lab', number=502)

    Raises:
        WatlowConfigurationError: It has no host, or has another part than host and port number.
    """
    from urllib.parse import urlsplit  # only ports with such a name need it

    try:
        url = urlsplit(port)
        number = MODBUS_PORT if url.port is None else url.port
        plain = not (url.path.strip("/") or url.query or url.fragment or "@" in url.netloc)
    except ValueError:
        plain = False
    if not plain or not url.hostname or not number:
        raise WatlowConfigurationError(
            f"port={port[:80]!r}: give tcp://host or tcp://host:port, without anything after it, "
            "and an IPv6 address in brackets, such as tcp://[fd00::2]; the unit id is the address"
        )
    return Server(_canonical(url.hostname), number)


def device_server_key(url: str) -> str:
    """Return a `socket://` or `rfc2217://` URL; the same for all spellings of its host.

    >>> device_server_key("SOCKET://[0:0::1]:4001/")
    'socket://[::1]:4001'
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:
        return url  # it cannot be opened
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{_bracketed(_canonical(parts.hostname or ''))}:{number}{query}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _canonical(host: str) -> str:
    """Return a host name as it is, and the one spelling of an IPv6 address."""
    import socket  # only such ports need it

    address, percent, interface = host.partition("%")
    with suppress(OSError, ValueError):
        address = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address))
    # RFC 6874 writes the % before the interface as %25; a number is that of an interface.
    if interface[:2] == "25" and not interface.isdecimal():
        interface = interface[2:]
    return f"{address}{percent}{interface}"


def tcp_hint(port: str, *, lost: bool = False) -> str:
    """Return what to give instead if the serial line `port` may be a Modbus TCP server.

    That is one with the port number of Modbus TCP, or one whose connection was `lost`: such a
    server ends it after bytes of another protocol.
    """
    if port[:9].lower() != "socket://":
        return ""
    host = port[9:].rstrip("/")
    if host.endswith(f":{MODBUS_PORT}"):
        host = host.rpartition(":")[0]
    elif not lost:
        return ""
    return f"; for a Modbus TCP server give '{TCP}{host}'"
