"""Read what a run left behind, and compare it bit for bit."""

import torch

from twofold.train.checkpoint import list_checkpoints


def state(folder):
    return torch.load(list_checkpoints(folder)[-1], weights_only=True)


def flat(entry, prefix=""):
    if isinstance(entry, dict):
        return {k: v for key, value in entry.items() for k, v in flat(value, f"{prefix}/{key}").items()}
    if isinstance(entry, list | tuple):
        return {k: v for key, value in enumerate(entry) for k, v in flat(value, f"{prefix}/{key}").items()}
    return {prefix: entry}


def assert_same(ours, theirs):
    ours, theirs = flat(ours), flat(theirs)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, theirs[name]), name
        else:
            assert value == theirs[name], name
