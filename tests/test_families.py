"""The table of families: every entry leads to what it names, and the table itself needs no PyTorch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from twofold.export.document import Exporter
from twofold.families import FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_every_entry_leads_to_what_it_names(name: str) -> None:
    family = FAMILIES[name]
    assert dataclasses.is_dataclass(family.config_class())
    assert family.export is not None
    assert isinstance(family.export(), Exporter)
    assert family.exported is not None
    with pytest.raises(KeyError, match="size_multiple"):  # of an empty document
        family.exported({}, {})


def test_the_table_needs_no_torch() -> None:
    code = "import twofold.families, sys; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
