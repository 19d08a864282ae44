"""Checks of a port without opening it: its name, permission, users and latency timer."""

from __future__ import annotations

import os
import stat
import sys
from difflib import get_close_matches
from pathlib import Path

from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.errors import WatlowConnectionError
from watlowlib.transport.serial_port import port_names
from watlowlib.transport.urls import is_tcp

PROCESSES = "/proc"
ADAPTERS = "/sys/bus/usb-serial/devices"
PTY_FOLDER, PTY_MASTERS = "/dev/pts/", ("/dev/ptmx", "/dev/pts/ptmx")
LATENCY_MS = 1
"""The least latency timer of an FTDI adapter; its default is 16 ms."""


def check_name(port: str) -> Finding:
    """Check that the port exists."""
    check = "port"
    if is_tcp(port):
        return Finding(check, port, Result.OK, "a Modbus TCP server, connected below")
    if "://" in port:
        return Finding(check, port, Result.OK, "a serial device server, opened below")
    try:
        names = port_names()
    except WatlowConnectionError as error:
        return Finding(check, port, Result.UNKNOWN, error.message)
    if sys.platform == "win32":
        exists, device = port.removeprefix("\\\\.\\").upper() in map(str.upper, names), True
    else:
        exists = Path(port).exists()
        device = exists and stat.S_ISCHR(Path(port).stat().st_mode)
    if exists and device:
        return Finding(check, port, Result.OK, "it exists")
    if exists:
        advice = f"give the name of a port; {_others(names)}"
        return Finding(check, port, Result.PROBLEM, "it is not a serial port", advice)
    near = get_close_matches(port, names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    advice = f"{hint}Check the name and the cable; {_others(names)}"
    return Finding(check, port, Result.PROBLEM, "there is no such port", advice)


def _others(names: list[str]) -> str:
    if not names:
        return "this machine has no serial port"
    return f"the ports of this machine are {', '.join(names)}"


def check_permission(port: str) -> Finding:
    """Check that this user may open the port."""
    check = "permission"
    if sys.platform == "win32":
        return Finding(check, port, Result.UNKNOWN, "on this system only opening the port shows it")
    if os.access(port, os.R_OK | os.W_OK):
        return Finding(check, port, Result.OK, "this user may open it")
    mode = Path(port).stat().st_mode
    group, members, joined = _group_of(port)
    found = f"this user may not open it; it belongs to the group {group}"
    if group == "root" or mode & 0o060 != 0o060:
        advice = (
            "no group of ordinary users may open it: let the administrator add a udev rule with "
            'SUBSYSTEM=="tty", GROUP="dialout", MODE="0660"'
        )
    elif joined:
        advice = "the group is not the reason; check the access list with 'getfacl'"
    elif os.environ.get("USER") in members:
        advice = f"this user is in {group} since the last login: log out and log in again"
    else:
        advice = f"run 'sudo usermod -aG {group} $USER', then log out and log in again"
    return Finding(check, port, Result.PROBLEM, found, advice)


def _group_of(port: str) -> tuple[str, list[str], bool]:
    """Return the group of the port, its members, and whether this process is in it."""
    import grp

    number = Path(port).stat().st_gid
    joined = number in os.getgroups()
    try:
        group = grp.getgrgid(number)
    except KeyError:
        return str(number), [], joined
    return group.gr_name, group.gr_mem, joined


def check_users(port: str) -> Finding:
    """Check that no other program has the port open."""
    check = "other programs"
    if not Path(PROCESSES).is_dir():
        found = "this system does not list the programs that use a port"
        return Finding(check, port, Result.UNKNOWN, found)
    users, hidden = _programs_with(os.path.realpath(port))
    if not users:
        rest = f" (not visible to this user: {hidden})" if hidden else ""
        return Finding(check, port, Result.OK, f"no other program has it open{rest}")
    names = ", ".join(f"{name} (pid {pid})" for pid, name in users)
    numbers = ",".join(str(pid) for pid, _ in users)
    advice = f"end it first; 'ps -fp {numbers}' shows it"
    return Finding(check, port, Result.PROBLEM, f"{names} has it open", advice)


def _programs_with(device: str) -> tuple[list[tuple[int, str]], int]:
    """Return the pids and names of the programs that have `device` open, and how many hide it."""
    users: list[tuple[int, str]] = []
    hidden = 0
    for folder in Path(PROCESSES).iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            files = _open_files(folder)
            if device in files and not _is_other_end(device, files):
                users.append((int(folder.name), (folder / "comm").read_text("utf-8").strip()))
        except PermissionError:
            hidden += 1
        except OSError:
            continue  # it has just ended
    return sorted(users), hidden


def _open_files(folder: Path) -> set[str]:
    files = set()
    for link in (folder / "fd").iterdir():
        try:
            files.add(str(link.readlink()))
        except FileNotFoundError:
            continue  # just closed
    return files


def _is_other_end(device: str, files: set[str]) -> bool:
    """Whether a program with these open files is at the other end of a pseudo terminal."""
    return device.startswith(PTY_FOLDER) and not files.isdisjoint(PTY_MASTERS)


def check_latency(port: str) -> Finding:
    """Check the latency timer of an FTDI adapter; the port is open, which may set it."""
    check = "latency timer"
    if not sys.platform.startswith("linux"):
        advice = (
            "if it is an FTDI adapter, set its latency timer to 1 ms in the properties of the port"
        )
        return Finding(check, port, Result.UNKNOWN, "not readable on this system", advice)
    path = Path(ADAPTERS, Path(os.path.realpath(port)).name, "latency_timer")
    try:
        milliseconds = int(path.read_text("ascii"))
    except (OSError, ValueError):
        return Finding(check, port, Result.OK, "none, the port is not an FTDI adapter")
    details = {"latency_timer_ms": milliseconds}
    if milliseconds <= LATENCY_MS:
        return Finding(check, port, Result.OK, f"{milliseconds} ms", details=details)
    found = f"{milliseconds} ms: each read takes up to this much longer"
    advice = f"run 'echo {LATENCY_MS} | sudo tee {path}' after each time it is plugged in"
    return Finding(check, port, Result.WARNING, found, advice, details)
