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


def _dsi_config() -> type[Any]:
    from twofold.dsi.config import DsiConfig

    return DsiConfig


def _build_dsi(config: Any) -> nn.Module:
    from twofold.dsi.model import build_dsi

    return build_dsi(config)


FAMILIES: dict[str, Family] = {
    "medfe": Family(_medfe_config, _build_medfe),
    "dsi": Family(_dsi_config, _build_dsi),
}
