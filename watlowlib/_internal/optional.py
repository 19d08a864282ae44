"""Import of optional dependencies, with an error that names the missing one."""

from __future__ import annotations

from importlib import import_module
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


def import_optional(module: str) -> Any:
    """Import `module`, one of an optional package, and return it.

    Raises:
        WatlowSinkDependencyError: It is not installed; the message has the command that
            installs it.
    """
    package = module.split(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise WatlowSinkDependencyError(
            f"this needs {package} ({error}): pip install {REQUIREMENTS[package]}"
        ) from error
