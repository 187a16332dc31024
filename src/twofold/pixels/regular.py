"""Open files, and only files: a named pipe or a device may let its reader wait for ever."""

import errno
import io
import os
import stat
from pathlib import Path

_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file for reading bytes.

    Raises:
        OSError: as ``open`` does, and for what is no file: its ``strerror`` says what it is.
    """
    try:
        mode = Path(path).stat().st_mode
    except ValueError as error:  # a null byte
        raise OSError(errno.EINVAL, "its name holds a null byte, which no file's name can") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # open itself has the words for a folder
        kind = _KINDS.get(stat.S_IFMT(mode), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}, not a file")
    return Path(path).open("rb")
