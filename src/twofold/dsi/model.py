"""DSI: sample structures for a hole, and paint each of them."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.diffusion import diffuse
from twofold.dsi.config import SIZE_MULTIPLE, DsiConfig
from twofold.dsi.discriminator import Discriminator
from twofold.dsi.fast.sample import sample_structure
from twofold.dsi.options import SamplingOptions
from twofold.dsi.parallel.decode import decode_parallel
from twofold.dsi.parallel.network import MaskedStructureGenerator
from twofold.dsi.sampling import SampledStructure
from twofold.dsi.structure import StructureGenerator
from twofold.dsi.texture import TextureGenerator
from twofold.dsi.vqvae import Vqvae
from twofold.errors import CheckpointError, InputError
from twofold.inpainter import Progress
from twofold.network import FilledBatch
from twofold.tensors import Hole, Image

AnyStructureGenerator = StructureGenerator | MaskedStructureGenerator


class Dsi(nn.Module):
    """The networks of all three stages; those whose configuration is None are absent."""

    def __init__(self, config: DsiConfig) -> None:
        super().__init__()
        self.config = config
        size, codes = config.vqvae.code_size, config.vqvae.codes
        self.vqvae = Vqvae(config.vqvae)
        self.structure: AnyStructureGenerator | None = None
        if config.structure is not None:
            parallel = config.structure.order == "parallel"
            kind = MaskedStructureGenerator if parallel else StructureGenerator
            self.structure = kind(config.structure, size, codes)
        self.texture = TextureGenerator(config.texture, size) if config.texture else None
        self.discriminator = Discriminator(config.texture) if config.texture else None

    @property
    def default_options(self) -> SamplingOptions:
        """How structures are sampled unless ``fill`` is told otherwise."""
        return self.config.sampling

    def check_options(self, options: SamplingOptions) -> None:
        """Refuse options that this network cannot follow.

        Raises:
            InputError: if official mode is given an option of ours.
        """
        if self.config.mode == "official" and options.keep_margin is not None:
            raise InputError(
                f"keep_margin is {options.keep_margin}, but official mode samples every code; "
                "leave it out, or use weights of paper mode"
            )

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        return SIZE_MULTIPLE

    @property
    def native_size(self) -> int:
        """Side in pixels of the pictures that the networks are trained for."""
        return self.config.native_size

    @property
    def largest_size(self) -> int:
        """The native size: sampling at other grids works, but the structure was only learnt at this one."""
        return self.config.native_size

    def fill(
        self,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        options: SamplingOptions | None = None,
        *,
        progress: Progress | None = None,
    ) -> FilledBatch:
        """Sample a structure for each seed and paint it; see ``FillingNetwork.fill``.

        ``progress`` is told of rows of structure, or of passes over it.

        Raises:
            CheckpointError: if the weights lack the structure or the texture generator.
            InputError: if the network cannot follow the options.
            ValueError: if height or width is not a multiple of 8.
        """
        height, width = image.shape[-2:]
        if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise ValueError(
                f"height and width must be multiples of {SIZE_MULTIPLE}, got {width}x{height}; pad the image"
            )
        if len(image) == 1:
            return self._fill_one(image, hole, seeds, options, progress)
        if len(image) != len(seeds):
            raise ValueError(f"{len(image)} pictures need as many seeds, got {len(seeds)}")
        parts = [
            self._fill_one(image[i : i + 1], hole[i : i + 1], [seed], options, progress)
            for i, seed in enumerate(seeds)
        ]
        return _joined(parts)

    def sample(
        self,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        options: SamplingOptions | None = None,
        *,
        progress: Progress | None = None,
    ) -> SampledStructure:
        """Sample a structure of one picture for each seed, without painting it; arguments as in ``fill``.

        Raises:
            CheckpointError: if the weights lack the structure generator.
        """
        structure = self.structure
        if structure is None:
            raise _lacking("structure")
        options = options or self.default_options
        self.check_options(options)
        masked = image * (1 - hole)
        condition = structure.condition(masked, hole)
        kept, known = self._kept(masked, hole, options.keep_margin)
        book = self.vqvae.structure_codebook
        if isinstance(structure, MaskedStructureGenerator):
            return decode_parallel(
                structure, book, condition, seeds, options, kept=kept, known=known, progress=progress
            )
        return sample_structure(
            structure, book, condition, seeds, options, kept=kept, known=known, progress=progress
        )

    def _fill_one(
        self,
        image: Image,
        hole: Hole,
        seeds: Sequence[int],
        options: SamplingOptions | None,
        progress: Progress | None,
    ) -> FilledBatch:
        texture, discriminator = self.texture, self.discriminator
        if texture is None or discriminator is None:
            raise _lacking("texture" if self.structure else "structure")
        sampled = self.sample(image, hole, seeds, options, progress=progress)
        masked = image * (1 - hole)
        vectors = self.vqvae.structure_codebook.look_up(sampled.codes)
        # One by one: the last bits of a batched convolution may depend on the size of the batch, and
        # an answer must not depend on how many others are asked for.
        pictures, views, scores = [], [], []
        for one in torch.tensor_split(vectors, len(vectors)):
            answer = texture(masked, hole, one).float()
            pictures.append(answer)
            views.append(self.vqvae.structure_picture(one))
            scores.append(discriminator(torch.where(hole > 0, answer, masked), hole).mean(dim=1))
        return FilledBatch(
            torch.cat(pictures),
            torch.cat(views),
            log_likelihood=sampled.log_likelihood,
            codes=sampled.codes,
            score=torch.cat(scores),
        )

    def _kept(
        self, masked: Image, hole: Hole, margin: int | None
    ) -> tuple[Int[Tensor, "h8 w8"] | None, Bool[Tensor, "h8 w8"] | None]:
        """The picture's own codes, and where they are kept; None where all are sampled."""
        if margin is None:
            return None, None
        # Diffused, so that codes next to the hole meet no edge of grey that the photograph does not have.
        known = visible_codes(hole, margin)[0]
        return self.vqvae.encode(diffuse(masked, hole)).structure.codes[0], known


def _lacking(part: str) -> CheckpointError:
    return CheckpointError(
        f"these weights hold no {part} generator, so they fill nothing; train it by `twofold train "
        f"dsi-{part}`, and join the stages by `twofold convert dsi-stages`"
    )


def visible_codes(hole: Hole, margin: int) -> Bool[Tensor, "b h8 w8"]:
    """Which structure codes see no missing pixel in their own 8x8 pixels and ``margin`` codes around.

    A structure feature depends on 94 x 94 pixels, 43 beyond its own on each side: from a margin of 6 on, no
    missing pixel has any influence.
    """
    touched = F.max_pool2d(hole.float(), SIZE_MULTIPLE)
    return F.max_pool2d(touched, 2 * margin + 1, stride=1, padding=margin)[:, 0] == 0


def _joined(parts: Sequence[FilledBatch]) -> FilledBatch:
    columns = {name: [vars(part)[name] for part in parts] for name in vars(parts[0])}
    return FilledBatch(**{name: torch.cat(all_) for name, all_ in columns.items() if all_[0] is not None})


def build_dsi(config: DsiConfig) -> Dsi:
    """Build the networks that ``config`` describes, with fresh weights as the official code draws them.

    Draws from torch's global generator.
    """
    return Dsi(config)
