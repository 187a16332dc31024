"""Where pictures lie and go: a folder of this machine, or whatever fsspec can reach (``s3://...``)."""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from twofold.errors import ImageError, InputError, MissingExtraError

STATE = ".twofold-batch"
"""Folder inside OUT for all that a job remembers."""
_VERSION_KEYS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
)


class LocalStorage:
    """A folder of this machine, or one that every machine sees under the same path.

    Names in it are relative, with ``/`` between sub-folders.

    Attributes:
        text: how the user wrote it.
    """

    def __init__(self, root: Path) -> None:
        """Take a folder, which need not exist yet."""
        self.root = root
        self.text = str(root)
        self._made: set[Path] = set()

    def names(self, endings: Collection[str], *, but: Collection[Storage] = ()) -> Iterator[str]:
        """Files at any depth with one of the endings, in no order; nothing hidden, nothing in ``but``.

        Links to folders are followed, each folder once.
        """
        closed = {os.path.realpath(place.root) for place in but if isinstance(place, LocalStorage)}
        for folder, folders, files in os.walk(self.root, followlinks=True):
            real = os.path.realpath(folder)
            if real in closed:
                folders.clear()
                continue
            closed.add(real)
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = os.path.relpath(folder, self.root).replace(os.sep, "/")
            prefix = "" if inside == "." else f"{inside}/"
            for name in files:
                if not name.startswith(".") and posixpath.splitext(name)[1].lower() in endings:
                    yield prefix + name

    def stamp(self, name: str) -> str | None:
        """Size and time of change: another one when the file changes; None if there is no such file."""
        try:
            state = (self.root / name).stat()
        except OSError:
            return None
        return f"{state.st_size}-{state.st_mtime_ns}"

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is no such file."""
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return None

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """The file itself, as a path of this machine to read from."""
        if "://" in name:
            raise ImageError(f"{name} is not in {self.text}; give all places as URIs, or none")
        yield self.root / name

    def read(self, name: str) -> bytes:
        """The content of a small file; raises OSError."""
        return (self.root / name).read_bytes()

    def put(self, file: Path, name: str) -> None:
        """Move a file of this machine here, making folders; raises OSError.

        It is renamed, and so must be on the same file system: it appears whole or not at all.
        """
        target = self.root / name
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        file.replace(target)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def learn(self) -> None:
        """Get ready to be asked for many stamps and sizes: nothing to do, the system answers at once."""


class RemoteStorage:
    """The same of a folder that fsspec reaches. Object stores show a file whole or not at all."""

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            MissingExtraError: if fsspec or the package of this kind of store is missing.
            InputError: if the store cannot be reached with this address.
        """
        self.text = url.rstrip("/")
        try:
            self._files, self._root = import_module("fsspec.core").url_to_fs(self.text)
        except ImportError as error:
            raise MissingExtraError(
                f"{url} needs fsspec and the package of its store ({error}); pip install 'twofold[ray]' "
                "and, for example, s3fs"
            ) from error
        except Exception as error:  # each store's package raises kinds of its own
            raise InputError(f"{url} cannot be used ({error}); check the address") from error
        self._files.invalidate_cache()
        self._listed: dict[str, dict[str, Any]] | None = None
        self._made: set[str] = set()

    def names(self, endings: Collection[str], *, but: Collection[Storage] = ()) -> Iterator[str]:
        """See ``LocalStorage``; one listing, which is kept for stamps and sizes."""
        closed = tuple(f"{place.text}/" for place in but if isinstance(place, RemoteStorage))
        for name in self._list():
            inside = name.rpartition("/")[0]
            if any(part.startswith(".") for part in name.split("/")):
                continue
            if closed and f"{self.text}/{inside}/".startswith(closed):
                continue
            if posixpath.splitext(name)[1].lower() in endings:
                yield name

    def stamp(self, name: str) -> str | None:
        """Size and the store's own mark of a version."""
        info = self._info(name)
        if info is None:
            return None
        version = next((str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None), "")
        return f"{info.get('size')}-{version}"

    def size(self, name: str) -> int | None:
        """See ``LocalStorage``."""
        info = self._info(name)
        return None if info is None else int(info["size"])

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """A copy in a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="twofold-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder, f"file{posixpath.splitext(name)[1]}")
            try:
                self._files.get_file(self._path(name), str(copy))
            except Exception as error:  # each store's package raises kinds of its own
                raise ImageError(
                    f"cannot fetch {name} from {self.text} ({type(error).__name__}: {error}); "
                    "check that it is there"
                ) from error
            yield copy

    def read(self, name: str) -> bytes:
        """See ``LocalStorage``."""
        return bytes(self._files.cat_file(self._path(name)))

    def put(self, file: Path, name: str) -> None:
        """Upload the file and remove it here."""
        target = self._path(name)
        parent = posixpath.dirname(target)
        if parent not in self._made:
            with suppress(FileExistsError):
                self._files.makedirs(parent, exist_ok=True)
            self._made.add(parent)
        self._files.put_file(str(file), target)
        file.unlink()

    def remove(self, name: str) -> None:
        """See ``LocalStorage``."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def learn(self) -> None:
        """List everything once: a thousand names cost one request instead of a thousand."""
        self._list()

    def inside(self, folder: str) -> list[str]:
        """The names of all files in one folder, relative to it, sorted."""
        start = f"{self._root}/{folder}"
        return sorted(path.removeprefix(f"{start}/") for path in self._files.find(start))

    def _path(self, name: str) -> str:
        return str(self._files._strip_protocol(name)) if "://" in name else f"{self._root}/{name}"

    def _list(self) -> dict[str, dict[str, Any]]:
        if self._listed is None:
            root = f"{self._root}/"
            found: dict[str, Any] = self._files.find(self._root, detail=True)
            self._listed = {path.removeprefix(root): info for path, info in found.items()}
        return self._listed

    def _info(self, name: str) -> dict[str, Any] | None:
        """What the listing says of a file, if there was one; else the store is asked."""
        if self._listed is not None and "://" not in name:
            return self._listed.get(name)
        try:
            info: dict[str, Any] = self._files.info(self._path(name))
        except FileNotFoundError:
            return None
        return info


Storage = LocalStorage | RemoteStorage


def is_remote(text: str) -> bool:
    """Whether this is an address of fsspec; ``file://`` is a folder of this machine."""
    return "://" in text and not text.startswith("file://")


def open_storage(text: str) -> Storage:
    """The place that a path or an address names."""
    if is_remote(text):
        return RemoteStorage(text)
    return LocalStorage(Path(text.removeprefix("file://")))


def check_apart(out: Storage, inputs: Collection[Storage]) -> None:
    """Refuse an OUT that is, or holds, a folder of inputs: outputs might take the place of inputs.

    Raises:
        InputError: if so.
    """
    for place in inputs:
        if isinstance(out, LocalStorage) and isinstance(place, LocalStorage):
            mixed = place.root.resolve().is_relative_to(out.root.resolve())
        else:
            mixed = f"{place.text}/".startswith(f"{out.text}/")
        if mixed:
            raise InputError(
                f"OUT {out.text} holds {place.text}, which is read; choose an OUT beside it, or in it"
            )
