"""DSI as ONNX graphs: what the sampler knows, one step of it, and the painting.

A step is a row and a window of it, or a pass over everything where codes are drawn in parallel. Nothing in
the graphs loops: caches go in and what is new in them comes out, and who runs them holds the loop, the noise
and the choice (``twofold/engine/backends/onnx/dsi.py``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.checkpoints.format import Weights
from twofold.devices import exact_arithmetic
from twofold.diffusion import diffuse
from twofold.dsi.attention import fuse, known_cells, patch_distances, standard_scores
from twofold.dsi.config import SIZE_MULTIPLE
from twofold.dsi.discriminator import Discriminator
from twofold.dsi.model import AnyStructureGenerator, Dsi
from twofold.dsi.parallel.network import MaskedNetwork, MaskedStructureGenerator
from twofold.dsi.texture import TextureGenerator
from twofold.engine.backends.onnx.parallel import ParallelSampler
from twofold.engine.backends.onnx.raster import RasterSampler, SamplerSizes
from twofold.errors import CheckpointError, InputError
from twofold.export.document import Exporter, Graphs
from twofold.export.dsi_sampler import row_graph, window_graph
from twofold.export.parity import UNROUNDED, Differences, close, one_level, open_graph, too_far, trial
from twofold.export.tracing import drop_output, halve_weights, trace
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

_EQUAL_CODES = 0.99  # of the picture's own; at a near tie of two codes' distances rounding decides


class Parts:
    """The parts of a whole DSI network; ``CheckpointError`` if weights of a stage are missing."""

    def __init__(self, network: Dsi) -> None:
        structure, texture, discriminator = network.structure, network.texture, network.discriminator
        if structure is None or texture is None or discriminator is None:
            part = "structure" if structure is None else "texture"
            raise CheckpointError(
                f"these weights hold no {part} generator, so they fill nothing; export weights of all stages"
            )
        self.network = network
        self.structure: AnyStructureGenerator = structure
        self.texture: TextureGenerator = texture
        self.discriminator: Discriminator = discriminator


class Describe(nn.Module):
    """Condition features and the picture's own codes."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.condition, self.vqvae = parts.structure.condition, parts.network.vqvae

    def forward(self, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """From pixels uint8 [1 h w 3] and a hole uint8 [1 h w] to [h/8 w/8 c] and int64 [h/8 w/8]."""
        masked, missing = _read(image, hole)
        condition = self.condition(masked, missing)[0].permute(1, 2, 0)
        return condition, self.vqvae.encode(diffuse(masked, missing)).structure.codes[0]


class Masked(nn.Module):
    """One pass over a structure that is decoded in parallel."""

    def __init__(self, network: MaskedNetwork, vectors: Tensor) -> None:
        super().__init__()
        self.network = network
        self.vectors = nn.Buffer(vectors.detach().float())

    def forward(self, codes: Tensor, hidden: Tensor, condition: Tensor) -> Tensor:
        """From codes int64 [h w], bools [h w] and features float32 [h w c] to logits float32 [h w k]."""
        vectors = rearrange(F.embedding(codes[None], self.vectors), "b h w d -> b d h w")
        features = rearrange(condition[None], "b h w d -> b d h w")
        return rearrange(self.network(vectors, hidden[None], features), "b k h w -> (b h) w k")


class Paint(nn.Module):
    """A structure to a picture, the structure as a picture, and what the discriminator says."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.vqvae, self.texture = parts.network.vqvae, parts.texture
        self.discriminator = parts.discriminator

    def forward(self, image: Tensor, hole: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
        """From pixels, hole and codes int64 [1 h/8 w/8] to pixels uint8 [1 h w 3]; see ``dsi_graphs``."""
        masked, missing = _read(image, hole)
        vectors = self.vqvae.structure_codebook.look_up(codes)
        answer = self.texture(masked, missing, vectors, _attention(self.texture, vectors, missing))
        score = self.discriminator(torch.where(missing > 0, answer, masked), missing).mean(dim=1)
        pixels = _pixels(answer)
        filled = torch.where(hole[..., None] > 0, pixels, image)
        return filled, pixels, _pixels(self.vqvae.structure_picture(vectors)), score, answer


def _attention(texture: TextureGenerator, vectors: Tensor, missing: Tensor) -> Tensor:
    """The weights of ``attention_weights``, from distances in float64.

    They are differences of large numbers, and what rounding leaves in them is multiplied by 50; the sums of
    other runtimes round in another order than PyTorch's.
    """
    rows, columns = vectors.shape[-2:]
    scores = fuse(standard_scores(patch_distances(vectors.double()).float()), rows, columns)
    if not texture.attend_hole:
        scores = scores.masked_fill(~known_cells(missing)[:, None], -torch.inf)
    return (texture.softmax_scale * scores).softmax(dim=-1)


def _read(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """The known part of a picture in [-1, 1], 0 in the hole, and the hole as 0 and 1."""
    missing = (hole > 0).to(torch.float32)[:, None]
    planes = rearrange(image, "b h w c -> b c h w").to(torch.float32) / 127.5 - 1
    return planes * (1 - missing), missing


def _pixels(planes: Tensor) -> Tensor:
    levels = ((planes + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return rearrange(levels, "b c h w -> b h w c")


def dsi_graphs(parts: Parts) -> Mapping[str, onnx.ModelProto]:
    """Write DSI down, at its native size.

    ``condition``: ``image`` and ``hole`` as in ``medfe_graph`` to ``condition`` float32 [h/8 w/8 c] and the
    picture's own ``codes`` int64 [h/8 w/8]. ``row`` and ``window``: see ``dsi_sampler``; or, where all codes
    are decoded in parallel, ``masked``: ``codes`` (anything where they are hidden), ``hidden`` bool [h/8 w/8]
    and ``condition`` to ``logits`` float32 [h/8 w/8 k]. ``paint``: ``image``, ``hole`` and ``codes`` int64
    [1 h/8 w/8] to ``filled``, ``answer`` and ``structure``, uint8 [1 h w 3] each, ``score`` float32 [1], and
    ``unrounded``.

    Args:
        parts: on the CPU, in evaluation mode.
    """
    side = parts.network.config.native_size
    image = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    hole = torch.zeros(1, side, side, dtype=torch.uint8)
    hole[:, : side // 2] = 1
    codes = torch.zeros(1, side // SIZE_MULTIPLE, side // SIZE_MULTIPLE, dtype=torch.int64)
    picture = {"image": image, "hole": hole}
    painted = ["filled", "answer", "structure", "score", UNROUNDED]
    return {
        "condition": trace(Describe(parts).eval(), picture, ["condition", "codes"], axes={}),
        **_sampler_graphs(parts),
        "paint": trace(Paint(parts).eval(), {**picture, "codes": codes}, painted, axes={}),
    }


def _sampler_graphs(parts: Parts) -> dict[str, onnx.ModelProto]:
    structure, vectors = parts.structure, parts.network.vqvae.structure_codebook.vectors
    if not isinstance(structure, MaskedStructureGenerator):
        network = structure.pixelcnn
        return {"row": row_graph(network, vectors), "window": window_graph(network, vectors)}
    config = parts.network.config
    assert config.structure is not None  # Parts has seen it
    side = config.native_size // SIZE_MULTIPLE
    inputs = {
        "codes": torch.zeros(side, side, dtype=torch.int64),
        "hidden": torch.ones(side, side, dtype=torch.bool),
        "condition": torch.zeros(side, side, config.structure.condition_channels[-1]),
    }
    return {"masked": trace(Masked(structure.network, vectors).eval(), inputs, ["logits"], axes={})}


def check_dsi(
    models: Mapping[str, onnx.ModelProto], parts: Parts, sizes: SamplerSizes | None, source: str
) -> Differences:
    """Compare the graphs of ``dsi_graphs`` with their networks; arguments and errors as of ``check_medfe``.

    The sampler is compared by its logits of a whole structure with those of the plain network: row by row
    through its caches, or, of a network that decodes in parallel and has no ``sizes``, with codes hidden
    here and there.
    """
    graphs = {name: open_graph(model) for name, model in models.items()}
    side = parts.network.config.native_size
    image, hole = trial(1, side, side, seed=0)
    given: dict[str, npt.NDArray[Any]] = {"image": image, "hole": hole.astype(np.uint8)}
    grid = (side // SIZE_MULTIPLE,) * 2
    many = np.random.default_rng(0).integers(0, parts.network.config.vqvae.codes, (1, *grid))
    hidden = np.random.default_rng(1).random(grid) < 0.5
    with exact_arithmetic():
        missing = hole_to_tensor(hole)
        masked = image_to_tensor(image) * (1 - missing)
        condition = parts.structure.condition(masked, missing)
        own = parts.network.vqvae.encode(diffuse(masked, missing)).structure.codes[0]
        vectors = parts.network.vqvae.structure_codebook.look_up(torch.from_numpy(many))
        if isinstance(parts.structure, MaskedStructureGenerator):
            logits = parts.structure.network(vectors, torch.from_numpy(hidden)[None], condition)
        else:
            logits = parts.structure.pixelcnn(vectors, condition)
        picture = parts.texture(masked, missing, vectors)
        view = parts.network.vqvae.structure_picture(vectors)
        score = parts.discriminator(torch.where(missing > 0, picture, masked), missing).mean(dim=1)
    features = condition[0].permute(1, 2, 0)
    found, found_codes = graphs["condition"](["condition", "codes"], given)
    differences = {"condition": close(found, features, source, "the condition")}
    if float((found_codes == own.numpy()).mean()) < _EQUAL_CODES:
        raise too_far(source, "the codes of a picture", f"under {_EQUAL_CODES:.0%} of them agree")
    if sizes is None:
        sampled = ParallelSampler(graphs["masked"], features.numpy()).logits(many[0], hidden)
    else:
        sampled = RasterSampler(graphs["row"], graphs["window"], sizes, features.numpy()).logits(many[0])
    differences["logits"] = close(sampled, logits[0].permute(1, 2, 0), source, "the sampler's logits")
    names = [UNROUNDED, "score", "answer", "structure", "filled"]
    painted = dict(zip(names, graphs["paint"](names, {**given, "codes": many}), strict=True))
    differences["picture"] = close(painted[UNROUNDED], picture, source, "the painted picture")
    differences["score"] = close(painted["score"], score, source, "the score")
    one_level(painted["answer"], tensor_to_image(picture), source, "the painted picture")
    one_level(painted["structure"], tensor_to_image(view), source, "the picture of the structure")
    one_level(painted["filled"], np.where(hole[..., None], painted["answer"], image), source, "the picture")
    return differences


def _sampler_sizes(network: Dsi) -> SamplerSizes | None:
    """Of the sampler's caches; None where it decodes in parallel, without any."""
    config = network.config.structure
    assert config is not None  # Parts has seen it
    if config.order == "parallel":
        return None
    return SamplerSizes(
        layers=config.groups * config.layers,
        channels=config.channels,
        codes=network.config.vqvae.codes,
        attentions=config.groups,
        key_size=config.heads * config.key_channels,
        value_size=config.heads * config.value_channels,
    )


def _export(network: Dsi, weights: Weights, int8: Path | None) -> Graphs:
    if int8 is not None:
        raise InputError(f"{weights.name} has no form in 8-bit integers, only MEDFE has; leave int8 out")
    parts, sizes = Parts(network), _sampler_sizes(network)
    models = dsi_graphs(parts)
    for model in models.values():
        halve_weights(model)
    differences = check_dsi(models, parts, sizes, weights.name)
    drop_output(models["paint"], UNROUNDED)
    order = {"order": "parallel"} if sizes is None else {"order": "raster", "sampler": vars(sizes)}
    return Graphs(models, differences, {"sampling": weights.config.get("sampling", {}), **order})


EXPORTER = Exporter(_export, one_file=False)
"""DSI's entry in ``twofold.families``."""
