"""Ctrl-C at each place in the code where Python can raise `KeyboardInterrupt`, one by one.

Python runs signal handlers between two instructions of the main thread: after a call, at the
backward jump of a loop, and at the start of a function. `CtrlC` counts these places and raises
`KeyboardInterrupt` at the one given.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType, ModuleType
from typing import Any

SIGNAL_CHECKS = ("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "RESUME", "GEN_START")
"""Python checks for signals after these instructions."""


class CtrlC:
    """Raises `KeyboardInterrupt` at place number `place` in `modules`, in a `with` block.

    Attributes:
        raised: Whether it was raised; False if there are fewer places.
    """

    def __init__(self, place: int, *modules: ModuleType) -> None:
        self.raised = False
        self._left = place
        self._files = {module.__file__ for module in modules}
        self._last: dict[FrameType, str] = {}
        self._names: dict[CodeType, dict[int, str]] = {}

    def __enter__(self) -> CtrlC:
        # Python 3.12 checks this flag only when tracing is set.
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
            if self._last.get(frame, "").startswith(SIGNAL_CHECKS):
                if not self._left:
                    sys.settrace(None)
                    self.raised = True
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
