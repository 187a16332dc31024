"""Make docs/diverse.md: several answers of a model that samples, for photographs that it was not trained on.

python examples/diverse_page.py PHOTOS [MODEL]

PHOTOS holds the files named below. Each picture shows the middle of the photograph with its hole, then the
samples in order of their index, each above its structure.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import twofold
from twofold.masks.boxes import centre_box

DOCS = Path(__file__).parent.parent / "docs"
SIZE, SAMPLES, GAP = 256, 6, 6
FACADES = "Urban-Research-Lab/building-facades-advertising-dataset, CC0 1.0"
JOURNAL = "ruevko/journal, CC0 1.0"
PHOTOS = {
    "azure__00021_Rome.webp": "Azure computer vision samples, MIT",
    "clothing__02068_c3ebfb65-451d-4192-92f6-29d06875898f.webp": "clothing dataset, CC0",
    "gov_18f__0011_cloudfall_w.webp": "18F/18f.gsa.gov, CC0 1.0 / US public domain",
    "misc_open__0007_20190419-7_w.webp": JOURNAL,
    "misc_open__0007_20190419-7_11.webp": JOURNAL,
    "spb_facades__0007_img_384_20.webp": FACADES,
    "spb_facades__0079_img_324_w.webp": FACADES,
    "spb_facades__0093_img_338_01.webp": FACADES,
}


def main(photos: str, model: str = "dsi-small") -> None:
    """Fill a centre box of half the side in each photograph and write the page."""
    inpainter = twofold.load(model)
    hole = centre_box(SIZE, SIZE)
    folder = DOCS / "diverse"
    folder.mkdir(exist_ok=True)
    lines = [
        "# One hole, many answers",
        "",
        f"What `{inpainter.name}` paints into the middle of eight photographs that it was not trained on: "
        f"the hole, then samples 1 to {SAMPLES} of seed 0 in order, neither chosen nor sorted, each above "
        "the structure that was sampled for it. Made by `python examples/diverse_page.py PHOTOS`.",
        "",
        "A centre box of half the side is the hardest of holes, and these weights were trained for hours "
        "on a CPU: colours and large shapes fit and differ from sample to sample; objects are not finished, "
        "edges fray at the codes' 8 pixels, and texture is smoother than the photograph's.",
    ]
    for number, (name, source) in enumerate(PHOTOS.items(), start=1):
        photo = Image.open(Path(photos) / name).convert("RGB")
        left, top = (photo.width - SIZE) // 2, (photo.height - SIZE) // 2
        image = np.asarray(photo.crop((left, top, left + SIZE, top + SIZE)))
        result = inpainter.fill(np.where(hole[..., None], np.uint8(0), image), hole, samples=SAMPLES, seed=0)
        strip(image, hole, result).save(folder / f"{number}.jpg", quality=82, optimize=True)
        lines += ["", f"![samples for photograph {number}](diverse/{number}.jpg)", "", f"*{source}.*"]
        print(folder / f"{number}.jpg")
    (DOCS / "diverse.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def strip(image: np.ndarray, hole: np.ndarray, result: twofold.Result) -> Image.Image:
    """Hole and photograph, then each sample above its structure."""
    step = SIZE + GAP
    canvas = Image.new("RGB", ((SAMPLES + 1) * step - GAP, 2 * step - GAP), "white")
    canvas.paste(Image.fromarray(np.where(hole[..., None], np.uint8(128), image)), (0, 0))
    canvas.paste(Image.fromarray(image), (0, step))
    for column, sample in enumerate(result.samples, start=1):
        canvas.paste(Image.fromarray(sample.image), (column * step, 0))
        if sample.structure is not None:
            canvas.paste(Image.fromarray(sample.structure), (column * step, step))
    return canvas


if __name__ == "__main__":
    main(*sys.argv[1:])
