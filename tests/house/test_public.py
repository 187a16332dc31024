"""What users import stays: the public names and their signatures, as ``public.json`` lists them.

After a change that is meant: ``python tests/house/test_public.py`` writes the list anew.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import twofold

FILE = Path(__file__).with_name("public.json")


def surface() -> dict[str, Any]:
    """Every public name: its signature, and the public members of classes."""
    return {name: _described(getattr(twofold, name)) for name in twofold.__all__ if name != "__version__"}


def _described(found: Any) -> Any:
    if not inspect.isclass(found):
        return str(inspect.signature(found))
    if issubclass(found, Exception):
        return [base.__name__ for base in found.__mro__ if base.__module__.startswith("twofold")]
    members = {name: getattr(found, name) for name in dir(found) if not name.startswith("_")}
    described = {
        name: str(inspect.signature(member)) if callable(member) else "property"
        for name, member in members.items()
        if callable(member) or isinstance(member, property)
    }
    own = [field.name for field in fields(found)] if is_dataclass(found) else []
    return {"fields": own, "members": described}


def test_the_public_surface_is_as_listed() -> None:
    assert surface() == json.loads(FILE.read_text()), (
        "the public surface has changed; if that is meant, run python tests/house/test_public.py and say "
        "so in CHANGELOG.md"
    )


if __name__ == "__main__":
    FILE.write_text(json.dumps(surface(), indent=1, sort_keys=True) + "\n")
