"""Distances between two sets of features: Frechet (of FID) and polynomial kernel (of KID).

Heusel et al.: "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
NeurIPS 2017. Binkowski et al.: "Demystifying MMD GANs", ICLR 2018. Which features they are is the
caller's business: FID and KID are these distances on those of ``twofold.features.inception``.
"""

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError

Features = npt.NDArray[np.float64]
"""[n d], one row of each picture."""


def frechet_distance(features: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Squared Frechet distance of the normal distributions fitted to two sets.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, with the covariances of samples (divisor n - 1), in
    float64. It is biased: the fewer rows, the larger; below about as many rows as columns it says little.

    Args:
        features: [n d].
        reference: [m d]; exchanging the two changes nothing.

    Returns:
        0 or above, lower is closer.

    Raises:
        InputError: if a set has fewer than two rows or numbers that are not finite, or the widths differ.
    """
    ours, theirs = _checked_pair(features, reference)
    apart = np.square(ours.mean(axis=0) - theirs.mean(axis=0)).sum()
    our_root, their_root = _covariance_root(ours), _covariance_root(theirs)
    # With C1 = A'A and C2 = B'B the trace of (C1 C2)^(1/2) is the sum of the singular values of AB'. So no
    # root is taken of a product, whose eigenvalues rounding turns negative or complex.
    overlap = np.linalg.svd(our_root @ their_root.T, compute_uv=False).sum()
    spread = np.square(our_root).sum() + np.square(their_root).sum() - 2 * overlap
    return max(0.0, float(apart + spread))


def kernel_distance(
    features: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Unbiased squared MMD of two sets for the kernel ``(x.y / d + 1)^3``, by subsets.

    Its expectation does not depend on the number of rows, so it may be negative.

    Args:
        features: [n d].
        reference: [m d].
        subsets: how many estimates are averaged.
        size: rows of each set in an estimate, drawn without repetition; of a smaller set all rows.
        seed: of the draws.

    Returns:
        Mean and standard deviation of the estimates. Where neither set has more than ``size`` rows there
        is one estimate, of all rows, and the deviation is given as 0.

    Raises:
        InputError: if a set has fewer than two rows or numbers that are not finite, if the widths differ,
            or if subsets is below 1 or size below 2.
    """
    ours, theirs = _checked_pair(features, reference)
    if subsets < 1 or size < 2:
        raise InputError(f"subsets is {subsets} and size {size}; give at least 1 and at least 2")
    if max(len(ours), len(theirs)) <= size:
        return _squared_mmd(ours, theirs), 0.0
    rng = np.random.default_rng(seed)
    estimates = [_squared_mmd(_draw(ours, size, rng), _draw(theirs, size, rng)) for _ in range(subsets)]
    return float(np.mean(estimates)), float(np.std(estimates))


def _covariance_root(features: Features) -> Features:
    """A matrix A with A'A the covariance, of no more rows than columns."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if len(features) <= features.shape[1]:
        return centred
    # The triangle of QR: forms no covariance, so keeps all digits, and is faster than a symmetric root.
    return np.asarray(np.linalg.qr(centred, mode="r"), np.float64)


def _squared_mmd(ours: Features, theirs: Features) -> float:
    """The unbiased estimate of all rows: a row is not compared with itself."""
    within = [
        (kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1))
        for rows in (ours, theirs)
        for kernel in (_kernel(rows, rows),)
    ]
    return float(sum(within) - 2 * _kernel(ours, theirs).mean())


def _kernel(ours: Features, theirs: Features) -> Features:
    """The cubic kernel of each row with each: [n m]."""
    return (ours @ theirs.T / ours.shape[1] + 1) ** 3


def _draw(features: Features, size: int, rng: np.random.Generator) -> Features:
    """Rows of a set without repetition, or all of them."""
    if len(features) <= size:
        return features
    return features[rng.choice(len(features), size, replace=False)]


def _checked_pair(features: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Features, Features]:
    """Both sets in float64, fit to be compared."""
    ours, theirs = checked_features(features, "features"), checked_features(reference, "reference")
    if ours.shape[1] != theirs.shape[1]:
        raise InputError(
            f"features are {ours.shape[1]} wide and reference {theirs.shape[1]}; "
            f"give features of the same network"
        )
    return ours, theirs


def checked_features(features: npt.ArrayLike, name: str) -> Features:
    """A set of features in float64, fit to be measured.

    Raises:
        InputError: if it is no matrix, has fewer than two rows, or numbers that are not finite.
    """
    matrix = np.asarray(features, np.float64)
    if matrix.ndim != 2 or len(matrix) < 2 or matrix.shape[1] == 0:
        raise InputError(f"{name} is of shape {matrix.shape}; give one row of each of at least two pictures")
    unfit = len(matrix) - int(np.isfinite(matrix).all(axis=1).sum())
    if unfit:
        raise InputError(f"{name} has numbers that are not finite in {unfit} rows; leave those pictures out")
    return matrix
