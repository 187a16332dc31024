"""One run at a time on one part of one OUT."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twofold.errors import InputError


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock that the system lets go when this process ends, however it ends.

    Args:
        path: a file for it, which stays.
        what: what is locked, for the message.

    Raises:
        InputError: if another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows: there nothing warns of a second run
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run works on {what}; wait for its end, or give another OUT or --shard"
            ) from error
        yield
