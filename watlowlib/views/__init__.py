"""Views of recordings: `plot` draws them, `live` while they run, `step_response` measures them.

Names are imported on first use: numpy and matplotlib are optional.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from watlowlib._internal.optional import import_optional

if TYPE_CHECKING:
    from watlowlib.views.live_plot import live
    from watlowlib.views.plotting import plot, step_response

__all__ = ["live", "plot", "step_response"]

_MODULES = {"live": "live_plot", "plot": "plotting", "step_response": "plotting"}

if not TYPE_CHECKING:  # with `__getattr__`, a type checker would accept any misspelt name

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import_optional("numpy", "pyarrow", "matplotlib", "plotly")
        import_optional("pyarrow", "matplotlib", "plotly")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
