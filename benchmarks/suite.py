"""All benchmarks, one after the other, and a table of their figures.

Each benchmark runs in a process of its own, until its deadline. After a failure the suite
continues with the next benchmark and says so. Ctrl-C ends the suite with the figures so far.

    python -m benchmarks                     everything, about an hour
    python -m benchmarks --quick             less of everything, about four minutes
    python -m benchmarks --only sinks codec  some benchmarks
    python -m benchmarks --page              also writes docs/performance.md
    python -m benchmarks --json > figures.json
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from figures import HEADER, Figure, Size, cells
from harness import print_table

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
END_S = 10.0
"""How long a benchmark may take to end its own processes after a deadline or Ctrl-C."""


class Benchmark(NamedTuple):
    """A benchmark of the suite.

    Attributes:
        module: The module with the function `figures`.
        about: What it measures.
        quick_s: The deadline with `--quick`, seconds.
        full_s: The deadline of the whole benchmark, seconds.
    """

    module: str
    about: str
    quick_s: float = 60.0
    full_s: float = 900.0


BENCHMARKS = {
    "codec": Benchmark(
        "codec", "Encoding a request and decoding a reply, without a port: microseconds a frame."
    ),
    "import": Benchmark(
        "import_time", "A new interpreter that imports the package, above a bare interpreter."
    ),
    "reads": Benchmark(
        "reads",
        "Reads of one value on a device that replies at once, and at 38400 baud, where the line "
        "sets the limit. Bare pyserial checks nothing.",
    ),
    "facade": Benchmark(
        "facade",
        "The names of `watlowlib.sync`, beside the library that it mirrors, in an environment of "
        "its own.",
        quick_s=120.0,
    ),
    "modbus": Benchmark(
        "modbus",
        "One `poll` of several parameters over Modbus, beside single reads of minimalmodbus.",
    ),
    "modbus tcp": Benchmark(
        "modbus_tcp",
        "Reads over Modbus TCP from a compiled server here, and one `poll` of 40 values, "
        "beside the synchronous client of pymodbus.",
    ),
    "fleet": Benchmark(
        "fleet",
        "Ports in parallel: a fleet cannot be faster than its slowest port alone. The staggered "
        "controllers reply at different times.",
    ),
    "in step": Benchmark(
        "in_step",
        "Ports whose controllers answer at the same instant, and the share of the wire's limit "
        "that they reach.",
    ),
    "jitter": Benchmark(
        "jitter_rates",
        "The delay of a recording's ticks, beside a bare `Event.wait` loop plus 1 ms, while the "
        "main thread waits or computes.",
    ),
    "sinks": Benchmark(
        "sinks",
        "Rows per second that a sink writes, beside the bare library that converts each sample "
        "and flushes each batch as well.",
        quick_s=90.0,
        full_s=3600.0,
    ),
    "sustained": Benchmark(
        "sustained",
        "Rows per second from an endless recording through `pipe` and the writer thread, beside "
        "`write_many` alone.",
    ),
    "read-back": Benchmark(
        "read_back",
        "The time and memory to read a recording into pandas, beside the bare library.",
        quick_s=90.0,
        full_s=3600.0,
    ),
    "faults": Benchmark(
        "faults",
        "Wrong and stale values per accepted value on a faulty line, beside other libraries.",
    ),
}


class Outcome(NamedTuple):
    """The figures of a benchmark, and what is missing and why; empty if it is complete."""

    figures: list[Figure]
    failure: str
    seconds: float


def run(name: str, size: Size, deadline_s: float) -> tuple[Outcome, bool]:
    """Run a benchmark in a process; return its outcome, and whether Ctrl-C has ended it."""
    command = [sys.executable, __file__, "--child", BENCHMARKS[name].module, size.value]
    began_s, interrupted, failure = time.monotonic(), False, ""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=deadline_s)
            errors.seek(0)
            lines = errors.read().strip().splitlines()
            if process.returncode:
                failure = lines[-1] if lines else f"exit {process.returncode}"
            else:
                failure = "; ".join(line for line in lines if "is left out" in line)
        except subprocess.TimeoutExpired:
            output, failure = end(process), f"not complete after {deadline_s:g} s"
        except KeyboardInterrupt:
            output, failure, interrupted = end(process), "ended by Ctrl-C", True
    figures = [Figure(**json.loads(line)) for line in output.splitlines() if line.endswith("}")]
    return Outcome(figures, failure, time.monotonic() - began_s), interrupted


def end(process: subprocess.Popen[str]) -> str:
    """End a benchmark with all its processes; return what it has printed."""
    process.send_signal(signal.SIGINT)  # it ends its own processes and servers
    try:
        return process.communicate(timeout=END_S)[0]
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def child(module: str, size: Size) -> None:
    """Print the figures of a benchmark, one JSON object a line; other output goes to stderr."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for each in importlib.import_module(module).figures(size):
        print(json.dumps(each._asdict()), file=lines, flush=True)


