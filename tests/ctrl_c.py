"""Ctrl-C at each place where it can come, one after the other.

A signal's handler runs between two instructions of the main thread: after a call, on the way
back in a loop, and where a function begins. `Pressed` counts these places and raises
`KeyboardInterrupt` at the one that is wanted.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType, ModuleType
from typing import Any

BEFORE = ("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "RESUME", "GEN_START")
"""After these instructions a signal is looked for."""


class Pressed:
    """Ctrl-C at place number `place` of those in `modules`, within a `with` block.

    Attributes:
        came: Whether there are so many places; if not, it was not pressed.
    """

    def __init__(self, place: int, *modules: ModuleType) -> None:
        self.came = False
        self._left = place
        self._files = {module.__file__ for module in modules}
        self._last: dict[FrameType, str] = {}
        self._names: dict[CodeType, dict[int, str]] = {}

    def __enter__(self) -> Pressed:
        # Python 3.12 looks for this when tracing is set, not later.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)
        self._last.clear()

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        frame.f_trace_opcodes = True
        if event == "return":
            self._last.pop(frame, None)
        elif event == "opcode":
            if self._last.get(frame, "").startswith(BEFORE):
                if not self._left:
                    sys.settrace(None)
                    self.came = True
                    raise KeyboardInterrupt
                self._left -= 1
            self._last[frame] = self._name(frame)
        return self._trace

    def _name(self, frame: FrameType) -> str:
        names = self._names.get(frame.f_code)
        if names is None:
            names = {each.offset: each.opname for each in dis.get_instructions(frame.f_code)}
            self._names[frame.f_code] = names
        return names[frame.f_lasti]
