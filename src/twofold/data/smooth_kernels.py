"""The inner loops of the smoothing, compiled by numba. Importing this file needs numba.

Arrays are [h w c] and [h w], float32 or float64, C-contiguous. ``east[i, j]`` couples pixel (i, j)
with (i, j+1), ``south[i, j]`` with (i+1, j); couplings that would leave the image are 0.
"""

import inspect
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Function = TypeVar("Function", bound=Callable[..., object])


def _compiled(function: Function) -> Function:
    """Compile on the first call; keep the machine code on disk where that is possible."""
    # The tests' shape checks wrap every function; numba needs the one that was written.
    plain = inspect.unwrap(function)
    try:
        return cast(Function, numba.njit(cache=True, fastmath=True)(plain))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast(Function, numba.njit(fastmath=True)(plain))


@_compiled
def blur(image: Floats, kernel: Floats) -> Floats:
    """Convolve both axes with a symmetric kernel of odd length; zeros lie outside the image."""
    height, width, channels = image.shape
    reach = kernel.size // 2
    rows = np.zeros_like(image)
    for i in range(height):
        for k in range(max(0, i - reach), min(height, i + reach + 1)):
            tap = kernel[k - i + reach]
            for j in range(width):
                for c in range(channels):
                    rows[i, j, c] += tap * image[k, j, c]
    result = np.zeros_like(image)
    for i in range(height):
        for offset in range(-reach, reach + 1):
            tap = kernel[offset + reach]
            for j in range(max(0, -offset), min(width, width - offset)):
                for c in range(channels):
                    result[i, j, c] += tap * rows[i, j + offset, c]
    return result


@_compiled
def couple(
    image: Floats, blurred: Floats, strength: float, sharpness: float, east: Floats, south: Floats
) -> None:
    """Write into ``east`` and ``south`` how strongly neighbours are drawn together."""
    height, width, channels = image.shape
    half = 0.5 * strength
    for i in range(height):
        below = min(i + 1, height - 1)
        for j in range(width):
            right = min(j + 1, width - 1)
            gradient, across, down = 0.0, 0.0, 0.0
            for c in range(channels):
                dx = image[i, right, c] - image[i, j, c]
                dy = image[below, j, c] - image[i, j, c]
                gradient += np.sqrt(dx * dx + dy * dy)
                across += abs(blurred[i, right, c] - blurred[i, j, c])
                down += abs(blurred[below, j, c] - blurred[i, j, c])
            edge = half / max(gradient / channels, sharpness)
            east[i, j] = edge / max(across / channels, 1e-3) if j + 1 < width else 0.0
            south[i, j] = edge / max(down / channels, 1e-3) if i + 1 < height else 0.0


@_compiled
def factorise(east: Floats, south: Floats, root: Floats, slack: Floats) -> None:
    """Modified incomplete Cholesky of ``1 + Laplacian``, and scale the system by its pivots.

    With row sums preserved, a pivot is ``own + east + south`` where ``own = 1 + the share of its
    north and west neighbours' own`` -- sums of positive numbers, so it never breaks down. On return
    ``root`` holds the square roots of the pivots, ``east`` and ``south`` the couplings divided by
    the roots of both their pixels, and ``slack`` two minus the scaled diagonal.
    """
    height, width = east.shape
    own = np.empty(width, dtype=east.dtype)  # of the row above, overwritten from the left
    for i in range(height):
        west_own = 0.0
        for j in range(width):
            value, diagonal = 1.0, 1.0 + east[i, j] + south[i, j]
            if j > 0:
                value += east[i, j - 1] * west_own / root[i, j - 1]
                diagonal += east[i, j - 1]
            if i > 0:
                value += south[i - 1, j] * own[j] / root[i - 1, j]
                diagonal += south[i - 1, j]
            own[j] = value
            west_own = value
            root[i, j] = value + east[i, j] + south[i, j]
            slack[i, j] = 2.0 - diagonal / root[i, j]
    for i in range(height):
        for j in range(width):
            root[i, j] = np.sqrt(root[i, j])
    for i in range(height):
        for j in range(width):
            if j + 1 < width:
                east[i, j] /= root[i, j] * root[i, j + 1]
            if i + 1 < height:
                south[i, j] /= root[i, j] * root[i + 1, j]


@_compiled
def start(x: Floats, target: Floats, east: Floats, south: Floats) -> Floats:
    """The residual ``target - (1 + Laplacian) x``, in differences, which rounding spares."""
    height, width, channels = x.shape
    residual = np.empty_like(x)
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                value = x[i, j, c]
                flow = target[i, j, c] - value
                if j + 1 < width:
                    flow += east[i, j] * (x[i, j + 1, c] - value)
                if j > 0:
                    flow += east[i, j - 1] * (x[i, j - 1, c] - value)
                if i + 1 < height:
                    flow += south[i, j] * (x[i + 1, j, c] - value)
                if i > 0:
                    flow += south[i - 1, j] * (x[i - 1, j, c] - value)
                residual[i, j, c] = flow
    return residual


