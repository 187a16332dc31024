"""The JSON document by which a file of ours says what it holds."""

import json
import os
from collections.abc import Mapping
from typing import Any

from twofold.errors import CheckpointError


def read_document(
    text: str, source: str | os.PathLike[str], *, version: str, needed: Mapping[str, type], again: str
) -> dict[str, Any]:
    """Read a document, strictly.

    Args:
        text: of the document.
        source: what to call the file in an error.
        version: of the format that is read, which the document gives as ``format``.
        needed: fields that it must hold and their types.
        again: how the user gets another file, for an error.

    Raises:
        CheckpointError: if it is no JSON, of another version, or lacks a field.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source} has a damaged document ({error}); {again}") from error
    document = document if isinstance(document, dict) else {}
    found = document.get("format")
    if found != version:
        raise CheckpointError(f"{source} is of format {found!r}, not {version!r}; update twofold or {again}")
    wrong = [key for key, kind in needed.items() if not isinstance(document.get(key), kind)]
    if wrong:
        raise CheckpointError(f"{source} has a document without a usable {', '.join(wrong)}; {again}")
    return document
