"""Finds why a controller does not reply, or replies with errors. Sends only reads.

for finding in examine("/dev/ttyUSB0"):
    print(finding)
"""

from watlowlib.diagnosis.bundle import write_bundle
from watlowlib.diagnosis.examine import examine, longest_s
from watlowlib.diagnosis.findings import Finding, Result

__all__ = ["Finding", "Result", "examine", "longest_s", "write_bundle"]
