"""Import of optional dependencies, with an error that names the missing one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from watlowlib.errors import WatlowSinkDependencyError

REQUIREMENTS = {
    "bottle": "bottle",
    "cheroot": "cheroot",
    "dateutil": "python-dateutil",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "plotly": "plotly",
    "polars": "polars",
    "prometheus_client": "prometheus-client",
    "psycopg": "'psycopg[binary]'",
    "psycopg_pool": "psycopg_pool",
    "pyarrow": "pyarrow",
    "xlsxwriter": "xlsxwriter",
}
"""What to give pip, by package. Not our extras: pip would look for them in another library."""


def import_optional(module: str, *others: str) -> Any:
    """Import `module`, one of an optional package, and return it.

    `others` are packages that the caller may need next. If `module` is missing, the message
    names those of them that are missing too, so that one command installs all.

    Raises:
        WatlowSinkDependencyError: It is not installed; the message has the command that
            installs it.
    """
    package = module.split(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        missing = [package, *(each for each in others if find_spec(each) is None)]
        command = " ".join(["pip install", *(REQUIREMENTS[each] for each in missing)])
        raise WatlowSinkDependencyError(f"this needs {package} ({error}): {command}") from error
