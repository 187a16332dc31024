"""Pairs from a file: CSV with a header, or one JSON object a line."""

import csv
import io
import json
from collections.abc import Iterator, Mapping

from twofold.batch.naming import Pair
from twofold.batch.pairing import Pairing
from twofold.errors import InputError

MANIFEST_ENDINGS = (".csv", ".jsonl")
_NEEDED = "give the columns image and mask, and out if you like"


def read_manifest(content: bytes, name: str) -> Pairing:
    """Read pairs of ``image`` and ``mask``, with ``out`` where a row chooses its output; more is ignored.

    Args:
        content: of the file, UTF-8.
        name: of the file; its ending says which kind it is.

    Returns:
        Pairs in the order of their pictures; rows without a mask are pictures without one.

    Raises:
        InputError: if a row cannot be understood; the message names its line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"manifest {name} is not UTF-8 ({error}); save it as UTF-8") from error
    rows = _json_rows(text, name) if name.lower().endswith(".jsonl") else _csv_rows(text, name)
    pairs: list[Pair] = []
    without: list[str] = []
    for line, row in rows:
        image, mask, out = (_field(row, key, name, line) for key in ("image", "mask", "out"))
        if not image:
            raise InputError(f"line {line} of manifest {name} names no image; {_NEEDED}")
        if mask:
            pairs.append(Pair(image, mask, "", out))
        else:
            without.append(image)
    if not pairs and not without:
        raise InputError(f"manifest {name} holds no rows; {_NEEDED}")
    return Pairing(sorted(pairs), sorted(without))


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = reader.fieldnames or []
    if "image" not in columns or "mask" not in columns:
        raise InputError(f"manifest {name} has the columns {', '.join(columns) or '(none)'}; {_NEEDED}")
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"line {reader.line_num} of manifest {name} is no CSV ({error}); mend it") from error


def _json_rows(text: str, name: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, one in enumerate(text.split("\n"), start=1):
        if not one.strip():
            continue
        try:
            row = json.loads(one)
        except ValueError as error:
            raise InputError(f"line {line} of manifest {name} is no JSON ({error}); mend it") from error
        if not isinstance(row, dict):
            raise InputError(f"line {line} of manifest {name} is no JSON object; {_NEEDED}")
        yield line, row


def _field(row: Mapping[str, object], key: str, name: str, line: int) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"line {line} of manifest {name}: {key} is {value!r}; give a name as text")
    return value.strip()
