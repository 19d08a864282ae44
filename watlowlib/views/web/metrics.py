"""Serves the metrics of a recording to Prometheus, at /metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.model import Sample, SinkReport
from watlowlib.streaming.recorder import Recording
from watlowlib.views.web.guard import Guard, Wsgi, guarded
from watlowlib.views.web.serving import DEFAULT_HOST, Serving

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


class MetricsServer(Serving):
    """A server of metrics, in a `with` statement; it has none until `show` is called.

    Args:
        host: The address to listen on. Everyone who can reach it can read the metrics: there is no
            token.
        port: The port; 0 for any that is free.

    Raises:
        WatlowSinkDependencyError: prometheus-client or cheroot is not installed.
    """

    _path = "metrics"
    _is_open = True

    def __init__(self, port: int, host: str = DEFAULT_HOST) -> None:
        import_optional("prometheus_client")
        super().__init__(host, port)
        self._scrape: Wsgi = _no_recording

    def show(
        self,
        recording: Recording,
        latest: Callable[[], Iterable[Sample]],
        outputs: Callable[[], Iterable[tuple[str, SinkReport]]],
        rules: Callable[[], Iterable[dict[str, Any]]] = tuple,
    ) -> None:
        """Serve the metrics of a recording; see `Metrics` for the arguments."""
        from prometheus_client import make_wsgi_app

        from watlowlib.views.metrics import Metrics

        self._scrape = make_wsgi_app(Metrics(recording, latest, outputs, rules).registry())

    def _make_app(self, guard: Guard) -> Wsgi:
        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] != "/metrics":
                start_response("404 Not Found", TEXT)
                return [b"The metrics are at /metrics.\n"]
            if environ["REQUEST_METHOD"] == "HEAD":
                start_response("200 OK", TEXT)
                return []
            return self._scrape(environ, start_response)

        return guarded(app, guard)


def _no_recording(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("503 Service Unavailable", TEXT)
    return [b"The recording has not begun.\n"]
