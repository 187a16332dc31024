"""Open a model file of TorchScript.

Such a file is a program: opening and asking it runs what its author wrote.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from twofold.devices import choose_device, exact_arithmetic
from twofold.engine.external.conventions import Arrays, Slot, choose_convention
from twofold.engine.external.model_file import ForeignModel
from twofold.engine.fingerprints import file_digest, twofold_version
from twofold.errors import CheckpointError, cause_of


def open_torchscript(file: Path, *, family: str | None, device: str, name: str | None) -> ForeignModel:
    """Open a file that ``torch.jit.save`` wrote as an inpainter.

    Two inputs are LaMa's, one is MI-GAN's at 512x512 unless the user says LaMa. It is asked without the
    profiling of its first runs, so that the first answer and the third are the same.

    Args:
        file: trusted, for it is a program.
        family: ``lama`` or ``migan`` where its inputs do not tell.
        device: see ``twofold.devices.choose_device``.
        name: for reports; None: that of the file.

    Raises:
        CheckpointError: if it is damaged, not TorchScript, or of no known kind.
        InputError: if the device cannot be used.
    """
    place = choose_device(device)
    try:
        digest = file_digest(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there is no other reader of such files
            module = torch.jit.load(str(file), map_location=place).eval()  # type: ignore[no-untyped-call]
        arguments = module.forward.schema.arguments[1:]  # the first is the module itself
    except Exception as error:  # PyTorch raises several kinds
        raise CheckpointError(
            f"{file} is damaged or not a TorchScript program ({cause_of(error)[:120]}); give a file that "
            "torch.jit.save wrote: weights alone need the network that they are for"
        ) from error
    slots = [Slot(argument.name) for argument in arguments]
    if family is None and len(slots) == 1:
        family = "migan"  # its traced file is the public one with a single input
    convention = choose_convention(slots, family, str(file))

    def run(arrays: Arrays) -> npt.NDArray[Any]:
        with exact_arithmetic(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            answer = module(*(torch.from_numpy(array).to(place) for array in arrays))
        if not isinstance(answer, torch.Tensor):
            raise TypeError(f"it answered with {type(answer).__name__}, not with one tensor")
        return np.asarray(answer.detach().cpu().numpy())

    versions = f"{twofold_version()}, torch {torch.__version__}, {place.type}"
    fingerprint = f"{convention.family} {file.name} {digest}, {versions}"
    return ForeignModel(file, convention, run, name=name, fingerprint=fingerprint)
