"""A recording of what a rig file says, which continues when the file is loaded again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from watlowlib._internal.clock import Clock
from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowClosedError, WatlowError
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.model.text import counted
from watlowlib.rig.load import load_rig
from watlowlib.rig.values import Rig, RigSink
from watlowlib.rules.rules import Rules
from watlowlib.service.fleet import Fleet
from watlowlib.service.latest import Latest
from watlowlib.service.notify import Notifier, watchdog_s
from watlowlib.service.writers import LastingWriter, find_writer, sink_of
from watlowlib.streaming.metadata import as_metadata
from watlowlib.streaming.plan import make_plan
from watlowlib.streaming.recorder import Recording, record

log = logger(__name__)

END_S = 60.0
"""Seconds that the end waits for a reload in progress."""


class RigService(NotCopied):
    """Records what a rig file says; used in a `with` statement.

    Args:
        path: The rig file.
        notifier: Reports to systemd.
        clock: Replaces the machine's clock, for tests.

    Raises:
        WatlowConfigurationError: When it starts: the file is not valid.
        WatlowSinkError: When it starts: a sink cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        notifier: Notifier | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self.observers: list[Callable[[list[Sample]], object]] = []
        """Called after each tick with its samples, in the thread that feeds the sinks."""
        self._notifier = notifier or Notifier()
        self.latest = Latest()
        self.reloads = 0
        self.started = False
        self._clock = clock
        self._reload_lock = threading.Lock()
        """Held while it starts, while the file is loaded again, and while it ends."""
        self._ending = threading.Event()
        self._writers: tuple[LastingWriter, ...] = ()
        self._stack = ExitStack()
        self._feeder = Worker("feeder", self._feed, self.stop)

    @property
    def rig(self) -> Rig:
        """The contents of the file, as they are recorded now."""
        return self._fleet.rig

    @property
    def fleet(self) -> Fleet:
        """The controllers."""
        return self._fleet

    @property
    def recording(self) -> Recording:
        """The recording."""
        return self._recording

    @property
    def rules(self) -> Rules:
        """The rules, which are evaluated."""
        return self._rules

    @property
    def summary(self) -> AcquisitionSummary:
        """The summary so far, with a report for each sink."""
        return self._recording.summary

    def outputs(self) -> list[tuple[str, SinkReport]]:
        """Return the report of each sink, with its path or other name."""
        return [(each.label, each.report()) for each in self._writers]

    def __enter__(self) -> RigService:
        with self._reload_lock:
            self._start()
        return self

    def _start(self) -> None:
        rig = load_rig(self.path)
        with ExitStack() as stack:
            self._fleet = Fleet(rig)
            stack.callback(lambda: self._fleet.close())
            arguments = rig.record_arguments()
            self.latest.keep(rig)
            recording = record(self._fleet.manager, **arguments, events=True, clock=self._clock)
            self._recording = recording
            stack.callback(self._close_writers)
            self._writers = self._open_writers(rig.record.sinks)
            self._note_sinks()
            self._rules = stack.enter_context(Rules(recording, rig.rules, self._fleet.manager.get))
            stack.enter_context(recording)
            stack.callback(self._end_feeder)
            self._feeder.start()
            self._stack = stack.pop_all()
        self.started = True

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._notifier.stopping()
        with self._stack:
            self.stop()
            # A reload in progress opens and closes the same sinks; a later one is refused.
            if self._reload_lock.acquire(timeout=END_S):
                self._reload_lock.release()

    def wait(self) -> None:
        """Wait until the recording ends: `stop` was called, or the duration of the file is over.

        Raises:
            WatlowError: The recording has ended with this error.
        """
        self._feeder.wait()
        self._feeder.reraise()

    def stop(self) -> None:
        """End the recording; the sinks get what was read so far."""
        self._ending.set()
        self._recording.stop()

    def reload(self) -> None:
        """Load the file again, and record what it says from the next tick on.

        Controllers and sinks that stay are not opened again, and lose nothing.

        Raises:
            WatlowClosedError: The service has not started, or it ends.
            WatlowError: The file has problems, or a new sink cannot be opened; everything
                continues as before.
        """
        with self._reload_lock:
            if not self.started or self._ending.is_set():
                raise WatlowClosedError("the recording has ended")
            try:
                with self._notifier.reloading():
                    self._reload()
            except WatlowError as error:
                log.error("%s is not loaded again, recording continues as before: %s",
                          self.path, error)  # fmt: skip
                raise
            self.reloads += 1
            log.info("%s was loaded again", self.path)

    def _reload(self) -> None:
        rig = load_rig(self.path)
        old_fleet, old_writers = self._fleet, self._writers
        with ExitStack() as undo:
            fleet = Fleet(rig, old_fleet)
            undo.callback(fleet.close, keep=old_fleet)
            options = rig.record_arguments()
            metadata = as_metadata(options.pop("metadata"))
            del options["overflow"], options["switch_interval"]  # the queue and the thread stay
            plan = make_plan(fleet.manager, **options, names=None, assembly=False, confirm=False)
            stay = [find_writer(old_writers, each) for each in rig.record.sinks]
            added = self._open_writers(
                [each for each, writer in zip(rig.record.sinks, stay) if writer is None]
            )
            for writer in added:
                undo.callback(writer.close)
            for kept, rig_sink in zip(stay, rig.record.sinks):
                if kept is not None and kept.rig_sink != rig_sink:
                    before = kept.rig_sink
                    kept.exchange(rig_sink)
                    undo.callback(kept.exchange, before)
            undo.callback(setattr, self, "_writers", old_writers)
            self._writers = old_writers + added
            plan.full_poll.identify(self._ending)  # for the description of the recording
            self._notifier.raise_watchdog(watchdog_s(rig))
            undo.callback(self.latest.keep, old_fleet.rig)
            self.latest.keep(rig)
            with self._rules.replacing(rig.rules, fleet.manager.get):
                self._recording.replace_plan(plan, metadata)
            undo.pop_all()
        self._fleet = fleet
        self._writers = tuple(each for each in stay if each is not None) + added
        self._note_sinks()
        for writer in old_writers:
            if writer not in self._writers:
                writer.close()
                log.info("closed: %s", writer.report())
        old_fleet.close(keep=fleet)

    def _open_writers(self, sinks: Sequence[RigSink]) -> tuple[LastingWriter, ...]:
        """Open all of these sinks or none, and start their writers."""
        writers = []
        with ExitStack() as undo:
            for rig_sink in sinks:
                sink = sink_of(rig_sink)
                sink.open()
                writer = LastingWriter(self._recording, rig_sink, sink)
                undo.callback(writer.close)
                writer.worker.start()
                writers.append(writer)
            undo.pop_all()
        return tuple(writers)

    def _note_sinks(self) -> None:
        self._recording.note_sinks([each.report for each in self._writers])

    def _feed(self) -> None:
        for batch in self._recording.batches():
            for writer in self._writers:
                writer.offer(batch, alone=False)
            if not batch.rates:  # the last events
                continue
            self.latest.add(batch.samples)
            for observer in tuple(self.observers):
                observer(batch.samples)
            self._notifier.slot_handled(self._status)

    def _status(self) -> str:
        summary = self._recording.summary
        return (
            f"{counted(summary.ticks_emitted, 'tick')}, {summary.samples_late:,} late, "
            f"{summary.gaps:,} of {counted(summary.rows, 'read')} without a value"
        )

    def _end_feeder(self) -> None:
        self.stop()
        self._feeder.wait()

    def _close_writers(self) -> None:
        for writer in self._writers:
            writer.end()
        for writer in self._writers:
            writer.close()
