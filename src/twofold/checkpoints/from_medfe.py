"""The authors' MEDFE weights in our format: one table of names, and every complaint at once.

Their generator is three files (``EN``, ``DE``, and ``MEDEF``, as the released one is spelled, or
``MEDFE``), their discriminators are two more (``D``, ``F``).
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from twofold.checkpoints.building import Undrawn
from twofold.checkpoints.conversion import check_folder, filling_folder, refuse
from twofold.checkpoints.format import save_weights
from twofold.checkpoints.pickled import UnreadError, is_plain, read_pickled
from twofold.checkpoints.released import FILE_NAME
from twofold.errors import CheckpointError
from twofold.medfe.config import MedfeConfig, paper
from twofold.medfe.discriminator import PatchDiscriminator
from twofold.medfe.official import OfficialMedfe, constant_mask_sums

DISCRIMINATORS_NAME = "discriminators.safetensors"
SPELLINGS = {"EN": ("EN",), "DE": ("DE",), "MEDFE": ("MEDEF", "MEDFE"), "D": ("D",), "F": ("F",)}
GENERATOR = ("EN", "MEDFE", "DE")
DISCRIMINATORS = {"D": "whole", "F": "local"}
"""Their network -> its name in ``medfe.discriminator.Discriminators``."""
_LONGEST_NAME = 80  # of an unknown tensor, in a complaint

State = Mapping[str, Tensor]


def layer_names(config: MedfeConfig) -> dict[str, tuple[str, str]]:
    """The table: our layer -> their network and layer. A layer's weight and bias share its row.

    Not in it: ``filling.streams.N.mask_sums``, see ``mask_weight_names``.
    """
    gather, skips = "filling.gather_texture", "skips"
    block = {
        f"{gather}.from_first.0.conv": "down_128.model.0",
        f"{gather}.from_first.1.conv": "down_128.model.3",
        f"{gather}.from_second.conv": "down_64.model.0",
        f"{gather}.from_third.conv": "down_32.model.0",
        f"{gather}.merge.conv": "down.model.0",
        "filling.gather_structure.conv": "up.conv",
        "fuse.conv": "fuse.model.0",
        "equalization.reweigh.squeeze": "base.model.0.fc.0",
        "equalization.reweigh.excite": "base.model.0.fc.2",
        "equalization.combine.conv": "base.down.0",
        f"{skips}.up.0.conv": "up_128.conv",
        f"{skips}.up.1.conv": "up_64.conv",
        f"{skips}.up.2.conv": "up_32.conv",
        f"{skips}.down.0.0.conv": "down_16.model.0",
        f"{skips}.down.1.0.conv": "down_8.model.0",
        f"{skips}.down.1.1.conv": "down_8.model.3",
        f"{skips}.down.2.0.conv": "down_4.model.0",
        f"{skips}.down.2.1.conv": "down_4.model.3",
        f"{skips}.down.2.2.conv": "down_4.model.6",
    }
    for stream, kernel in enumerate(config.fill_kernels):
        for layer in range(config.fill_depth):
            block[f"filling.streams.{stream}.convs.{layer}"] = f"cov_{kernel}.{layer}.conv.input_conv"
            block[f"filling.streams.{stream}.norms.{layer}"] = f"cov_{kernel}.{layer}.bn"
    encoder = {"encoder.stages.0.conv": "Encoder_1.model.0"}
    decoder = {"decoder.stages.5.conv": "Decoder_6.model.1"}
    for stage in range(1, 6):
        encoder[f"encoder.stages.{stage}.conv"] = f"Encoder_{stage + 1}.model.1"
        if stage < 5:
            encoder[f"encoder.stages.{stage}.norm"] = f"Encoder_{stage + 1}.model.2"
        decoder[f"decoder.stages.{stage - 1}.conv"] = f"Decoder_{stage}.model.1"
        decoder[f"decoder.stages.{stage - 1}.norm"] = f"Decoder_{stage}.model.2"
    for index in range(config.residual_blocks):
        encoder[f"encoder.middle.{index}.dilated"] = f"middle.{index}.conv_block.1"
        encoder[f"encoder.middle.{index}.plain"] = f"middle.{index}.conv_block.5"
    return {
        **{ours: ("EN", theirs) for ours, theirs in encoder.items()},
        **{ours: ("MEDFE", f"pc_block.{theirs}") for ours, theirs in block.items()},
        "structure_to_rgb": ("MEDFE", "loss.0.down_model.0"),
        **{ours: ("DE", theirs) for ours, theirs in decoder.items()},
    }


def mask_weight_names(config: MedfeConfig) -> dict[str, list[str]]:
    """Our maps of mask sums -> the frozen mask convolutions of ``MEDFE`` that they are folded from."""
    return {
        f"filling.streams.{stream}.mask_sums": [
            f"pc_block.cov_{kernel}.{layer}.conv.mask_conv.weight" for layer in range(config.fill_depth)
        ]
        for stream, kernel in enumerate(config.fill_kernels)
    }


# Spectral norm: their attribute of a convolution -> ours.
_SPECTRAL = {
    "bias": "bias",
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


def official_shapes(config: MedfeConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """Every tensor of an official checkpoint: network -> name -> shape.

    Args:
        config: of official mode; the full-size network is ``medfe.config.paper("official")``.
    """
    with torch.device("meta"), Undrawn():  # shapes only: nothing is allocated or drawn
        ours, discriminator = OfficialMedfe(config).state_dict(), PatchDiscriminator().state_dict()
    table = layer_names(config)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {net: {} for net in SPELLINGS}
    for name, value in ours.items():
        layer, _, leaf = name.rpartition(".")
        if leaf != "mask_sums":
            net, theirs = table[layer]
            shapes[net][f"{theirs}.{leaf}"] = tuple(value.shape)
    for names in mask_weight_names(config).values():
        for name in names:
            shapes["MEDFE"][name] = shapes["MEDFE"][name.replace("mask_conv", "input_conv")]
    for net in DISCRIMINATORS:
        for index in range(0, 10, 2):
            for theirs, leaf in _SPECTRAL.items():
                shapes[net][f"model.{index}.{theirs}"] = tuple(discriminator[f"layers.{index}.{leaf}"].shape)
    return shapes


def convert_generator(networks: Mapping[str, State], config: MedfeConfig) -> dict[str, Tensor]:
    """Rename the tensors of the official generator and fold its mask convolutions.

    Args:
        networks: the complete state dicts of ``EN``, ``MEDFE`` and ``DE``.
        config: of official mode, of the weights' sizes.

    Returns:
        The state dict of ``medfe.official.OfficialMedfe``, float32.
    """
    table = layer_names(config)
    theirs_to_ours = {entry: ours for ours, entry in table.items()}
    folded = {name for names in mask_weight_names(config).values() for name in names}
    state = {}
    for net in GENERATOR:
        for name, value in networks[net].items():
            if name not in folded:
                layer, _, leaf = name.rpartition(".")
                state[f"{theirs_to_ours[net, layer]}.{leaf}"] = value.float()
    side = config.native_size // 8
    for ours, names in mask_weight_names(config).items():
        state[ours] = constant_mask_sums([networks["MEDFE"][name] for name in names], side)
    return state


def convert_discriminators(networks: Mapping[str, State]) -> dict[str, Tensor]:
    """Rename the tensors of ``D``, ``F`` or both to those of ``medfe.discriminator.Discriminators``."""
    state = {}
    for net, ours in DISCRIMINATORS.items():
        for name, value in networks.get(net, {}).items():
            _, index, leaf = name.split(".")
            state[f"{ours}.layers.{index}.{_SPECTRAL[leaf]}"] = value.float()
    return state


def convert_medfe(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str = "medfe-official",
    config: MedfeConfig | None = None,
) -> list[Path]:
    """Convert a folder of official MEDFE weights into a folder that ``twofold.load`` reads.

    Args:
        folder: holds ``EN``, ``DE`` and ``MEDEF`` or ``MEDFE``, each as ``.pkl`` or ``.pth`` or as
            training saves it (``20_net_EN.pth``); a state dict, or one under ``net``; with or without
            the prefix ``module.``. ``D`` and ``F`` are converted too if they are there.
        out: folder to write, made if its parent exists; holds ``model.safetensors`` (float32) and, if
            ``D`` or ``F`` were there, ``discriminators.safetensors``. What an earlier conversion left
            is replaced; other files stay.
        name: of the model, for reports.
        config: sizes of the network; None for the full-size one.

    Returns:
        The files written.

    Raises:
        CheckpointError: if anything is missing, unknown, misshapen, ambiguous or unreadable (one error
            for everything), or ``out`` cannot be written; nothing is left behind then.
    """
    config = config or paper("official")
    target = check_folder(out)
    networks = _read_all(Path(folder), official_shapes(config))
    about = {"source": "converted from the official MEDFE layout", "networks": sorted(networks)}
    save = partial(save_weights, about=about, dtype="float32")
    written = [Path(out) / FILE_NAME]
    with filling_folder(target, (DISCRIMINATORS_NAME, FILE_NAME)) as staging:
        state = convert_generator(networks, config)
        save(staging / FILE_NAME, family="medfe", config=config, state=state, name=name)
        if state := convert_discriminators(networks):
            file, family = staging / DISCRIMINATORS_NAME, "medfe-discriminators"
            save(file, family=family, config={}, state=state, name=f"{name}-discriminators")
            written.append(Path(out) / DISCRIMINATORS_NAME)
    return written


def _read_all(folder: Path, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> dict[str, State]:
    """Read the networks of a folder and collect all that is wrong with them into one error."""
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is no folder; give the folder that holds EN.pkl, DE.pkl and MEDEF.pkl"
        )
    networks: dict[str, State] = {}
    complaints: list[str] = []
    for net in SPELLINGS:
        files = _candidates(folder, net)
        if len(files) > 1:
            complaints.append(f"{' and '.join(file.name for file in files)} are both {net}, keep one")
        elif files:
            networks[net] = _read(files[0], complaints, shapes[net])
        elif net in GENERATOR:
            complaints.append(f"no {' or '.join(SPELLINGS[net])} (.pkl or .pth)")
    refuse(str(folder), complaints, "give EN, DE and MEDEF of one official MEDFE network (D and F if wanted)")
    return networks


def _candidates(folder: Path, net: str) -> list[Path]:
    """Files that hold this network: ``EN.pkl``, ``EN.pth``, ``20_net_EN.pth``."""
    stems = SPELLINGS[net]
    try:
        files = list(folder.iterdir())
    except OSError as error:
        raise CheckpointError(f"cannot look into {folder}: {error.strerror}; give another folder") from error
    return sorted(
        file
        for file in files
        if file.suffix in (".pkl", ".pth")
        and file.is_file()
        and (file.stem in stems or ("_net_" in file.stem and file.stem.rpartition("_net_")[2] in stems))
    )


def _read(path: Path, complaints: list[str], shapes: Mapping[str, tuple[int, ...]]) -> State:
    """Read one file; what is wrong with it is added to ``complaints``."""
    try:
        content = read_pickled(path)
    except UnreadError as error:
        complaints.append(f"{path.name} cannot be read ({error})")
        return {}
    if isinstance(content, Mapping) and isinstance(content.get("net"), Mapping):
        content = content["net"]
    if not isinstance(content, Mapping):
        complaints.append(f"{path.name} holds a {type(content).__name__} instead of a state dict")
        return {}
    if all(str(name).startswith("module.") for name in content):
        content = {str(name).removeprefix("module."): value for name, value in content.items()}
    complaints += [f"{path.name} lacks {name}" for name in shapes if name not in content]
    for name, value in content.items():
        if name not in shapes:
            complaints.append(f"{path.name} has an unknown {str(name)[:_LONGEST_NAME]}")
        elif not isinstance(value, Tensor):
            complaints.append(f"{path.name} has {name} as {type(value).__name__} instead of a tensor")
        elif not is_plain(value):
            complaints.append(f"{path.name} has {name} as a tensor of a special kind or of {value.dtype}")
        elif tuple(value.shape) != shapes[name]:
            complaints.append(f"{path.name} has {name} as {tuple(value.shape)} instead of {shapes[name]}")
        elif not bool(torch.isfinite(value).all()):
            complaints.append(f"{path.name} has values in {name} that are not finite")
    return content
