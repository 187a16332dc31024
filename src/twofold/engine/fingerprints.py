"""What the answers of a model depend on, as one short line.

Every inpainter of the engine has a property ``fingerprint: str | None``. Two inpainters with equal
fingerprints give the same answers to the same picture, hole, seed and index, so answers may be kept under
it; None = answers may not be kept.
"""

import hashlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DIGITS = 16
"""So many hexadecimal digits of a digest are shown."""


def file_digest(*files: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of one file; of several, of their digests in order.

    Raises:
        OSError: if a file cannot be read.
    """
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0][:DIGITS]
    return text_digest(digests)


def text_digest(lines: Iterable[str]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of some lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


def twofold_version() -> str:
    """``twofold 0.1.0``, or what is installed."""
    try:
        return f"twofold {version('twofold')}"
    except PackageNotFoundError:  # run from a folder of sources
        return "twofold unknown"
