"""A headless Chromium, driven by the DevTools protocol through a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 30.0

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--hide-scrollbars", "--disable-extensions", "--disable-background-networking",
    "--remote-debugging-pipe",
)  # fmt: skip


LAUNCH = """
import os, sys
reads, writes = (os.dup(os.dup(os.dup(int(each)))) for each in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts the browser with its pipes as descriptors 3 and 4, where it looks for them."""


def chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One tab of a running Chromium."""

    def __init__(self, commands: int, replies: int) -> None:
        self._commands, self._replies = commands, replies
        self._number = 0
        self._session: str | None = None
        self._rest = b""
        self.messages: list[str] = []
        """What the page wrote to its console: errors, and what the policy has refused."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until_s = time.monotonic() + PATIENCE_S
        while True:
            reply = self._read(until_s)
            if reply.get("id") == self._number:
                assert "error" not in reply, reply
                return dict(reply["result"])
            if reply.get("method") == "Log.entryAdded":
                self.messages.append(reply["params"]["entry"]["text"])
            elif reply.get("method") == "Runtime.exceptionThrown":
                self.messages.append(str(reply["params"]["exceptionDetails"]))

    def _read(self, until_s: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select([self._replies], [], [], max(0.0, until_s - time.monotonic()))
            assert ready, "the browser does not reply"
            data = os.read(self._replies, 1 << 16)
            assert data, "the browser has ended"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(text))

    def show(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the size of the window and the preferred colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Open a page."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression, after its promise if it is one."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression is true; it is evaluated at each change."""
        promise = f"""new Promise((done, fail) => {{
            const test = () => {{ try {{ return {condition}; }} catch {{ return false; }} }};
            const look = () => {{ if (test()) {{ clearInterval(timer); done(true); }} }};
            const timer = setInterval(look, 20);
            setTimeout(() => fail("never: " + {json.dumps(condition)}), {PATIENCE_S * 500});
            look();
        }})"""
        assert self.evaluate(promise) is True

    def press(self, key: str) -> None:
        """Press a key."""
        text = key if len(key) == 1 else ""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser with a new profile."""
    program = chromium()
    assert program is not None
    to_browser, commands = os.pipe()
    replies, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(to_browser), str(from_browser), program,
             *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Browser(commands, replies)
        finally:
            with suppress(OSError):
                os.close(commands)
            process.terminate()
            process.wait(PATIENCE_S)
            os.close(replies)
