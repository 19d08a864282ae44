"""Detects an installation that another distribution has overwritten.

The distribution `watlowlib` is another library with the same import name. Installed beside
`watlowlib-threaded`, each overwrites files of the other, and neither works.
"""

from __future__ import annotations

import os

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
"""The folder that contains the package; pathlib would double the time of an import."""


def check_installation(folder: str = FOLDER) -> None:
    """Refuse to run with the files of another distribution among ours.

    Raises:
        ImportError: `folder` contains the distribution `watlowlib` too.
    """
    for entry in os.listdir(folder):  # noqa: PTH208
        if entry.startswith("watlowlib-") and entry.endswith((".dist-info", ".egg-info")):
            raise ImportError(
                "the distribution 'watlowlib' is another library and has overwritten files of "
                "'watlowlib-threaded'; run 'pip uninstall watlowlib', then install "
                "watlowlib-threaded again with 'pip install --force-reinstall'"
            )


check_installation()
