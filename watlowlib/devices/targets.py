"""Look-up and checks of the parameters and instances in a call, before anything is sent."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import product
from numbers import Number
from typing import Any, TypeAlias, cast

from watlowlib._internal.validation import as_int, shown
from watlowlib.devices.driver import Target
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily
from watlowlib.registry.parameters import ParameterSpec, Registry, registry_of

Parameters: TypeAlias = "str | int | Iterable[str | int | tuple[str | int, int]]"
"""One parameter or several, each by name, alias or number, or as a pair with its only instance."""

Planned: TypeAlias = "str | int | Iterable[str | int | tuple[str | int, int | None]]"
"""As `Parameters`; a pair with None has all instances that a controller of the family may have."""

PLAIN = frozenset({str, int})
"""The types of a parameter and of an instance that are equal only if they mean the same."""

MODULES = (ControllerFamily.RMC, ControllerFamily.RMH)


def targets_of(
    registry: Registry, parameters: Parameters, instances: int | Iterable[int]
) -> list[Target]:
    """Return the targets for `parameters` x `instances`, in that order.

    Raises:
        WatlowUnknownParameterError: A parameter does not exist.
        WatlowConfigurationError: No parameter or instance, a parameter that cannot be read,
            or an instance that no controller has.
    """
    names = as_list("parameters", parameters)
    numbers = as_list("instances", instances)
    if not names or not numbers:
        raise WatlowConfigurationError(
            "nothing to read: give at least one parameter, such as 'process_value', "
            "and at least one instance"
        )
    pairs = [
        pair
        for name in names
        for pair in ([name] if isinstance(name, tuple) else product([name], numbers))
    ]
    return list(dict.fromkeys(target_of(registry, *pair) for pair in pairs))


def plain_of(parameters: object, instances: object) -> tuple[Any, Any] | None:
    """Return the arguments of a call as a key that is equal only for the same ones.

    None for arguments that can be iterated only once, or whose equality tells too little: True is
    equal to 1.
    """
    plain = _plain(parameters), _plain(instances)
    return None if None in plain else plain


def _plain(given: object) -> Hashable:
    """Return a copy of `given` that does not change; None if it is not plain."""
    kind = type(given)
    if kind in (list, tuple):
        several = tuple(cast("list[Hashable]", given))
        return several if PLAIN.issuperset(map(type, several)) else None
    return cast("str | int", given) if kind in PLAIN else None


def target_of(registry: Registry, parameter: str | int, instance: int) -> Target:
    """Return one readable parameter and its instance.

    Raises:
        WatlowUnknownParameterError: The parameter does not exist.
        WatlowConfigurationError: No controller has the instance, or the parameter cannot
            be read.
    """
    spec = registry.resolve(parameter)
    instance = check_instance(spec, instance)
    if not spec.readable:
        raise WatlowConfigurationError(f"{spec.name} ({spec.number}) cannot be read")
    return spec, instance


def check_instance(spec: ParameterSpec, instance: int) -> int:
    """Return `instance` as an int.

    Raises:
        WatlowConfigurationError: It is not in 1..`spec.instances`.
    """
    if type(instance) is int and 0 < instance <= spec.instances:
        return instance  # without the text of an error, as each read comes here
    allowed = f"{spec.name} has instances 1 to {spec.instances}"
    try:
        return as_int("instance", instance, 1, spec.instances, allowed)
    except WatlowConfigurationError as error:
        if spec.family is ControllerFamily.PM:
            error.message += _of_modules(spec)
        raise


def _of_modules(spec: ParameterSpec) -> str:
    """Return which families have more instances of a parameter of a PM, as part of a message."""
    found = {each.value: registry_of(each).resolve(spec.number).instances for each in MODULES}
    more = [f"family={name!r}: to {most}" for name, most in found.items() if most > spec.instances]
    return f" ({', '.join(more)})" if more else ""


def names_of(given: str | Iterable[str] | None) -> list[str] | None:
    """Return the controller names as a list without duplicates; None means all."""
    return None if given is None else list(dict.fromkeys(as_list("names", given)))


def as_list(name: str, given: object, *, item: tuple[type, ...] = (str, Number)) -> list[Any]:
    """Return `given` as a list; a single item, of a type in `item`, makes a list of one.

    Raises:
        WatlowConfigurationError: It is neither an item nor an iterable.
    """
    if isinstance(given, item):
        return [given]
    if isinstance(given, Iterable):
        return list(given)
    raise WatlowConfigurationError(f"{name}={shown(given)}: give one or a list of them")
