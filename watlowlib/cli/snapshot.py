"""`watlowlib snapshot`: store all parameters of a controller, compare, and write them back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from watlowlib import snapshots
from watlowlib._internal.validation import shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.exits import FAILED, CommandError
from watlowlib.cli.fleet import (
    chosen,
    load_config,
    one_controller,
    open_fleet,
    running_service,
    single,
)
from watlowlib.cli.options import PORT, Line, line_options
from watlowlib.cli.output import console, print_json, print_table
from watlowlib.cli.question import ask
from watlowlib.cli.types import Parameter
from watlowlib.devices.change import lost_at_power_off
from watlowlib.devices.controller import Controller
from watlowlib.manager.manager import WatlowManager
from watlowlib.model.text import counted
from watlowlib.snapshots import Change, NotWritten, RestorePlan, RestoreReport, SnapshotEntry

MOST_NAMES = 5
"""The most parameters that are named with one reason."""


@define(
    "snapshot",
    short_help="Store all parameters of a controller, compare, restore.",
    help="Store every readable parameter of one controller in a file with -o; show what differs "
    "between two such files with --diff; or write the settings of a file back with --restore. "
    "Restoring shows what it would write, and writes nothing without a yes. Each value is "
    "verified. After an interruption the same command writes the rest.",
    examples=(
        "watlowlib snapshot /dev/ttyUSB0 --address 1 --unit F -o ctl.json",
        "watlowlib snapshot --restore ctl.json /dev/ttyUSB0 --address 1 --unit F",
    ),
)
@PORT
@line_options
@click.option("-o", "--output", metavar="FILE", help="Where to store the parameters.")
@click.option("--overwrite", is_flag=True, help="Replace an existing FILE.")
@click.option("--diff", nargs=2, metavar="A B", help="Two files to compare.")
@click.option("--all", "state", is_flag=True, help="Compare measured values and states too.")
@click.option("--restore", metavar="FILE", help="The file to write back.")
@click.option(
    "--include",
    type=Parameter(),
    default=(),
    metavar="NAME,...",
    help="Calibration, communication and lock parameters to restore too.",
)
@click.option("--other-unit", is_flag=True, help="Restore to a unit with another part number.")
@click.option("--yes", is_flag=True, help="Restore without a question, for scripts.")
@json_option
def command(
    line: Line,
    output: str | None,
    overwrite: bool,
    diff: tuple[str, str] | None,
    state: bool,
    restore: str | None,
    include: tuple[str, ...],
    other_unit: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Store, compare or restore, by the option given."""
    if sum(map(bool, (output, diff, restore))) != 1:
        raise click.UsageError(
            "give one of -o FILE, --diff A B and --restore FILE", click.get_current_context()
        )
    if diff:
        _compare(*diff, line, state=state, as_json=as_json)
    elif output:
        _take(line, Path(output), overwrite=overwrite, as_json=as_json)
    elif restore:
        _restore(line, restore, include, other_unit=other_unit, yes=yes, as_json=as_json)


def _take(line: Line, path: Path, *, overwrite: bool, as_json: bool) -> None:
    if path.exists() and not overwrite:
        raise CommandError(f"{shown(path)} exists already; give --overwrite or another -o", FAILED)
    if not path.absolute().parent.is_dir():
        raise CommandError(f"{shown(path)}: there is no such folder; make it first", FAILED)
    rig = load_config(line)
    service = running_service(line, rig)
    if rig is not None and service is not None:
        name = single(chosen(rig, line))
        taken = service.read_all(name)
    else:
        with WatlowManager() as manager, _progress("reading", console(stderr=True)) as progress:
            open_fleet(manager, line, rig)
            controller = one_controller(manager)
            name, taken = controller.name, controller.read_all(progress)
    snapshots.save(taken, path)
    if as_json:
        print_json([{"file": str(path), "values": len(taken.entries), **taken.identity}])
        return
    console().print(
        f"{path}: {counted(len(taken.entries), 'value')} of {name}, "
        f"{taken.identity['part_number'] or 'part number not known'}; "
        f"{counted(len(taken.refusals), 'parameter has', 'parameters have')} none"
    )


def _compare(first: str, second: str, line: Line, *, state: bool, as_json: bool) -> None:
    if line.port is not None or line.config is not None:
        raise click.UsageError("--diff takes two files and no port", click.get_current_context())
    changes = snapshots.diff(snapshots.load(first), snapshots.load(second), state=state)
    if as_json:
        print_json(map(_row, changes))
    elif not changes:
        console().print("no differences")
    else:
        _print_changes(changes, (Path(first).name, Path(second).name))


