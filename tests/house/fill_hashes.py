"""Fill 26 cases through every face of twofold and print a hash of each: whether behaviour stayed as it was.

    python tests/house/fill_hashes.py EXPORTS > before.txt     # EXPORTS keeps the exported networks
    ... change something ...
    python tests/house/fill_hashes.py EXPORTS | diff before.txt -

Hashes hold on one machine: other processors round differently. Only what users call is used, so the script
runs on any state of the project.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import twofold

EXAMPLES = Path(__file__).parents[2] / "examples"
COFFEE = np.asarray(Image.open(EXAMPLES / "coffee.png").convert("RGB"))[40:296, 60:380]
HOLE = np.zeros(COFFEE.shape[:2], bool)
HOLE[90:150, 100:190] = True
HOLE[20:24, 10:300] = True
TWO = np.zeros_like(HOLE)
TWO[10:30, 5:40] = TWO[200:230, 280:310] = True
GREY = COFFEE.mean(axis=2).astype(np.uint8)
ALPHA = np.dstack([COFFEE, np.arange(COFFEE.shape[1], dtype=np.uint8)[None].repeat(len(COFFEE), 0)])
DEEP = COFFEE.astype(np.uint16) * 257 + np.arange(COFFEE.shape[1], dtype=np.uint16)[None, :, None] % 200
LARGE = np.asarray(Image.fromarray(COFFEE).resize((1200, 960), Image.Resampling.BICUBIC))
LARGE_HOLE = np.zeros(LARGE.shape[:2], bool)
LARGE_HOLE[200:760, 300:900] = True


def digest(*parts: Any) -> str:
    """One hash of arrays, bytes and plain values, kinds and shapes included."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            sha.update(part if isinstance(part, bytes) else repr(part).encode())
    return sha.hexdigest()[:16]


def of_result(result: Any) -> str:
    """All that a result says."""
    parts: list[Any] = [result.model, result.seed, sorted(result.options.items()), result.ranking]
    for one in result.samples:
        parts += [one.image, one.structure, one.texture, one.codes, one.log_likelihood, one.score]
        parts += [one.index, one.attempt, one.duplicate_of]
    return digest(*parts)


def filled(model: str, image: Any, hole: Any, samples: int = 1, **loading: Any) -> Callable[[], str]:
    """A case that fills in Python."""
    return lambda: of_result(twofold.load(model, **loading).fill(image, hole, samples=samples, seed=3))


def run(*words: object) -> None:
    """Run a command of twofold."""
    subprocess.run([sys.executable, "-m", "twofold", *map(str, words)], check=True, capture_output=True)


def of_folder(folder: Path) -> str:
    """All pictures and records below a folder; what tells of times and places is left out."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".json") and path.is_file())
    kept = [path for path in files if not path.name.startswith((".", "batch", "summary"))]
    return digest(*(part for path in kept for part in (path.name, path.read_bytes())))


def by_command(folder: Path, *options: object) -> str:
    """``twofold fill`` of a file into a folder."""
    Image.fromarray(COFFEE).save(folder / "photo.png")
    Image.fromarray(HOLE).save(folder / "mask.png")
    run("fill", folder / "photo.png", folder / "mask.png", "-o", folder / "out", *options)
    return of_folder(folder / "out")


def by_batch(folder: Path) -> str:
    """``twofold batch`` of three pictures."""
    for name, image in {"a": COFFEE, "b": GREY, "c": ALPHA}.items():
        for kind, pixels in {"photos": image, "masks": HOLE}.items():
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"{name}.png")
    run("batch", folder / "photos", folder / "masks", folder / "out")
    return of_folder(folder / "out")


@contextmanager
def server() -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    command = [sys.executable, "-m", "twofold", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                found = re.search(r"http://\S+", process.stdout.readline())
            yield found[0]
        finally:
            process.terminate()


def by_server(address: str, folder: Path, **fields: Any) -> str:
    """One request to ``/api/v1/fill``."""
    sent = {}
    for name, pixels in {"image": COFFEE, "mask": HOLE}.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
        sent[name] = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
    request = urllib.request.Request(
        f"{address}/api/v1/fill", json.dumps(sent | fields).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        told = json.load(answer)
    return digest([{key: told[key] for key in sorted(told) if key not in ("id", "seconds")}])


def exported(folder: Path, model: str) -> str:
    """An export of a bundled model, made once."""
    target = folder / (f"{model}.onnx" if model == "medfe-small" else model)
    if not target.exists():
        run("export", model, target)
    return str(target)


def cases(exports: Path, scratch: Path, address: str) -> dict[str, Callable[[], str]]:
    """Name -> what gives the hash."""

    def room(name: str) -> Path:
        (scratch / name).mkdir()
        return scratch / name

    twice = {"options": {"temperature": 0.7, "top_k": 20}}
    return {
        "medfe rgb8": filled("medfe-small", COFFEE, HOLE),
        "medfe grey8": filled("medfe-small", GREY, HOLE),
        "medfe rgba8": filled("medfe-small", ALPHA, HOLE),
        "medfe rgb16": filled("medfe-small", DEEP, HOLE),
        "medfe grey16": filled("medfe-small", DEEP[..., 1], HOLE),
        "medfe detail none": filled("medfe-small", COFFEE, HOLE, detail="none"),
        "medfe detail always": filled("medfe-small", COFFEE, HOLE, detail="always"),
        "medfe two windows, two samples": filled("medfe-small", COFFEE, TWO, 2),
        "medfe large": filled("medfe-small", LARGE, LARGE_HOLE),
        "medfe large 16 bit": filled("medfe-small", LARGE.astype(np.uint16) * 257, LARGE_HOLE),
        "medfe large, little memory": filled("medfe-small", LARGE, LARGE_HOLE, max_memory="300MB"),
        "medfe bf16": filled("medfe-small", COFFEE, HOLE, precision="bf16"),
        "medfe empty mask": filled("medfe-small", COFFEE, np.zeros_like(HOLE), 2),
        "medfe thin picture": filled("medfe-small", COFFEE[:3], HOLE[20:23]),
        "dsi": filled("dsi-small", COFFEE, HOLE),
        "dsi two windows, three samples": filled("dsi-small", COFFEE, TWO, 3),
        "dsi cooler": filled("dsi-small", COFFEE, HOLE, 2, **twice),
        "dsi likeliest": filled("dsi-small", COFFEE, HOLE, 2, options={"temperature": 0.0}),
        "dsi large 16 bit": filled("dsi-small", LARGE.astype(np.uint16) * 257, LARGE_HOLE, detail="none"),
        "telea": filled("opencv-telea", DEEP, HOLE),
        "onnx medfe": lambda: filled(exported(exports, "medfe-small"), COFFEE, HOLE)(),
        "onnx dsi": lambda: filled(exported(exports, "dsi-small"), COFFEE, HOLE, 2, **twice)(),
        "fill --samples 2": lambda: by_command(room("fill"), "--model", "dsi-small", "--samples", 2),
        "batch": lambda: by_batch(room("batch")),
        "server medfe": lambda: by_server(address, room("medfe"), model="medfe-small", detail="none"),
        "server dsi": lambda: by_server(
            address, room("dsi"), model="dsi-small", samples=2, structures=True, options={"top_p": 0.9}
        ),
    }


def main(exports: Path) -> None:
    """Print a line for each case."""
    exports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, server() as address:
        for name, case in cases(exports, Path(scratch), address).items():
            print(f"{case()}  {name}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
