"""Compare exported graphs with the network that they come from, before any file is kept."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from twofold.devices import exact_arithmetic
from twofold.diffusion import diffuse
from twofold.dsi.config import SIZE_MULTIPLE
from twofold.dsi.masked import MaskedStructureGenerator
from twofold.engine.backends.onnx.parallel import MaskedSampler
from twofold.engine.backends.onnx.raster import Codes, Floats, Graph, SamplerSizes, StepSampler
from twofold.errors import CheckpointError, MissingExtraError
from twofold.export.dsi import Parts
from twofold.export.medfe import UNROUNDED
from twofold.medfe.model import Medfe
from twofold.tensors import hole_to_tensor, image_to_tensor, tensor_to_image

TOLERANCE = 1e-4
"""Largest difference of a graph's numbers from PyTorch's: in pictures of [-1, 1]; elsewhere as a share of
the largest number."""
_EQUAL_CODES = 0.99  # of the picture's own; at a near tie of two codes' distances rounding decides
Pixels = npt.NDArray[np.uint8]
Differences = dict[str, float]


def check_medfe(model: onnx.ModelProto, network: Medfe, source: str) -> Differences:
    """Compare the graph of ``medfe_graph`` with its network, at several sizes.

    Args:
        model: with its output ``unrounded``.
        network: on the CPU.
        source: what to call it in errors.

    Returns:
        The largest difference of the answers, by size.

    Raises:
        CheckpointError: if they differ by more than the tolerance, or pixels by more than one level.
    """
    run = open_graph(model)
    names = [output.name for output in model.graph.output]
    side = network.native_size
    sizes = [(1, side, side)]
    if network.config.mode != "official":
        step = network.size_multiple
        sizes += [(2, 3 * step, 5 * step), (1, step, 2 * step), (1, network.largest_size, side)]
    differences = {}
    for number, size in enumerate(sizes):
        image, hole = trial(*size, seed=number)
        with exact_arithmetic():
            batch = network.fill(image_to_tensor(image), hole_to_tensor(hole), [0] * len(image))
        given = {"image": image, "hole": hole.astype(np.uint8)}
        found = dict(zip(names, run(names, given), strict=True))
        what = f"a picture of {size[2]}x{size[1]}"
        differences[f"{size[2]}x{size[1]}"] = _close(found[UNROUNDED], batch.image, source, what)
        for name, view in (
            ("answer", batch.image),
            ("structure", batch.structure),
            ("texture", batch.texture),
        ):
            if view is not None:
                _one_level(found[name], tensor_to_image(view), source, f"{name} of {what}")
        _one_level(found["filled"], np.where(hole[..., None], found["answer"], image), source, what)
    return differences


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
    with exact_arithmetic():
        missing = hole_to_tensor(hole)
        masked = image_to_tensor(image) * (1 - missing)
        condition = parts.structure.condition(masked, missing)
        own = parts.network.vqvae.encode(diffuse(masked, missing)).structure.codes[0]
        codes = _some_codes(side // SIZE_MULTIPLE, parts.network.config.vqvae.codes)
        vectors = parts.network.vqvae.structure_codebook.look_up(codes)
        logits = _logits(parts, vectors, condition)[0].permute(1, 2, 0)
        picture = parts.texture(masked, missing, vectors)
        view = parts.network.vqvae.structure_picture(vectors)
        score = parts.discriminator(torch.where(missing > 0, picture, masked), missing).mean(dim=1)
    found, found_codes = graphs["condition"](["condition", "codes"], given)
    differences = {"condition": _close(found, condition[0].permute(1, 2, 0), source, "the condition")}
    if float((found_codes == own.numpy()).mean()) < _EQUAL_CODES:
        raise _too_far(source, "the codes of a picture", f"under {_EQUAL_CODES:.0%} of them agree")
    sampled = _sampled_logits(graphs, sizes, codes[0].numpy(), condition[0].permute(1, 2, 0).numpy())
    differences["logits"] = _close(sampled, logits, source, "the sampler's logits")
    names = [UNROUNDED, "score", "answer", "structure", "filled"]
    painted = dict(zip(names, graphs["paint"](names, {**given, "codes": codes.numpy()}), strict=True))
    differences["picture"] = _close(painted[UNROUNDED], picture, source, "the painted picture")
    differences["score"] = _close(painted["score"], score, source, "the score")
    _one_level(painted["answer"], tensor_to_image(picture), source, "the painted picture")
    _one_level(painted["structure"], tensor_to_image(view), source, "the picture of the structure")
    _one_level(painted["filled"], np.where(hole[..., None], painted["answer"], image), source, "the picture")
    return differences


def open_graph(model: onnx.ModelProto) -> Graph:
    """Run a graph in memory by onnxruntime on the CPU.

    Raises:
        MissingExtraError: if onnxruntime is not installed.
        CheckpointError: if it cannot run the graph.
    """
    try:
        library = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError(
            f"an export is checked by onnxruntime, which cannot be imported ({error}); "
            "pip install 'twofold[export]'"
        ) from error
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        session = library.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises a class of its own for each status
        raise CheckpointError(
            f"onnxruntime cannot run the graph that was made ({str(error).splitlines()[0]}); nothing is "
            "written; try other versions of PyTorch and onnxruntime"
        ) from error

    def run(names: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        return [np.asarray(array) for array in session.run(list(names), dict(inputs))]

    return run


def trial(count: int, height: int, width: int, *, seed: int) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Pictures [b h w 3] of shades, edges and grain, and holes [b h w] of boxes and specks."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    image, hole = np.zeros((count, height, width, 3)), rng.random((count, height, width)) < 0.02
    for picture, missing in zip(image, hole, strict=True):
        for _ in range(6):
            colour, angle = rng.uniform(-90, 90, 3), rng.uniform(0, np.pi)
            wave = np.cos(angle) * x + np.sin(angle) * y
            shape = np.sign(np.sin(20 * wave)) if rng.random() < 0.5 else np.sin(9 * wave)
            picture += shape[..., None] * colour
        top, left = rng.integers(height // 2), rng.integers(width // 2)
        missing[top : top + height // 2, left : left + width // 3] = True
    grain = rng.normal(0, 6, image.shape)
    return (image + grain + 128).clip(0, 255).astype(np.uint8), hole


def _some_codes(side: int, codes: int) -> torch.Tensor:
    """A structure [1 h w] that holds many codes."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, codes, (1, side, side)))


