"""Read the files of ``torch.save`` without running what they may hold, and tell why one cannot be read."""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32)


class UnreadError(ValueError):
    """A file was not read; the caller knows its name and says so."""


def read_pickled(path: Path) -> Any:
    """Whatever a file of ``torch.save`` holds, as long as it is data.

    Raises:
        UnreadError: if it is damaged, holds program code, or would unpack to more than its own size.
    """
    try:
        _check_unpacked(path)
        with warnings.catch_warnings():  # of old ways to store tensors: callers check what was read
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnreadError:
        raise
    except Exception as error:  # a damaged file makes the unpickler fail in many ways
        raise UnreadError(_reason(error)) from error


def is_plain(value: Tensor) -> bool:
    """Whether a tensor is an array of numbers in memory: not sparse, nested, quantized or without values."""
    whole = value.layout == torch.strided and not value.is_nested and value.device.type == "cpu"
    return whole and value.dtype in _NUMBERS


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that unpacks to more than its own size: PyTorch never compresses."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise UnreadError(f"it would unpack to {unpacked} bytes, more than the file has")


def _reason(error: Exception) -> str:
    """Why a file was not loaded; in our words, for PyTorch's advise to trust it."""
    said = " ".join(str(error).split())
    if isinstance(error, OSError):
        return error.strerror or said
    if code := re.search(r"GLOBAL (\S+)", said):
        return f"it holds program code, {code[1]}, which is not run"
    if isinstance(error, RuntimeError) and "weights_only" not in said:  # of the archive or a storage
        return said.split(". ")[0]
    return "it is damaged or holds no weights"
