"""The randomness of a sample: a number for every position and code, given by the sample's seed alone."""

import numpy as np
import numpy.typing as npt

SMALLEST = 2.0**-54
"""What an exponential variate is raised to, so that its logarithm stays finite."""


def gumbel_row(seed: int, row: int, *, width: int, codes: int) -> npt.NDArray[np.float64]:
    """Gumbel noise ``[width codes]`` of one row of a sample's grid.

    The code with the largest sum of log-probability and noise is a draw from the distribution. A
    position's noise depends on seed, row and column alone: not on the batch, on other samples, on
    what is drawn before it, or on how many rows the grid has.

    Args:
        seed: of the sample, 0 or more.
        row: of the grid.
        width: columns of the grid.
        codes: to choose from.
    """
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, row])))
    exponential = -np.log1p(-stream.random((width, codes)))
    noise: npt.NDArray[np.float64] = -np.log(np.maximum(exponential, SMALLEST))
    return noise