# The three sweeps of one step of conjugate gradients. In the scaled system A = 1 + ... the factor is
# F = 1 - (couplings to west and north), and A = F + F' - slack: with Eisenstat's trick the product
# with F^-1 A F'^-1 costs two substitutions and no multiplication with A. The recurrences are bound by
# latency, not by arithmetic, so three channels run side by side, each in a register of its own: that
# is why the loops over channels are written out.


@_compiled
def precondition(x: Floats, residual: Floats, east: Floats, south: Floats, root: Floats) -> None:
    """Bring ``x`` and the residual into the scaled system, and solve F y = residual in place."""
    height, width, channels = x.shape
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                value = residual[i, j, c] / root[i, j]
                if j > 0:
                    value += east[i, j - 1] * residual[i, j - 1, c]
                if i > 0:
                    value += south[i - 1, j] * residual[i - 1, j, c]
                residual[i, j, c] = value
                x[i, j, c] *= root[i, j]


@_compiled
def sweep_back(
    residual: Floats, ratio: Floats, east: Floats, south: Floats, search: Floats, step: Floats
) -> None:
    """``search = residual + ratio * search``, then solve F' step = search from the last pixel up."""
    height, width, _ = search.shape
    zero = ratio[0] * 0
    for i in range(height - 1, -1, -1):
        below = min(i + 1, height - 1)  # south is 0 in the last row
        a0, a1, a2 = zero, zero, zero
        for j in range(width - 1, -1, -1):
            e, s = east[i, j], south[i, j]
            v0 = residual[i, j, 0] + ratio[0] * search[i, j, 0]
            v1 = residual[i, j, 1] + ratio[1] * search[i, j, 1]
            v2 = residual[i, j, 2] + ratio[2] * search[i, j, 2]
            search[i, j, 0], search[i, j, 1], search[i, j, 2] = v0, v1, v2
            a0 = v0 + s * step[below, j, 0] + e * a0
            a1 = v1 + s * step[below, j, 1] + e * a1
            a2 = v2 + s * step[below, j, 2] + e * a2
            step[i, j, 0], step[i, j, 1], step[i, j, 2] = a0, a1, a2


@_compiled
def sweep_forward(
    search: Floats, step: Floats, east: Floats, south: Floats, slack: Floats, rest: Floats
) -> tuple[float, float, float]:
    """Solve F rest = search - slack * step; returns search . (step + rest) of each channel.

    ``step + rest`` is the search direction multiplied by the preconditioned system.
    """
    height, width, _ = search.shape
    t0, t1, t2 = 0.0, 0.0, 0.0
    for i in range(height):
        above = max(i - 1, 0)
        a0, a1, a2 = slack[0, 0] * 0, slack[0, 0] * 0, slack[0, 0] * 0
        d0, d1, d2, west = a0, a0, a0, a0
        for j in range(width):
            k = slack[i, j]
            north = south[above, j] if i > 0 else west * 0
            v0, v1, v2 = step[i, j, 0], step[i, j, 1], step[i, j, 2]
            g0, g1, g2 = search[i, j, 0], search[i, j, 1], search[i, j, 2]
            a0 = g0 - k * v0 + north * rest[above, j, 0] + west * a0
            a1 = g1 - k * v1 + north * rest[above, j, 1] + west * a1
            a2 = g2 - k * v2 + north * rest[above, j, 2] + west * a2
            rest[i, j, 0], rest[i, j, 1], rest[i, j, 2] = a0, a1, a2
            d0, d1, d2 = d0 + g0 * (v0 + a0), d1 + g1 * (v1 + a1), d2 + g2 * (v2 + a2)
            west = east[i, j]
        t0, t1, t2 = t0 + d0, t1 + d1, t2 + d2
    return t0, t1, t2


@_compiled
def advance(
    x: Floats, residual: Floats, length: Floats, step: Floats, rest: Floats
) -> tuple[float, float, float]:
    """Move ``x`` along ``step``; returns the squared norm of each channel's new residual."""
    height, width, _ = x.shape
    t0, t1, t2 = 0.0, 0.0, 0.0
    for i in range(height):
        d0, d1, d2 = length[0] * 0, length[0] * 0, length[0] * 0
        for j in range(width):
            v0, v1, v2 = step[i, j, 0], step[i, j, 1], step[i, j, 2]
            r0 = residual[i, j, 0] - length[0] * (v0 + rest[i, j, 0])
            r1 = residual[i, j, 1] - length[1] * (v1 + rest[i, j, 1])
            r2 = residual[i, j, 2] - length[2] * (v2 + rest[i, j, 2])
            x[i, j, 0] += length[0] * v0
            x[i, j, 1] += length[1] * v1
            x[i, j, 2] += length[2] * v2
            residual[i, j, 0], residual[i, j, 1], residual[i, j, 2] = r0, r1, r2
            d0, d1, d2 = d0 + r0 * r0, d1 + r1 * r1, d2 + r2 * r2
        t0, t1, t2 = t0 + d0, t1 + d1, t2 + d2
    return t0, t1, t2
