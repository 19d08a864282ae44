"""The cost of the frame log while it is off, per read and beside the time of a whole read.

A read checks twice whether frames are logged: once for the request, once for the reply. The
read uses a scripted transport, so that only the library's own time counts.
"""

from __future__ import annotations

from timeit import repeat

from harness import print_ratios, print_table

from watlowlib import open_device
from watlowlib.protocol import trace
from watlowlib.transport.scripted import ScriptedTransport

REPLY = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
CHECKS_PER_READ = 2
LIMIT_US = 0.5


def main() -> None:
    check_us = min(repeat(trace.enabled, number=100_000, repeat=9)) / 100_000 * 1e6
    with open_device(ScriptedTransport(lambda data: [REPLY])) as ctl:
        read_us = min(repeat(ctl.read_pv, number=2_000, repeat=9)) / 2_000 * 1e6
    cost_us = CHECKS_PER_READ * check_us
    print_table(
        ("", "us"), [("checks of a read", f"{cost_us:.3f}"), ("a whole read", f"{read_us:.1f}")]
    )
    print_ratios(
        (f"cost per read / {LIMIT_US} us", cost_us / LIMIT_US, "<=", 1.0),
        ("cost / a whole read", cost_us / read_us, "<=", 0.02),
    )


if __name__ == "__main__":
    main()