def _restore(
    line: Line,
    file: str,
    include: tuple[str, ...],
    *,
    other_unit: bool,
    yes: bool,
    as_json: bool,
) -> None:
    snapshot = snapshots.load(file)
    rig = load_config(line)
    with WatlowManager() as manager:
        open_fleet(manager, line, rig)
        controller = one_controller(manager)
        with _progress("comparing", console(stderr=True)) as progress:
            plan = snapshots.plan(
                controller, snapshot, include=include, other_unit=other_unit, progress=progress
            )
        _list_left_out(plan.left_out)
        if plan.writes and (warning := lost_at_power_off(controller)):
            console(stderr=True).print(f"warning: {controller.name}: {warning}")
        if plan.writes and not yes:
            _print_changes(plan.writes, ("now", Path(file).name), stderr=True)
            ask(f"Write {counted(len(plan.writes), 'value')} to {controller.name}?")
        report = _carry_out(controller, plan, None if yes else Path(file).name)
    if as_json:
        print_json({**_row(each), "error": None} for each in report.written)
        print_json({**_row(each.change), "error": each.reason} for each in report.refused)
    else:
        console().print(
            f"{controller.name}: {counted(len(report.written), 'value')} written and verified"
        )
    if report.refused:
        raise CommandError(f"refused: {counted(len(report.refused), 'value')}, see above", FAILED)


def _carry_out(controller: Controller, plan: RestorePlan, file: str | None) -> RestoreReport:
    """Write the values; if an error or Ctrl-C ends this, print how many were written.

    With `file`, ask before writing other settings that these writes have changed.
    """
    written = 0

    def approve(changes: Sequence[Change]) -> bool:
        target.print("Since these writes, other settings differ from the file:")
        _print_changes(changes, ("now", str(file)), stderr=True)
        try:
            ask(f"Write {counted(len(changes), 'value')} to {controller.name} as well?")
        except CommandError:
            return False
        return True

    def note(change: Change, reason: str | None) -> None:
        nonlocal written
        written += reason is None
        result = _text(change.after) if reason is None else f"refused: {reason}"
        target.print(f"{_name(change)}: {result}")

    target = console(stderr=True)
    try:
        with _progress("checking", target) as progress:
            return snapshots.carry_out(
                controller,
                plan,
                confirm=True,
                progress=progress,
                on_write=note,
                approve=None if file is None else approve,
            )
    except BaseException:
        target.print(
            f"{written} of {counted(len(plan.writes), 'value')} written; "
            "the same command writes the rest"
        )
        raise


@contextmanager
def _progress(what: str, target: Console) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how much is read; rich draws at each call and starts no thread."""
    with Progress(
        console=target, auto_refresh=False, transient=True, disable=not target.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)

        def show(finished: int, total: int) -> None:
            bar.update(task, completed=finished, total=total, refresh=True)

        yield show


def _list_left_out(left_out: Iterable[NotWritten]) -> None:
    """Print one line per reason."""
    names: dict[str, list[str]] = {}
    for each in left_out:
        names.setdefault(each.reason, []).append(_name(each.change))
    for reason, found in names.items():
        more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
        shown_names = ", ".join(found[:MOST_NAMES])
        console(stderr=True).print(f"not restored: {shown_names}{more}: {reason}")


def _name(change: Change) -> str:
    return f"{change.name} ({change.number}) instance {change.instance}"


def _text(entry: SnapshotEntry | None) -> str | None:
    """Return a value with its unit or label; None for no value."""
    if entry is None:
        return None
    number = f"{entry.value:.7g}" if isinstance(entry.value, float) else str(entry.value)
    if entry.label is not None:
        return f"{entry.label} ({number})"
    return number if entry.unit is None else f"{number} {entry.unit}"


def _print_changes(
    changes: Iterable[Change], names: tuple[str, str], *, stderr: bool = False
) -> None:
    print_table(
        ("parameter", "number", "instance", "kind", *names),
        (
            (
                each.name,
                each.number,
                each.instance,
                each.kind,
                _text(each.before),
                _text(each.after),
            )
            for each in changes
        ),
        stderr=stderr,
    )


def _row(change: Change) -> dict[str, Any]:
    """Return a change as JSON types, with the names of a sample's columns."""
    before, after = change.before, change.after
    known = after or before
    return {
        "parameter": change.name,
        "parameter_id": change.number,
        "instance": change.instance,
        "kind": change.kind,
        "before": before and before.value,
        "after": after and after.value,
        "unit": known and known.unit,
    }
