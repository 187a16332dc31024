"""The table of network families: name -> its configuration class and how to build it.

A literal table: nothing registers itself, and a family's code is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Attributes:
        config_class: gives the frozen dataclass that defines a network of this family.
        build: makes the network of a configuration, with fresh weights; it is a torch module and a
            ``twofold.network.FillingNetwork``.
    """

    config_class: Callable[[], type[Any]]
    build: Callable[[Any], nn.Module]


def _medfe_config() -> type[Any]:
    from twofold.medfe.config import MedfeConfig

    return MedfeConfig


def _build_medfe(config: Any) -> nn.Module:
    from twofold.medfe.model import build_medfe

    return build_medfe(config)


FAMILIES: dict[str, Family] = {
    "medfe": Family(_medfe_config, _build_medfe),
}
