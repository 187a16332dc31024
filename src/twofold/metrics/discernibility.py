"""Whether a linear classifier can tell answers from photographs: U-IDS and P-IDS.

Zhao et al.: "Large Scale Image Completion via Co-Modulated Generative Adversarial Networks", ICLR 2021.
"""

from dataclasses import dataclass
from importlib import import_module

import numpy as np
import numpy.typing as npt

from twofold.errors import InputError, MissingExtraError
from twofold.metrics.frechet import checked_features


@dataclass(frozen=True)
class Discernibility:
    """How often the classifier is deceived; higher is better.

    Attributes:
        u_ids: share of all pictures, answers and photographs, that it takes for the other kind, in [0, 1];
            0.5 if it can only guess.
        p_ids: share of answers that it finds realer than their own photograph, in [0, 1].
    """

    u_ids: float
    p_ids: float


def discernibility(features: npt.ArrayLike, reference: npt.ArrayLike) -> Discernibility:
    """Fit a linear support vector machine to both sets, and count what it gets wrong.

    It is scored on the rows that it was fitted to, as in the paper's code and MAT's: so with fewer rows
    than columns it is hardly ever deceived, and a figure means something only beside others of as many
    rows. Both take the 2048 pool features of Inception.

    Args:
        features: [n d] of the answers.
        reference: [n d] of the photographs, in the same order.

    Raises:
        InputError: if the shapes differ, there are fewer than two rows, or numbers are not finite.
        MissingExtraError: if scikit-learn is not installed.
    """
    fake, real = checked_features(features, "features"), checked_features(reference, "reference")
    if fake.shape != real.shape:
        raise InputError(
            f"features are of shape {fake.shape} and reference of {real.shape}; "
            f"give the features of each answer and of its photograph"
        )
    try:
        svm = import_module("sklearn.svm")
    except ImportError as error:
        raise MissingExtraError(
            f"U-IDS and P-IDS need scikit-learn, which cannot be imported ({error}); "
            f"pip install 'twofold[evaluate]'"
        ) from error
    is_real = np.repeat([True, False], len(real))
    # The primal problem is solved without chance: the same features give the same figures.
    classifier = svm.LinearSVC(dual=False).fit(np.concatenate([real, fake]), is_real)
    realness_of_real, realness_of_fake = (classifier.decision_function(rows) for rows in (real, fake))
    deceived = np.count_nonzero(realness_of_real <= 0) + np.count_nonzero(realness_of_fake > 0)
    return Discernibility(
        u_ids=float(deceived / len(is_real)), p_ids=float(np.mean(realness_of_fake > realness_of_real))
    )
