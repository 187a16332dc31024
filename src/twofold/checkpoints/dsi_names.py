"""The table of the authors' DSI weights: which of their variables is which of our tensors.

Their variables are numbered by kind of layer as the graph was built, so the table is a list of our layers
for each kind.
"""

import torch

from twofold.dsi.config import DsiConfig, StructureConfig, TextureConfig, VqvaeConfig
from twofold.dsi.model import Dsi

_LEAVES = {"weight": "W", "bias": "b", "v": "V", "g": "g", "b": "b"}
_LEAVES |= {"vectors": "embedding", "singular_vector": "u"}
"""Our tensor of a layer -> theirs."""


def layer_names(config: DsiConfig) -> dict[str, list[str]]:
    """The table: their kind of layer -> our layers, in the order in which theirs are numbered from 0.

    A layer of ours that stands there several times holds theirs one after the other along its output
    channels, as the heads of the attention do.
    """
    table = _vqvae_layers(config.vqvae)
    if config.structure is not None:
        table |= _structure_layers(config.structure)
    if config.texture is not None:
        table |= _texture_layers(config.texture)
    return table


def _vqvae_layers(config: VqvaeConfig) -> dict[str, list[str]]:
    def blocks(where: str) -> str:
        return " ".join(f"{where}.{i}.widen {where}.{i}.merge" for i in range(config.residual_blocks))

    encoder = f"""
        structure_encoder.to_half structure_encoder.to_quarter structure_encoder.mix_quarter
        {blocks("structure_encoder.blocks_quarter")}
        structure_encoder.to_eighth structure_encoder.mix_eighth
        {blocks("structure_encoder.blocks_eighth")}
        structure_encoder.to_code
        texture_encoder.mix {blocks("texture_encoder.blocks")} texture_encoder.to_code
    """
    layers = {
        "vq_encoder/conv2d": encoder,
        "vq_encoder/deconv2d": "texture_encoder.up",
        "vq_encoder/vector_quantize": "structure_codebook texture_codebook",
        "vq_decoder/conv2d": f"decoder.mix {blocks('decoder.blocks')}",
        "vq_decoder/deconv2d": "decoder.up_structure decoder.to_half decoder.to_full",
    }
    return {kind: [f"vqvae.{layer}" for layer in ours.split()] for kind, ours in layers.items()}


def _structure_layers(config: StructureConfig) -> dict[str, list[str]]:
    condition = []
    for scale in ("full", "half", "quarter"):
        block = f"structure.condition.block_{scale}"
        condition += [f"structure.condition.to_{scale}", f"{block}.first", f"{block}.second"]
    condition.append("structure.condition.to_eighth")
    for index in range(len(config.condition_dilations)):
        block = f"structure.condition.blocks_eighth.{index}"
        condition += [f"{block}.first", f"{block}.second"]

    pixelcnn = "structure.pixelcnn"
    convs = [f"{pixelcnn}.up_in", f"{pixelcnn}.left_in_above", f"{pixelcnn}.left_in_beside"]
    dense = []
    for index in range(config.groups * config.layers):
        up, left = f"{pixelcnn}.up_layers.{index}", f"{pixelcnn}.left_layers.{index}"
        convs += [f"{up}.first", f"{up}.second", f"{left}.first", f"{left}.second"]
        dense += [f"{up}.from_condition", f"{left}.from_extra", f"{left}.from_condition"]
        if (index + 1) % config.layers == 0:
            head = [f"{left}.attention.{part}" for part in ("query", "key", "value")]
            dense += [*head * config.heads, f"{left}.attention.output"]
    dense += [f"{pixelcnn}.out_layers.{index}.mix" for index in range(config.out_layers)]
    return {
        "structure_condition/wnconv2d": condition,
        "structure_pixelcnn/wnconv2d": convs,
        "structure_pixelcnn/wndense": [*dense, f"{pixelcnn}.to_logits"],
    }


def _texture_layers(config: TextureConfig) -> dict[str, list[str]]:
    convs = """
        enter to_half mix_half to_quarter structure.0 structure.1 join_structure mix_quarter
        dilated.0 dilated.1 dilated.2 dilated.3 refine.0 refine.1 join_quarter join_half mix_full
    """
    return {
        "texture_generator/gated_conv2d": [f"texture.{layer}.conv" for layer in convs.split()],
        "texture_generator/gated_deconv2d": [
            f"texture.{layer}.conv" for layer in ("structure.2", "up_half", "up_full")
        ],
        "texture_generator/conv2d": ["texture.to_image"],
        "texture_discriminator/snconv2d": [
            f"discriminator.convs.{index}" for index in range(len(config.discriminator_channels))
        ],
    }


def variable_names(config: DsiConfig) -> dict[str, list[str]]:
    """Our tensors -> their variables; several are joined along our first axis."""
    layers: dict[str, list[str]] = {}
    for kind, ours in layer_names(config).items():
        for index, layer in enumerate(ours):
            layers.setdefault(layer, []).append(f"{kind}_{index}")
    names = {}
    for name in _our_shapes(config):
        layer, _, leaf = name.rpartition(".")
        names[name] = [f"{theirs}/{_LEAVES[leaf]}" for theirs in layers[layer]]
    return names


def official_shapes(config: DsiConfig) -> dict[str, tuple[int, ...]]:
    """Every variable that is converted -> its shape in TensorFlow.

    Args:
        config: of official mode; the full-size networks are ``dsi.config.paper("official")``.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    ours = _our_shapes(config)
    for name, theirs in variable_names(config).items():
        first, *rest = ours[name]
        shape = (*rest[1:], *rest[:1], first // len(theirs))
        shapes |= dict.fromkeys(theirs, (1, *shape) if name.endswith(".singular_vector") else shape)
    return shapes


def _our_shapes(config: DsiConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):  # shapes only: nothing is allocated or drawn
        return {name: tuple(value.shape) for name, value in Dsi(config).state_dict().items()}
