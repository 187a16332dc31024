"""Relative total variation: smooth texture away and keep the edges, for structure targets.

With S the result and I the photograph, the smoothed image minimises, as reweighted least squares,

    sum_p (S_p - I_p)^2 + strength / 2 * (w_x,p (d_x S)_p^2 + w_y,p (d_y S)_p^2)

where d are forward differences and the weights come from the previous iterate:

    w_x,p = 1 / max(mean_c |grad S|, sharpness) * 1 / max(mean_c |d_x (G_sigma * S)|, 0.001)

and w_y alike. Across texture the blurred gradient cancels, so its weight is large and the texture is
flattened; along an edge it does not. Each iteration solves (1 + L_w) S = I against the original I;
sigma halves from one to the next and stays at least 0.5.
"""

import math

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError, MissingExtraError

# More steps than any photograph needs (about 50); it ends a solve that rounding keeps from converging.
_MAX_STEPS = 2000


def rtv_smooth(
    image: npt.NDArray[np.floating],
    *,
    strength: float = 0.015,
    sigma: float = 3.0,
    sharpness: float = 0.001,
    iterations: int = 3,
    tolerance: float = 0.0005,
) -> npt.NDArray[np.floating]:
    """Smooth by relative total variation, as the structure images of MEDFE are made.

    On photographs no pixel differs from a direct solve by more than 1/255 at the default tolerance.

    Args:
        image: [h w c] in [0, 1], float32 or float64.
        strength: weight of the smoothness term; larger removes more. 0 gives the image back.
        sigma: scale of the texture to remove in the first iteration, in pixels.
        sharpness: smallest gradient that counts as an edge.
        iterations: number of reweighted solves.
        tolerance: each solve ends when the root mean square of its preconditioned residual is below
            this. The worst pixel of a photograph is off by about one to four times as much.

    Returns:
        The smoothed image, shape and dtype of the input.

    Raises:
        InputError: if the image is no finite float array [h w c] or an option is out of range.
        MissingExtraError: if numba is not installed.
    """
    if image.ndim != 3 or image.dtype not in (np.float32, np.float64) or image.size == 0:
        raise InputError(
            f"image is {image.dtype} {list(image.shape)}; "
            "rtv_smooth needs float32 or float64 [h w c] in [0, 1]"
        )
    if not np.isfinite(image).all():
        raise InputError("image has values that are not finite; rtv_smooth needs them in [0, 1]")
    if strength < 0 or sigma <= 0 or sharpness <= 0 or iterations < 1 or tolerance <= 0:
        raise InputError(
            f"strength={strength}, sigma={sigma}, sharpness={sharpness}, iterations={iterations}, "
            f"tolerance={tolerance}; strength may be 0, all others must be above 0"
        )
    try:
        from twofold.data import smooth_kernels as kernels
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            'structure targets need numba, which is not installed; pip install "twofold[train]"'
        ) from error
    channels = image.shape[2]
    # The kernels work on three channels at a time; empty ones cost little and change nothing.
    padded = math.ceil(channels / 3) * 3
    target = np.zeros((*image.shape[:2], padded), dtype=image.dtype)
    target[:, :, :channels] = image
    smooth = target.copy()
    east, south = np.empty(image.shape[:2], image.dtype), np.empty(image.shape[:2], image.dtype)
    for _ in range(iterations):
        blurred = kernels.blur(smooth, gaussian(sigma).astype(image.dtype))
        # A mean over padding channels would be too small: the weights see the real ones only.
        seen, blurred = smooth[:, :, :channels], blurred[:, :, :channels]
        kernels.couple(
            np.ascontiguousarray(seen), np.ascontiguousarray(blurred), strength, sharpness, east, south
        )
        for first in range(0, padded, 3):
            group = slice(first, first + 3)
            smooth[:, :, group] = _solve(
                smooth[:, :, group], target[:, :, group], east.copy(), south.copy(), tolerance
            )
        sigma = max(sigma / 2, 0.5)
    return np.ascontiguousarray(smooth[:, :, :channels])


def gaussian(sigma: float) -> npt.NDArray[np.float64]:
    """A normal density at whole pixels, odd length of about 5 sigma, with sum 1."""
    length = math.floor(5 * sigma + 0.5) | 1
    offset = np.arange(length) - length // 2
    density: npt.NDArray[np.float64] = np.exp(-0.5 * (offset / sigma) ** 2)
    density /= density.sum()
    return density


def _solve(
    guess: npt.NDArray[np.floating],
    target: npt.NDArray[np.floating],
    east: npt.NDArray[np.floating],
    south: npt.NDArray[np.floating],
    tolerance: float,
) -> npt.NDArray[np.floating]:
    """Solve (1 + L_w) x = target for three channels; ``east`` and ``south`` are overwritten.

    Conjugate gradients, preconditioned by modified incomplete Cholesky, from the previous iterate.
    """
    from twofold.data import smooth_kernels as kernels

    x, target = np.ascontiguousarray(guess), np.ascontiguousarray(target)
    if x is guess:
        x = x.copy()
    residual = kernels.start(x, target, east, south)
    root, slack = np.empty_like(east), np.empty_like(east)
    kernels.factorise(east, south, root, slack)
    kernels.precondition(x, residual, east, south, root)
    search, step, rest = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    power = np.einsum("hwc,hwc->c", residual, residual, dtype=np.float64)
    ratio = np.zeros(3, dtype=x.dtype)
    enough = tolerance**2 * east.size
    tiny = np.finfo(np.float32).tiny  # keeps a finished channel at 0 / tiny instead of 0 / 0
    for _ in range(_MAX_STEPS):
        if power.max() < enough:
            break
        kernels.sweep_back(residual, ratio, east, south, search, step)
        curvature = np.array(kernels.sweep_forward(search, step, east, south, slack, rest))
        length = (power / (curvature + tiny)).astype(x.dtype)
        previous, power = power, np.array(kernels.advance(x, residual, length, step, rest))
        ratio = (power / (previous + tiny)).astype(x.dtype)
    solution: npt.NDArray[np.floating] = x / root[:, :, None]
    return solution
