"""Compare three ways to fill large photographs, as docs/full-size.md shows it.

python examples/full_size_comparison.py PHOTOS [--sizes 1024 2048] [--model medfe-small] [--limit 12]

PHOTOS is a folder of photographs, their shorter side at least the largest size; the middle square of each is
scaled to each size. Holes: free-form 10-20 %, a centre box of 25 %, an object, by seed. Needs AlexNet
(see docs/evaluating.md).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image, ImageOps

import twofold
from twofold.evaluate.networks import FeatureNetworks
from twofold.masks.buckets import MASK_KINDS, draw_in_bucket
from twofold.masks.strokes import free_form
from twofold.metrics.boundary import rim_error, seam
from twofold.metrics.fidelity import psnr
from twofold.pixels import composite

SMALL = 256
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def resized_and_back(inpainter: twofold.Inpainter) -> Fill:
    """The whole picture scaled to 256x256, filled, scaled back and pasted into the hole."""

    def fill(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        grey = np.where(hole[..., None], np.uint8(128), image)
        small = np.asarray(Image.fromarray(grey).resize((SMALL, SMALL), Image.Resampling.LANCZOS))
        share = Image.fromarray(hole.astype(np.float32)).resize((SMALL, SMALL), Image.Resampling.BOX)
        answer = inpainter.fill(small, np.asarray(share) > 0).image
        large = Image.fromarray(answer).resize(hole.shape[::-1], Image.Resampling.BICUBIC)
        return composite(image, np.asarray(large), hole)

    return fill


def holes(size: int, seed: int) -> list[np.ndarray]:
    """The holes of one photograph."""
    rng = np.random.default_rng(seed)
    return [
        draw_in_bucket(free_form, size, size, (0.1, 0.2), seed),
        MASK_KINDS["centre"](size, size, rng),
        draw_in_bucket(MASK_KINDS["object"], size, size, (0.05, 0.2), seed),
    ]


def square(path: Path, size: int) -> np.ndarray | None:
    """The middle square of a photograph, scaled down to ``size``; None if it is smaller."""
    with Image.open(path) as photo:
        if min(photo.size) < size:
            return None
        return np.asarray(ImageOps.fit(photo.convert("RGB"), (size, size), Image.Resampling.LANCZOS))


def compare(photos: list[Path], size: int, methods: dict[str, Fill], networks: FeatureNetworks) -> None:
    """Print the table of one size."""
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in methods}
    for number, path in enumerate(photos):
        image = square(path, size)
        if image is None:
            continue
        truth = networks.alex_features(image)
        for place, hole in enumerate(holes(size, 10 * number)):
            for name, fill in methods.items():
                start = time.process_time()
                answer = fill(image, hole)
                seconds = time.process_time() - start
                lpips = float(networks.alex.heads(networks.alex_features(answer), truth))
                rows[name].append(
                    (
                        lpips,
                        psnr(answer, image),
                        100 * rim_error(answer, image, hole),
                        100 * seam(answer, image, hole),
                        seconds,
                    )
                )
            print(f"{path.name} {size} hole {place}", flush=True)
    first = fmean(row[-1] for row in next(iter(rows.values())))
    print(f"\n{size}x{size}, n = {len(next(iter(rows.values())))}\n")
    print("| method | LPIPS | PSNR | rim % | seam % | times the seconds |\n|---|--:|--:|--:|--:|--:|")
    for name, values in rows.items():
        lpips, fidelity, rim, step, seconds = (fmean(column) for column in zip(*values, strict=True))
        print(f"| {name} | {lpips:.4f} | {fidelity:.2f} | {rim:.2f} | {step:.2f} | {seconds / first:.1f} |")


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--model", default="medfe-small")
    parser.add_argument("--limit", type=int, default=None)
    options = parser.parse_args()
    plain = twofold.load(options.model, detail="none")
    fine = twofold.load(options.model)
    methods: dict[str, Fill] = {
        "resize to 256 and paste back": resized_and_back(plain),
        "crop only (`--detail none`)": lambda image, hole: plain.fill(image, hole).image,
        "crop and detail (the default)": lambda image, hole: fine.fill(image, hole).image,
    }
    networks = FeatureNetworks()
    photos = sorted(path for path in options.photos.iterdir() if path.is_file())[: options.limit]
    for size in options.sizes:
        compare(photos, size, methods, networks)


if __name__ == "__main__":
    main()
