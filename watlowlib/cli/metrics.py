"""The options of commands that serve metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from watlowlib.cli.types import TCP_PORT
from watlowlib.views.web.metrics import MetricsServer
from watlowlib.views.web.serving import DEFAULT_HOST

OPTIONS = (
    click.option(
        "--metrics", "metrics_port", type=TCP_PORT, metavar="PORT",
        help="Serve metrics for Prometheus on this port.",
    ),
    click.option(
        "--metrics-host", metavar="HOST",
        help="The address of the metrics, without a token: everyone who can reach it can read "
        "them.  "
        "[default: 127.0.0.1]",
    ),
)  # fmt: skip


def metrics_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets a server that is not entered yet, or None."""

    @wraps(function)
    def packed(metrics_port: int | None, metrics_host: str | None, **given: Any) -> None:
        metrics = None
        if metrics_port is not None:
            metrics = MetricsServer(metrics_port, metrics_host or DEFAULT_HOST)
        elif metrics_host is not None:
            raise click.UsageError("--metrics-host needs --metrics PORT, such as --metrics 9187")
        function(metrics=metrics, **given)

    for option in reversed(OPTIONS):
        packed = option(packed)
    return packed


def metrics_words(metrics: MetricsServer) -> tuple[str, ...]:
    """Return the options of a command line that serves the same metrics."""
    return "--metrics", str(metrics.port), "--metrics-host", metrics.host