def _some_hidden(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Half of the positions [h w]."""
    return np.random.default_rng(1).random((height, width)) < 0.5


def _logits(parts: Parts, vectors: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """The plain network's logits [1 k h w]."""
    if isinstance(parts.structure, MaskedStructureGenerator):
        hidden = torch.from_numpy(_some_hidden(*vectors.shape[-2:]))
        return parts.structure.network(vectors, hidden[None], condition)
    return parts.structure.pixelcnn(vectors, condition)


def _sampled_logits(
    graphs: Mapping[str, Graph], sizes: SamplerSizes | None, codes: Codes, condition: Floats
) -> Floats:
    """The same [h w k] by the exported sampler."""
    if sizes is None:
        return MaskedSampler(graphs["masked"], condition).logits(codes, _some_hidden(*codes.shape))
    return StepSampler(graphs["row"], graphs["window"], sizes, condition).logits(codes)


def _close(found: npt.NDArray[Any], wanted: torch.Tensor, source: str, what: str) -> float:
    """The largest difference, relative to the largest number if that is above 1."""
    expected = wanted.numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(found - expected).max()) / scale
    if not difference <= TOLERANCE:  # nor NaN
        raise _too_far(source, what, f"they differ by {difference:.1e}, and {TOLERANCE:.0e} is allowed")
    return difference


def _one_level(found: Pixels, expected: Pixels, source: str, what: str) -> None:
    difference = int(np.abs(found.astype(np.int16) - expected).max())
    if difference > 1:
        raise _too_far(source, what, f"pixels differ by {difference} levels, and one is allowed")


def _too_far(source: str, what: str, how: str) -> CheckpointError:
    return CheckpointError(
        f"the export of {source} does not answer as PyTorch does: of {what}, {how}; nothing is written; try "
        "other versions of PyTorch and onnxruntime"
    )
