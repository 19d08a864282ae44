"""Record Watlow controllers and a gas flow controller of another make into one SQLite table.

    python examples/mixed_watlow_alicat_sqlite.py /dev/ttyUSB0 mixed.sqlite

Rows of any instrument can be written as dicts with the columns of a Watlow sample. One query
then covers all instruments. The rows of the flow controller are invented here; a real script
would read them with the instrument's own library.
"""

import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone

from watlowlib import SqliteSink, WatlowManager, pipe, record

QUERY = """
SELECT device, parameter, AVG(value) FROM samples
GROUP BY device, parameter
ORDER BY device, parameter
"""


def flow_row(parameter: str, value: float, unit: str) -> dict[str, object]:
    """Return one read of a flow controller, with its own `protocol` and parameter number."""
    requested_at = datetime.now(timezone.utc)
    latency = timedelta(milliseconds=8)
    return {
        "device": "argon",
        "address": 1,
        "protocol": "alicat",
        "parameter": parameter,
        "parameter_id": None,
        "instance": 1,
        "value": value,
        "unit": unit,
        "requested_at": requested_at,
        "received_at": requested_at + latency,
        "midpoint_at": requested_at + latency / 2,
        "latency_s": latency.total_seconds(),
        "status": "ok",
    }


def main(port: str, path: str) -> None:
    """Record both into `path`, and print the mean of each parameter of each device."""
    with WatlowManager() as manager, SqliteSink(path) as sink:
        manager.add("oven_top", port, address=1)
        manager.add("oven_bot", port, address=2)
        parameters = ["process_value", "setpoint"]
        with record(manager, parameters=parameters, rate_hz=10.0, duration=1.0) as stream:
            pipe(stream, sink)
        for flow in (9.5, 10.0, 10.5):
            sink.write_many(
                [flow_row("mass_flow", flow, "sccm"), flow_row("setpoint", 10.0, "sccm")]
            )
    with closing(sqlite3.connect(path)) as database:
        for device, parameter, mean in database.execute(QUERY):
            print(f"{device:10} {parameter:15} {mean:8.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
