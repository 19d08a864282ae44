"""Reads through one interface, in the environment of the interpreter that runs this script.

For each line of standard input, it reads the process value some times, and prints the seconds
and the processor seconds a read.

    python benchmarks/facade_reads.py sync|direct PORT READS
"""

import sys
import time


def main(interface: str, port: str, reads: int) -> None:
    if interface == "sync":
        from watlowlib.sync import Watlow

        opened = Watlow.open(port, address=1)
    else:
        from watlowlib import open_device

        opened = open_device(port)
    with opened as controller:
        controller.read_pv()
        for _ in sys.stdin:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            for _ in range(reads):
                controller.read_pv()
            cpu_s = time.process_time() - cpu_s
            print((time.perf_counter() - wall_s) / reads, cpu_s / reads, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
