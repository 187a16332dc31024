"""DSI as ONNX graphs: what the sampler knows, one step of it, and the painting.

A step is a row and a window of it, or a pass over everything where codes are drawn in parallel. Nothing in
the graphs loops: caches go in and what is new in them comes out, and who runs them holds the loop, the noise
and the choice (``twofold/engine/backends/onnx/dsi.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import torch
from einops import rearrange
from torch import Tensor, nn

from twofold.diffusion import diffuse
from twofold.dsi.attention import fuse, known_cells, patch_distances, standard_scores
from twofold.dsi.config import SIZE_MULTIPLE
from twofold.dsi.discriminator import Discriminator
from twofold.dsi.masked import MaskedStructureGenerator
from twofold.dsi.model import AnyStructureGenerator, Dsi
from twofold.dsi.texture import TextureGenerator
from twofold.errors import CheckpointError
from twofold.export.dsi_masked import masked_graph
from twofold.export.dsi_sampler import row_graph, window_graph
from twofold.export.tracing import trace

UNROUNDED = "unrounded"
"""The picture before it is rounded, float32 [1 3 h w]: for the check of parity."""


class Parts:
    """The parts of a whole DSI network.

    Args:
        network: with weights of all stages.

    Raises:
        CheckpointError: if a stage is missing.
    """

    def __init__(self, network: Dsi) -> None:
        structure, texture, judge = network.structure, network.texture, network.discriminator
        if structure is None or texture is None or judge is None:
            part = "structure" if structure is None else "texture"
            raise CheckpointError(
                f"these weights hold no {part} generator, so they fill nothing; export weights of all stages"
            )
        self.network = network
        self.structure: AnyStructureGenerator = structure
        self.texture: TextureGenerator = texture
        self.discriminator: Discriminator = judge


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


class Paint(nn.Module):
    """A structure to a picture, the structure as a picture, and what the discriminator says."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.vqvae, self.texture, self.discriminator = (
            parts.network.vqvae,
            parts.texture,
            parts.discriminator,
        )

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
    picture's own ``codes`` int64 [h/8 w/8]. ``row`` and ``window``: see ``dsi_sampler``; or ``masked``: see
    ``dsi_masked``. ``paint``: ``image``, ``hole`` and ``codes`` int64 [1 h/8 w/8] to ``filled``, ``answer``
    and ``structure``, uint8 [1 h w 3] each, ``score`` float32 [1], and ``unrounded``.

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
    if isinstance(structure, MaskedStructureGenerator):
        config = parts.network.config
        assert config.structure is not None  # Parts has seen it
        side = config.native_size // SIZE_MULTIPLE
        features = config.structure.condition_channels[-1]
        return {"masked": masked_graph(structure.network, vectors, side, features)}
    return {
        "row": row_graph(structure.pixelcnn, vectors),
        "window": window_graph(structure.pixelcnn, vectors),
    }
