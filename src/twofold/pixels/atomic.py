"""Files appear whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Offer a temporary name in the folder of ``path`` and rename it to ``path`` at the end.

    Write the new file under the name that is given. When the block ends well, the file takes the
    place of ``path`` in one step (a reader sees the old file or the new one, never half of it);
    when it raises, the temporary file is removed and ``path`` is as it was. A symbolic link stays
    one: the file that it points to is replaced.

    Raises:
        OSError: if the folder cannot be written to.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".twofold-{secrets.token_hex(6)}{target.suffix}")
    try:
        # The permissions that new files get here: some writers would make theirs private.
        temporary.touch(exist_ok=False)
        usual = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        else:
            temporary.chmod(usual)
        with temporary.open("r+b") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
