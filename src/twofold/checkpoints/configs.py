"""Rebuild a configuration dataclass from the plain values of a JSON document, strictly."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from twofold.errors import CheckpointError

T = TypeVar("T")


def config_from_dict(config_class: type[T], data: Mapping[str, Any]) -> T:
    """Build a dataclass from its fields as JSON gives them back: tuples as lists, nested as dicts.

    Args:
        config_class: a dataclass of bool, int, float, str, None, ``Literal``, tuples, unions and
            dataclasses of these.
        data: its fields by name; fields with a default may be absent. What the class lists as ``RETIRED`` is
            left out where it has the value that is listed.

    Raises:
        CheckpointError: if a field is unknown, missing or of another type, or if the class itself
            refuses the values; the message names the field.
    """
    return _dataclass(config_class, data, config_class.__name__)


def _dataclass(config_class: type[T], data: Mapping[str, Any], where: str) -> T:
    known = {field.name: field for field in fields(config_class)}  # type: ignore[arg-type]
    retired = getattr(config_class, "RETIRED", {})
    data = {name: value for name, value in data.items() if name not in retired or retired[name] != value}
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise CheckpointError(
            f"{where} has no {', '.join(unknown)}; were the weights made by a newer twofold?"
        )
    missing = [
        name
        for name, field in known.items()
        if name not in data and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise CheckpointError(f"{where} needs {', '.join(missing)}, which the weights do not say")
    hints = get_type_hints(config_class)
    values = {name: _value(hints[name], value, f"{where}.{name}") for name, value in data.items()}
    try:
        return config_class(**values)
    except ValueError as error:
        raise CheckpointError(f"the weights' configuration is refused: {error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    """Convert one value to its annotated type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first_that_fits(arguments, value, where)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        hints = arguments[:1] * len(value) if arguments[1:] == (Ellipsis,) else arguments
        if len(hints) == len(value):
            places = [f"{where}[{index}]" for index in range(len(value))]
            return tuple(map(_value, hints, value, places))
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return _dataclass(hint, value, where)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (bool, int, str, types.NoneType) and type(value) is hint:
        return value
    raise CheckpointError(f"{where} is {value!r}; it must be {getattr(hint, '__name__', None) or hint}")


def _first_that_fits(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    for hint in hints:
        try:
            return _value(hint, value, where)
        except CheckpointError:
            continue
    raise CheckpointError(f"{where} is {value!r}; it must be one of {' | '.join(map(str, hints))}")
