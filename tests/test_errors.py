from __future__ import annotations

import inspect
import pickle
import re

import watlowlib
from watlowlib import errors
from watlowlib.errors import ErrorContext, WatlowDeviceError, WatlowError, WatlowTimeoutError


def error_types() -> dict[str, type[WatlowError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, WatlowError) and kind.__name__ == name
    }


def documented_tree() -> dict[str, tuple[str | None, str | None]]:
    """Return the tree in the docstring: each error's parent and builtin base."""
    found: dict[str, tuple[str | None, str | None]] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([ │├└─]*)(Watlow\w+)(?: \(([\w, ]+)\))?", line)
        if match:
            depth, name, builtin = len(match[1]), match[2], match[3]
            path = [(d, n) for d, n in path if d < depth]
            found[name] = (path[-1][1] if path else None, builtin)
            path.append((depth, name))
    return found


def test_documented_tree_matches_the_classes() -> None:
    tree = documented_tree()
    assert set(tree) == set(error_types())
    for name, (parent, builtin) in tree.items():
        bases = [base.__name__ for base in error_types()[name].__bases__]
        expected = [parent or "Exception", *(builtin.split(", ") if builtin else [])]
        assert bases == expected, name


def test_all_errors_are_public() -> None:
    assert set(error_types()) <= set(watlowlib.__all__)


def test_all_public_names_exist() -> None:
    assert all(hasattr(watlowlib, name) for name in watlowlib.__all__)


def test_message_includes_the_context() -> None:
    context = ErrorContext(
        port="/dev/ttyUSB0", address=3, parameter="setpoint", parameter_id=7001, instance=2,
        elapsed_s=0.5,
    )  # fmt: skip
    error = WatlowTimeoutError("no reply", context=context)
    assert str(error) == (
        "no reply (port /dev/ttyUSB0, address 3, setpoint 7001 instance 2, after 0.500 s)"
    )


def test_errors_can_be_pickled() -> None:
    for kind in error_types().values():
        error = kind("what happened", context=ErrorContext(port="COM3", reply=b"\x02\x85"))
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        assert (str(copy), copy.context) == (str(error), error.context)
    code = pickle.loads(pickle.dumps(WatlowDeviceError("no", code=0x85))).code
    assert code == 0x85
