"""What conversions of foreign weights share: one error for all that is wrong, output whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from twofold.errors import CheckpointError

_SHOWN = 6  # how many complaints a message quotes


def refuse(source: str, complaints: Sequence[str], advice: str) -> None:
    """Raise one error for all complaints, if there are any.

    Raises:
        CheckpointError: quotes the first complaints and counts the others.
    """
    if complaints:
        count = len(complaints)
        shown = "; ".join(complaints[:_SHOWN])
        shown += f"; and {count - _SHOWN} more" if count > _SHOWN else ""
        problems = f"{count} problem{'s' if count > 1 else ''}"
        raise CheckpointError(f"{source} cannot be converted, {problems}: {shown}; {advice}")


def check_folder(out: str | os.PathLike[str]) -> Path:
    """Resolve the folder that is to be written.

    Raises:
        CheckpointError: if it is a file, or its parent does not exist.
    """
    target = Path(os.path.realpath(out))
    if not target.parent.is_dir() or target.is_file():
        raise CheckpointError(f"cannot make a folder {out}: give a new one in a folder that exists")
    return target


@contextmanager
def filling_folder(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Offer an empty folder beside ``out``; at the end its files take their places in ``out``.

    Args:
        out: of ``check_folder``; made if it does not exist.
        names: of all files that there may be; of an earlier conversion, those that are not written again go.

    Raises:
        CheckpointError: if the folder cannot be written; nothing is left behind then.
    """
    staging = out.with_name(f".twofold-{secrets.token_hex(6)}")
    try:
        staging.mkdir()
        yield staging
        if out.is_dir():
            for name in names:
                if (staging / name).exists():
                    (staging / name).replace(out / name)
                else:
                    (out / name).unlink(missing_ok=True)
        else:
            staging.rename(out)
    except OSError as error:
        raise CheckpointError(f"cannot write weights to {out}: {error}; choose another place") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
