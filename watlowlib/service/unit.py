"""The systemd unit of a service: its text, and the files in which it is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.rig.values import Rig
from watlowlib.service.notify import watchdog_s
from watlowlib.sinks.choose import URLS

MARK = "# Written by watlowlib. Rig file: "
"""The beginning of each unit of ours, before the path of its rig file."""

SYSTEM_UNITS = Path("/etc/systemd/system")

FOR_ALL = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
"""
FOR_SYSTEM = """\
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
"""
"""Settings that a user's own systemd cannot apply."""


@dataclass(frozen=True)
class Unit:
    """A unit that records a rig file.

    Attributes:
        rig: The rig file.
        name: The name without "watlowlib-" and ".service".
        run_as: The user of a system unit; None for a user unit.
        group: The group that may open serial ports, for a system unit; None if there is none.
        python: The interpreter that has this library.
        options: Further options of `watlowlib run`.
    """

    rig: Rig
    name: str
    run_as: str | None = None
    group: str | None = None
    python: str = sys.executable
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, given in {"name": self.name, "run-as": self.run_as}.items():
            if given is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", given):
                raise WatlowConfigurationError(
                    f"{what}={shown(given)}: give letters, digits, and the characters _ . -; the "
                    "first one is a letter, a digit or _"
                )

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"watlowlib-{self.name}.service"

    @property
    def path(self) -> Path:
        """Where its file is."""
        if self.run_as is not None:
            return SYSTEM_UNITS / self.file_name
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return base / "systemd" / "user" / self.file_name

    @property
    def systemctl(self) -> str:
        """The command that controls it."""
        return "systemctl" if self.run_as is not None else "systemctl --user"

    def text(self) -> str:
        """Return the contents of its file."""
        seconds = watchdog_s(self.rig)
        run = [self.python, "-m", "watlowlib"]
        file = str(self.rig.path)
        system = self.run_as is not None
        return (
            f"{MARK}{_one_line(file)}\n"
            "[Unit]\n"
            f"Description=watlowlib records {_specifiers(file)}\n"
            + "After=network-online.target time-sync.target\nWants=network-online.target\n"
            * system
            + "StartLimitIntervalSec=0\n\n"
            "[Service]\n"
            "Type=notify\n"
            f"ExecStart={_command([*run, 'run', file, '--service', *self.options])}\n"
            f"ExecReload={_command([*run, 'reload', file])}\n"
            # In a user's home a folder named watlowlib could be imported instead of this library.
            "WorkingDirectory=/\n"
            "Restart=on-failure\n"
            "RestartSec=10\n"
            "SuccessExitStatus=143\n"
            f"WatchdogSec={seconds}\n"
            f"TimeoutStartSec={max(90, seconds)}\n"
            "TimeoutStopSec=120\n"
            "StateDirectory=watlowlib\n"
            "StateDirectoryMode=0700\n"
            f"RuntimeDirectory=watlowlib/{self.name}\n"
            "RuntimeDirectoryMode=0700\n"
            f"EnvironmentFile=-%E/watlowlib/{self.name}.env\n"
            + self._system_part()
            + FOR_ALL
            + f"\n[Install]\nWantedBy={'multi-user' if system else 'default'}.target\n"
        )

    def _system_part(self) -> str:
        if self.run_as is None:
            return ""
        folders = "".join(f" {_quoted(each)}" for each in self._output_folders())
        return (
            f"User={self.run_as}\n"
            + f"SupplementaryGroups={self.group}\n" * bool(self.group)
            + "Environment=XDG_STATE_HOME=%S\n"
            f"{FOR_SYSTEM}" + f"ReadWritePaths={folders.strip()}\n" * bool(folders)
        )

    def _output_folders(self) -> list[str]:
        urls = [sink.url for sink in self.rig.record.sinks if not sink.url.startswith(URLS)]
        return list(dict.fromkeys(str(Path(url).parent) for url in urls))

    def install(self) -> None:
        """Write its file.

        Raises:
            WatlowConfigurationError: There is a file of this name that is not ours, or for
                another rig file; or it cannot be written.
        """
        self._check_ours()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(self.text(), "utf-8")
        except OSError as error:
            raise WatlowConfigurationError(
                f"{self.path} cannot be written: {error.strerror}; a system unit needs root"
            ) from error

    def uninstall(self) -> None:
        """Remove its file, and the link that starts it at boot.

        Raises:
            WatlowConfigurationError: There is none, it is not ours, or it cannot be removed.
        """
        self._check_ours()
        if not self.path.exists():
            raise WatlowConfigurationError(f"there is no {self.path}")
        target = "default.target" if self.run_as is None else "multi-user.target"
        try:
            (self.path.parent / f"{target}.wants" / self.file_name).unlink(missing_ok=True)
            self.path.unlink()
        except OSError as error:
            raise WatlowConfigurationError(
                f"{self.path} cannot be removed: {error.strerror}"
            ) from error

    def _check_ours(self) -> None:
        if not self.path.exists():
            return
        first = self.path.read_text("utf-8", "replace").partition("\n")[0]
        if first != f"{MARK}{_one_line(str(self.rig.path))}":
            raise WatlowConfigurationError(
                f"{self.path} exists and is not the unit for {self.rig.path}; give another --name"
            )


def serial_group() -> str | None:
    """Return the group of this machine that may open serial ports; None if there is none."""
    import grp

    for name in ("dialout", "uucp"):
        with suppress(KeyError):
            return grp.getgrnam(name).gr_name
    return None


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise WatlowConfigurationError(f"{shown(text)}: a unit cannot have this path; rename it")
    return text


def _specifiers(text: str) -> str:
    """Return a text in which % stands for itself."""
    return _one_line(text).replace("%", "%%")


def _quoted(text: str) -> str:
    escaped = _specifiers(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _command(words: Sequence[str]) -> str:
    """Return a command line in which $ stands for itself."""
    return " ".join(_quoted(word).replace("$", "$$") for word in words)