def run_all(names: list[str], size: Size) -> tuple[dict[str, Outcome], bool]:
    """Run benchmarks in turn; return their outcomes, and whether Ctrl-C has ended the suite."""
    outcomes: dict[str, Outcome] = {}
    for number, name in enumerate(names, start=1):
        benchmark = BENCHMARKS[name]
        show(f"[{number}/{len(names)}] {name}: {benchmark.about}")
        deadline_s = benchmark.full_s if size is Size.FULL else benchmark.quick_s
        outcome, interrupted = run(name, size, deadline_s)
        outcomes[name] = outcome
        show(f"    {len(outcome.figures)} figures in {outcome.seconds:.0f} s {outcome.failure}")
        if interrupted:
            return outcomes, True
    return outcomes, False


def show(text: str) -> None:
    print(text.rstrip(), file=sys.stderr, flush=True)


def conditions(size: Size) -> dict[str, Any]:
    """Return where and when the figures were measured; no names of machines."""
    return {
        "load": round(os.getloadavg()[0], 1),
        "measured": datetime.now(timezone.utc).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "size": size.value,
    }


def as_json(outcomes: dict[str, Outcome], about: dict[str, Any]) -> str:
    figures = {
        name: [each._asdict() for each in outcome.figures] for name, outcome in outcomes.items()
    }
    failures = {name: each.failure for name, each in outcomes.items() if each.failure}
    return json.dumps({**about, "figures": figures, "failures": failures}, indent=2)


def page(outcomes: dict[str, Outcome], about: dict[str, Any]) -> str:
    """Return the text of docs/performance.md."""
    options = "--quick --page" if about["size"] == "quick" else "--page"
    text = (
        f"`python -m benchmarks {options}` has written this page on {about['measured']}, with "
        f"Python {about['python']} on {about['cores']} cores ({about['system']}); the load from "
        f"other programs was {about['load']} at the beginning. Run it again in a copy of the "
        "repository to measure on another machine. `--only sinks` measures a part.\n\n"
        "Contestants alternate in short rounds. A value is the median of its rounds, and ± is "
        "half the distance between the quartiles. The ratio is the value divided by the peer's, "
        "the median of the rounds. A target is for the ratio, or, where there is no peer, for "
        "the value. Only the ratios can be compared with those of another machine, and only if "
        "it was idle."
    )
    parts = ["# Performance\n\n", wrapped(text)]
    for name, outcome in outcomes.items():
        parts.append(f"\n## {name.capitalize()}\n\n{wrapped(BENCHMARKS[name].about)}\n")
        if outcome.failure:
            parts.append(f"Not complete: {outcome.failure.replace('`', '')}\n\n")
        if outcome.figures:
            parts += map(markdown_row, (HEADER, ("---",) * len(HEADER), *cells(outcome.figures)))
    return "".join(parts)


def wrapped(text: str) -> str:
    return "\n\n".join(textwrap.fill(each, 100) for each in text.split("\n\n")) + "\n"


def markdown_row(row: tuple[str, ...]) -> str:
    texts = (each.replace("|", "\\|").replace("+-", "±") for each in row)
    return f"| {' | '.join(texts)} |\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="measure less: all in about four minutes")
    add("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS))
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--page", action="store_true", help=f"also write {PAGE.parent.name}/{PAGE.name}")
    options = parser.parse_args()
    if options.page and options.only:
        parser.error("--page needs the figures of all benchmarks: leave out --only")
    return options


def main() -> None:
    options = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    size = Size.QUICK if options.quick else Size.FULL
    about = conditions(size)
    outcomes, interrupted = run_all(options.only or list(BENCHMARKS), size)
    report(outcomes, about, options, interrupted)
    if interrupted:
        raise SystemExit(130)
    if any(each.failure for each in outcomes.values()):
        raise SystemExit(1)


def report(
    outcomes: dict[str, Outcome],
    about: dict[str, Any],
    options: argparse.Namespace,
    interrupted: bool,
) -> None:
    """Print the figures and what is missing; write the page unless Ctrl-C has ended the suite."""
    if options.json:
        print(as_json(outcomes, about))
    else:
        rows = [
            (f"{name}: {row[0]}", *row[1:])
            for name, outcome in outcomes.items()
            for row in cells(outcome.figures)
        ]
        print_table(HEADER, rows)
    for name, outcome in outcomes.items():
        if outcome.failure:
            show(f"{name}: {outcome.failure}")
    if options.page and not interrupted:
        PAGE.write_text(page(outcomes, about), "utf-8")
        show(f"{PAGE.parent.name}/{PAGE.name} is written")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Size(sys.argv[3]))
    else:
        main()
