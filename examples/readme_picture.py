"""Make the README's picture: hole, fill, and what the two branches saw.

python examples/readme_picture.py [MODEL]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import twofold

HERE = Path(__file__).parent
GAP = 8  # white pixels between the panels


def main(model: str = "medfe-small") -> None:
    """Fill the example and write docs/fill.png."""
    photo = np.array(Image.open(HERE / "coffee.png").convert("RGB"))
    hole = np.array(Image.open(HERE / "mask.png").convert("L")) >= 128
    sample = twofold.load(model).fill(photo, hole).samples[0]
    masked = np.where(hole[..., None], np.uint8(128), photo)
    height, width = photo.shape[:2]
    sheet = Image.new("RGB", (2 * width + 2 * GAP + height // 2, height), "white")
    sheet.paste(Image.fromarray(masked), (0, 0))
    sheet.paste(Image.fromarray(sample.image), (width + GAP, 0))
    side = (height - GAP) // 2
    for row, view in enumerate((sample.structure, sample.texture)):
        if view is not None:
            shape = (side, round(side * view.shape[0] / view.shape[1]))
            small = Image.fromarray(view).resize(shape, Image.Resampling.BICUBIC)
            sheet.paste(small, (2 * width + 2 * GAP, row * (side + GAP)))
    out = HERE.parent / "docs" / "fill.png"
    sheet.save(out, optimize=True)
    print(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
