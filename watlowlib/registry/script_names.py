"""The parameter names of scripts that were written for another library's blocking interface.

There each name has one number, also where several parameters have the same title, or where users
of this library expect another one. `tables/script_names.tsv` lists the names, and the name that
readings and samples have: that of the script, or `process_value` for an alias such as `pv`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property
from importlib import resources

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError, WatlowUnknownParameterError
from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import ParameterSpec, Registry, normalized, registry_of


class ScriptRegistry(Registry):
    """The parameters of a product family, by the names that such scripts use.

    Args:
        registry: The parameters of the family.
    """

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry.table, registry.family, more=registry.more)
        self._recorded: dict[str, ParameterSpec] = {}

    def resolve(self, parameter: str | int) -> ParameterSpec:
        """Return the parameter that a script means; its `recorded_as` is a name of the list.

        Raises:
            WatlowUnknownParameterError: There is none.
        """
        if not isinstance(parameter, str) or parameter.strip().isdigit():
            return super().resolve(parameter)
        spec = self._recorded.get(parameter)
        if spec is None:
            number, recorded = self._names.get(normalized(parameter), (parameter, None))
            spec = super().resolve(number)
            spec = replace(spec, recorded_as=recorded or spec.name)
            spec = self._recorded.setdefault(parameter, spec)
        return spec

    def resolve_for_writing(self, parameter: str | int) -> ParameterSpec:
        """Return the parameter that a script writes.

        Raises:
            WatlowConfigurationError: Outside of `watlowlib.sync` the name has another number.
            WatlowUnknownParameterError: There is none.
        """
        spec = self.resolve(parameter)
        try:
            other = super().resolve(parameter)
        except WatlowUnknownParameterError:
            return spec  # several parameters have this title
        if other.number != spec.number:
            raise WatlowConfigurationError(
                f"{shown(parameter)} is {spec.number} ({spec.name}) in watlowlib.sync, and "
                f"{other.number} ({other.name}) elsewhere; nothing was written: give the number"
            )
        return spec

    @cached_property
    def _names(self) -> dict[str, tuple[str, str]]:
        text = (resources.files(__package__) / "tables" / "script_names.tsv").read_text("utf-8")
        rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
        return {
            name: (number, recorded)
            for family, name, number, recorded in rows
            if (family == ControllerFamily.SD) is (self.family is ControllerFamily.SD)
        }


@cache
def script_names(family: ControllerFamily) -> ScriptRegistry:
    """Return the registry of `family` for scripts."""
    return ScriptRegistry(registry_of(family))
