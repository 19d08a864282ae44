"""The latest sample of each parameter that a service records."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TypeAlias

from watlowlib.devices.targets import target_of
from watlowlib.model import Sample
from watlowlib.rig.values import Rig

Key: TypeAlias = "tuple[str, int, int]"
"""The name of a controller, the number of a parameter, and the instance."""


class Latest:
    """The latest samples, in the order in which their parameters were first recorded."""

    def __init__(self) -> None:
        self._recorded: set[Key] = set()
        self._samples: dict[Key, Sample] = {}
        self._lock = threading.Lock()

    def add(self, samples: Iterable[Sample]) -> None:
        """Store the latest samples; ignore those of parameters that are not recorded any more."""
        with self._lock:
            for each in samples:
                key = (each.device, each.parameter_id, each.instance)
                if key in self._recorded:
                    self._samples[key] = each

    def keep(self, rig: Rig) -> None:
        """Remove the samples of parameters that `rig` does not record, and ignore later ones."""
        record = rig.record
        recorded = {
            (name, target_of(controller.registry, parameter, instance)[0].number, instance)
            for name, controller in rig.controllers.items()
            for parameter in record.rates or record.parameters
            for instance in record.instances
        }
        with self._lock:
            self._recorded = recorded
            for key in self._samples.keys() - recorded:
                del self._samples[key]

    def all(self) -> list[Sample]:
        """Return the samples."""
        with self._lock:
            return list(self._samples.values())
