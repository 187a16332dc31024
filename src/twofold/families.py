"""The table of network families: name -> all that differs between them and is looked up by name.

One table: nothing registers itself, and an entry's code, on whatever layer it lies, is imported when
it is asked for. The table itself needs no PyTorch.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Attributes:
        config_class: gives the frozen dataclass that defines a network of this family.
        build: makes the network of a configuration, with fresh weights; it is a torch module and a
            ``twofold.network.FillingNetwork``.
        diverse: whether another seed gives another answer, with a network's usual options.
        export: gives the ``twofold.export.document.Exporter`` of its networks; None: there is none.
        exported: makes the ``TileNetwork`` of exported graphs by name and their document; None: likewise.
    """

    config_class: Callable[[], type[Any]]
    build: Callable[[Any], nn.Module]
    diverse: bool = False
    export: Callable[[], Any] | None = None
    exported: Callable[..., Any] | None = None


def _object(name: str) -> Callable[[], Any]:
    """Gives the object ``module:object`` of this package when it is called."""
    return lambda: pkgutil.resolve_name(f"twofold.{name}")


def _call(name: str) -> Callable[..., Any]:
    """Calls the object ``module:object`` of this package."""
    return lambda *arguments: pkgutil.resolve_name(f"twofold.{name}")(*arguments)


FAMILIES: dict[str, Family] = {
    "medfe": Family(
        config_class=_object("medfe.config:MedfeConfig"),
        build=_call("medfe.build:build_medfe"),
        export=_object("export.medfe:EXPORTER"),
        exported=_call("engine.backends.onnx.medfe:OnnxMedfe"),
    ),
    "dsi": Family(
        config_class=_object("dsi.config:DsiConfig"),
        build=_call("dsi.model:build_dsi"),
        diverse=True,
        export=_object("export.dsi:EXPORTER"),
        exported=_call("engine.backends.onnx.dsi:OnnxDsi"),
    ),
}
