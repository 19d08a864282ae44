"""The health of a recording as metrics for Prometheus, computed at each scrape.

Nothing is counted here: the counters are those of the recording, its controllers and its sinks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from watlowlib._internal.validation import masked
from watlowlib._version import __version__
from watlowlib.model import Sample, SinkReport
from watlowlib.protocol.stats import DeviceStats, PortStats
from watlowlib.streaming.recorder import Recording

SERIES = ("controller", "parameter", "parameter_instance")
"""The labels of a value. Prometheus has its own label `instance`: the address of the scrape."""

LINE_KINDS = (
    "retries",
    "timeouts",
    "crc_errors",
    "late_replies",
    "frames_skipped",
    "echoes_skipped",
    "outages",
)
"""The fields of `DeviceStats` that are exported as kinds of `watlowlib_line_errors_total`."""

Latest = Callable[[], Iterable[Sample]]
Outputs = Callable[[], Iterable["tuple[str, SinkReport]"]]
RuleReports = Callable[[], Iterable["dict[str, Any]"]]


class Metrics:
    """A collector of prometheus-client for one recording.

    Args:
        recording: The recording.
        latest: Returns the latest sample of each parameter that is still recorded.
        outputs: Returns the name and the report of each sink.
        rules: Returns the reports of the rules; see `watlowlib.Rules.report`.
    """

    def __init__(
        self, recording: Recording, latest: Latest, outputs: Outputs, rules: RuleReports = tuple
    ) -> None:
        self._recording = recording
        self._latest = latest
        self._outputs = outputs
        self._rules = rules

    def registry(self) -> CollectorRegistry:
        """Return a registry with these metrics alone."""
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    def describe(self) -> list[Metric]:
        """Return nothing: the registry need not check names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics at this moment."""
        yield from self._ticks()
        yield self._reads()
        yield from self._line()
        yield from self._sinks()
        yield from self._values()
        yield from self._rule_counts()

    def _ticks(self) -> Iterator[Metric]:
        summary = self._recording.summary
        info = GaugeMetricFamily("watlowlib_info", "The version of watlowlib.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield GaugeMetricFamily(
            "watlowlib_start_time_seconds",
            "When the first tick was due.",
            summary.started_at.timestamp(),
        )
        slots = sum(each.emitted + each.skipped + each.dropped for each in summary.rates)
        yield CounterMetricFamily("watlowlib_ticks", "Slots of all rates up to now.", slots)
        late = CounterMetricFamily(
            "watlowlib_ticks_late",
            "Slots without rows: skipped because a tick took too long, or dropped because the "
            "consumer was too slow.",
            labels=["reason"],
        )
        late.add_metric(["skipped"], summary.ticks_skipped)
        late.add_metric(["dropped"], summary.ticks_dropped)
        yield late
        yield GaugeMetricFamily(
            "watlowlib_drift_seconds",
            "The largest delay of a tick's reads behind its slot since the start.",
            summary.max_drift_ms / 1e3,
        )
        yield CounterMetricFamily(
            "watlowlib_disconnects", "How often a port was lost.", summary.disconnects
        )

    def _reads(self) -> Metric:
        reads = CounterMetricFamily(
            "watlowlib_reads",
            "Reads by status: ok, or why there is no value.",
            labels=["controller", "status"],
        )
        for device, counts in self._recording.reads.by_status().items():
            for status, count in counts.items():
                reads.add_metric([device, status], count)
        return reads

    def _line(self) -> Iterator[Metric]:
        replies = CounterMetricFamily(
            "watlowlib_replies", "Requests that got a reply.", labels=["controller"]
        )
        errors = CounterMetricFamily(
            "watlowlib_line_errors",
            "Retries, timeouts, damaged frames and so on.",
            labels=["controller", "kind"],
        )
        reconnects = CounterMetricFamily(
            "watlowlib_port_reconnects", "How often a port was opened again.", labels=["port"]
        )
        for name, stats in self._recording.stats.items():
            if isinstance(stats, PortStats):
                reconnects.add_metric([masked(name)], stats.reconnects)
            elif isinstance(stats, DeviceStats):
                counts = asdict(stats)
                replies.add_metric([name], stats.exchanges)
                for kind in LINE_KINDS:
                    errors.add_metric([name, kind], counts[kind])
        yield from (replies, errors, reconnects)

    def _sinks(self) -> Iterator[Metric]:
        rows = CounterMetricFamily(
            "watlowlib_sink_rows",
            "Rows that the sink has taken: in their final place, or waiting in its spool.",
            labels=["sink"],
        )
        lost = CounterMetricFamily("watlowlib_sink_rows_lost", "Rows lost.", labels=["sink"])
        waiting = GaugeMetricFamily(
            "watlowlib_sink_rows_waiting",
            "Rows in the spool of the sink, to be sent to the server.",
            labels=["sink"],
        )
        taken, gone, spooled = Counter[str](), Counter[str](), Counter[str]()
        for name, report in self._outputs():  # several sinks may have the same name
            # The sum never decreases; rows move from one to the other.
            taken[name] += report.rows_written + report.rows_waiting
            gone[name] += report.rows_lost
            spooled[name] += report.rows_waiting
        for name in taken:
            rows.add_metric([name], taken[name])
            lost.add_metric([name], gone[name])
            waiting.add_metric([name], spooled[name])
        yield from (rows, lost, waiting)

    def _rule_counts(self) -> Iterator[Metric]:
        fired = CounterMetricFamily(
            "watlowlib_rule_firings", "How often a rule has fired.", labels=["rule"]
        )
        failed = CounterMetricFamily(
            "watlowlib_rule_failures", "Commands and writes that failed.", labels=["rule"]
        )
        active = GaugeMetricFamily(
            "watlowlib_rule_active", "1 while the rule has fired and still holds.", labels=["rule"]
        )
        for each in self._rules():
            fired.add_metric([each["name"]], each["firings"])
            failed.add_metric([each["name"]], each["failures"])
            active.add_metric([each["name"]], each["state"] == "active")
        yield from (fired, failed, active)

    def _values(self) -> Iterator[Metric]:
        values = GaugeMetricFamily(
            "watlowlib_value",
            "The latest value, or the code of an enumeration; absent if the latest read has none.",
            labels=[*SERIES, "unit"],
        )
        times = GaugeMetricFamily(
            "watlowlib_value_timestamp_seconds",
            "When the latest value was received, also if later reads have none.",
            labels=SERIES,
        )
        valued_at = self._recording.reads.valued_at()
        for each in self._latest():
            labels = [each.device, each.parameter, str(each.instance)]
            if isinstance(each.value, (int, float)):
                values.add_metric([*labels, str(each.unit or "")], each.value)
            when = valued_at.get((each.device, each.parameter, each.instance))
            if when is not None:
                times.add_metric(labels, when.timestamp())
        yield from (values, times)
