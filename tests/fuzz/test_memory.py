"""With little memory: foreign files and configurations that ask for more than there is."""

from __future__ import annotations

import io
from pathlib import Path

import torch

from fuzz.corpus import flips
from fuzz.limits import run_with_little

PROGRAM = """
import sys, time
from pathlib import Path
from twofold.checkpoints.format import Weights, build_network
from twofold.checkpoints.pickled import UnreadError, read_pickled
from twofold.errors import CheckpointError

for config in ({"encoder_channels": [60000] * 6, "fill_channels": 60000}, {"detail_channels": 60000}):
    try:
        build_network(Weights("medfe", config, {}, "w"))
        print("built")
    except CheckpointError as error:
        print("refused")
for path in Path(sys.argv[1]).iterdir():
    start = time.process_time()
    try:
        read_pickled(path)
    except UnreadError as error:
        assert str(error) and "\\n" not in str(error)
    assert time.process_time() - start < 2, path
print("done")
"""


def test_no_pickle_and_no_configuration_takes_more_memory_than_there_is(tmp_path: Path) -> None:
    for new in (True, False):
        buffer = io.BytesIO()
        content = {"a": torch.zeros(3), "b": torch.ones(2, 2)}
        torch.save(content, buffer, _use_new_zipfile_serialization=new)
        for index, data in enumerate(flips(buffer.getvalue(), 150, seed=int(new))):
            (tmp_path / f"{new}{index}.pkl").write_bytes(data)
    printed = run_with_little(PROGRAM, str(tmp_path), gigabytes=6, seconds=60)
    assert printed.split() == ["refused", "refused", "done"]
