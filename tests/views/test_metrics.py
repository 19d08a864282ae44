"""The metrics of a recording, as Prometheus reads them over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST
from tests.views.web.viewer import request
from watlowlib import SinkReport, record
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.simulator import SimulatedBus
from watlowlib.views.web.metrics import MetricsServer

pytest.importorskip("cheroot")
pytest.importorskip("prometheus_client")

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
SINKS = [SinkReport("run.csv", 3, 1), SinkReport("lab", 5, 0, "refused", 4)]


def scrape(server: MetricsServer) -> dict[tuple[str, ...], float]:
    """Return the value of each metric by its name and its labels, in the order of their names."""
    from prometheus_client.parser import text_string_to_metric_families

    status, headers, body = request(server.url)
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    return {
        (each.name, *(each.labels[name] for name in sorted(each.labels))): each.value
        for family in text_string_to_metric_families(body.decode())
        for each in family.samples
    }


def test_metrics_are_the_counters_of_the_recording(bus: SimulatedBus, ctl: Controller) -> None:
    bus.controllers[1].set("setpoint", 81.5)
    clock = ManualClock()
    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0, clock=clock)
    outputs = [(each.name, each) for each in SINKS]
    with MetricsServer(0) as server:
        server.show(recording, recording.reads.latest, lambda: outputs)
        with recording:
            assert clock.waiting.wait(PATIENCE_S)
            found = scrape(server)
            (first,) = recording.latest
            at_s = pytest.approx(first.received_at.timestamp(), abs=1e-3)
            name = ctl.name
            assert found["watlowlib_value", name, "setpoint", "1", ""] == 81.5
            assert found["watlowlib_value_timestamp_seconds", name, "setpoint", "1"] == at_s
            assert found["watlowlib_reads_total", name, "ok"] == 1
            assert found["watlowlib_line_errors_total", name, "timeouts"] == 0
            bus.controllers.clear()
            # The slot at 1 s is read 2.25 s late, that at 2 s is skipped, that at 3 s is read.
            clock.advance(3.25)
            assert clock.waiting.wait(PATIENCE_S)
            found = scrape(server)
        assert ("watlowlib_value", name, "setpoint", "1", "") not in found
        assert found["watlowlib_value_timestamp_seconds", name, "setpoint", "1"] == at_s
        assert found["watlowlib_reads_total", name, "ok"] == 1
        assert found["watlowlib_reads_total", name, "timeout"] == 1
        assert found["watlowlib_line_errors_total", name, "timeouts"] > 0
        assert found["watlowlib_reads_total", name, "offline"] == 1
        assert found[("watlowlib_ticks_total",)] == 4
        assert found["watlowlib_ticks_late_total", "skipped"] == 1
        assert found["watlowlib_ticks_late_total", "dropped"] == 0
        assert found[("watlowlib_drift_seconds",)] == 2.25
        assert found["watlowlib_sink_rows_total", "run.csv"] == 3
        assert found["watlowlib_sink_rows_lost_total", "run.csv"] == 1
        assert found["watlowlib_sink_rows_waiting", "lab"] == 4
        _check_with_promtool(request(server.url)[2])


def _check_with_promtool(text: bytes) -> None:
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "metrics"], input=text, check=True, timeout=PATIENCE_S)


def test_rows_do_not_decrease_while_they_move_from_the_spool_to_the_server(ctl: Controller) -> None:
    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0)
    reports = [SinkReport("lab", 10, 0, None, 5)]
    with MetricsServer(0) as server:
        server.show(recording, list, lambda: [("lab", each) for each in reports])
        assert scrape(server)["watlowlib_sink_rows_total", "lab"] == 15
        reports[:] = [SinkReport("lab", 15, 0)]
        assert scrape(server)["watlowlib_sink_rows_total", "lab"] == 15
        reports.append(SinkReport("lab", 2, 0))  # names need not be unique
        assert scrape(server)["watlowlib_sink_rows_total", "lab"] == 17


def test_codes_and_odd_names_are_exported_and_texts_are_not(ctl: Controller) -> None:
    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0)
    code, text, odd = EVERY_KIND[3], EVERY_KIND[4], EVERY_KIND[6]
    with MetricsServer(0) as server:
        server.show(recording, lambda: [code, text, odd, replace(FIRST, value=None)], list)
        found = {key[1:]: value for key, value in scrape(server).items() if "value" in key[0]}
    assert found == {
        ("oven_top", "heat_algorithm", "1", ""): 71,
        (odd.device, "process_value", "1", "°F"): pytest.approx(0.2),
    }


def test_metrics_can_only_be_read_and_locally_only_at_their_own_address() -> None:
    with MetricsServer(0) as server:
        assert request(server.url)[0] == 503  # there is no recording yet
        assert request(server.url, "POST")[0] == 405
        assert request(server.url, headers={"Host": "evil.example"})[0] == 421
        assert request(server.url.replace("/metrics", "/other"))[0] == 404
    with MetricsServer(0, "0.0.0.0") as server:
        assert "token" not in server.url
        assert request(server.url)[0] == 503
        # In a container or behind a proxy it has names that it does not know.
        assert request(server.url, headers={"Host": "lab-pc.example:80"})[0] == 503
        assert request(server.url, headers={"Origin": "http://evil.example"})[0] == 403
        assert request(server.url, "POST")[0] == 405


def test_the_page_has_all_metrics_and_the_dashboard_names_only_metrics_and_labels_that_exist(
    ctl: Controller,
) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    recording = record(ctl, parameters=["setpoint"], rate_hz=1.0)
    recording.reads.add([FIRST])
    with MetricsServer(0) as server:
        outputs, rule = (
            [("lab", SINKS[1])],
            {"name": "r", "state": "active", "firings": 3, "failures": 1},
        )
        server.show(recording, recording.reads.latest, lambda: outputs, lambda: [rule])
        text = request(server.url)[2].decode()
    labels: dict[str, set[str]] = {}
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            labels.setdefault(each.name, set()).update(each.labels)
            values[each.name] = each.value
    rules_found = {name: value for name, value in values.items() if "rule" in name}
    assert rules_found == {
        "watlowlib_rule_firings_total": 3,
        "watlowlib_rule_failures_total": 1,
        "watlowlib_rule_active": 1,
    }
    page = (ROOT / "docs" / "health.md").read_text("utf-8")
    rows = re.findall(r"^\| `(watlowlib_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", names)) for name, names in rows} == labels
    dashboard = ROOT / "examples" / "grafana" / "prometheus.json"
    panels = json.loads(dashboard.read_text("utf-8"))["panels"]
    targets = [target for panel in panels for target in panel["targets"]]
    assert len(panels) == 9
    for each in targets:
        expression, legend = each["expr"], each["legendFormat"]
        (metric,) = re.findall(r"watlowlib_\w+", expression)
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        selected = re.findall(r"[{,](\w+)[=!]", expression)
        shown = re.findall(r"{{(\w+)}}", legend)
        assert {*selected, *", ".join(grouped).split(", ")} - {""} <= labels[metric]
        assert set(shown) <= (set(grouped[0].split(", ")) if grouped else labels[metric])
