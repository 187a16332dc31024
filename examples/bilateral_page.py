"""Make the pictures and tables of docs/bilateral.md: what the bilateral propagation of a trained MEDFE does.

python examples/bilateral_page.py VALIDATION [--limit 60] [--model medfe-small]

VALIDATION is the folder of validation photographs; the pictures use photographs of this repository alone.
Needs the weights of AlexNet.
"""

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from bilateral_maps import (
    BilateralMaps,
    Half,
    bilateral_maps,
    equally_weighted,
    scaled,
    spatial_weights,
    switch_halves,
)
from twofold.checkpoints.format import build_network, load_weights
from twofold.checkpoints.released import find_weights
from twofold.engine.torch_inpainter import TorchInpainter
from twofold.evaluate.compare import evaluate
from twofold.evaluate.holes import choose_holes
from twofold.evaluate.items import Item
from twofold.evaluate.metrics import METRICS
from twofold.evaluate.protocol import Protocol
from twofold.medfe.fill import FEATURE_FACTOR
from twofold.medfe.model import Medfe
from twofold.medfe.partial_conv import valid_features
from twofold.metrics.statistics import bootstrap_interval, paired_test
from twofold.pixels import composite
from twofold.tensors import hole_to_tensor, image_to_tensor

ROOT = Path(__file__).parents[1]
PAGE, FOLDER = ROOT / "docs" / "bilateral.md", ROOT / "docs" / "bilateral"
SLICE = ROOT / "tests" / "evaluate" / "slice"
SIZE, SIDE, GAP, TITLE = 256, 192, 8, 18
MEASURED = ("psnr", "lpips", "l1-hole")
INK, MARKS = (40, 40, 40), {"A": (230, 60, 40), "B": (20, 120, 220), "C": (30, 150, 60)}
RAMP = np.array([(48, 18, 90), (52, 90, 140), (40, 150, 135), (130, 200, 80), (250, 230, 60)], float)
font = ImageFont.load_default

HALVES: dict[str, dict[str, Half]] = {
    "as trained": {},
    "range half: equal weights in each window": {"similarity": "plain"},
    "range half: one scale for the whole picture": {"similarity": "scaled"},
    "range half off": {"similarity": "off"},
    "spatial half: features as they are": {"spatial": "plain"},
    "spatial half off": {"spatial": "off"},
    "both off": {"spatial": "off", "similarity": "off"},
}
"""What is changed in the trained network, by the rows of the table."""


def main() -> None:
    """Measure on the validation photographs, draw those of the repository."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--limit", type=int, default=60, help="photographs that are measured")
    parser.add_argument("--model", default="medfe-small")
    given = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    items = shown_cases()
    network = network_of(given.model)
    maps = [maps_of(network, item) for item in items]
    pictures = {
        "weights": weights_figure(items, maps),
        "features": features_figure(items, maps),
        "halves": halves_figure(given.model, items),
    }
    for name, picture in pictures.items():
        picture.save(FOLDER / f"{name}.webp", quality=80, method=6)
    protocol = Protocol(limit=given.limit, metrics=MEASURED)
    measured = protocol.items(given.validation)
    publish("features", features_table([feature_figures(network, item) for item in measured]))
    publish("halves", halves_table(given.model, given.validation, protocol))


def network_of(model: str, **halves: Half) -> Medfe:
    """The trained network, its halves as asked for."""
    network = build_network(load_weights(find_weights(model)))
    assert isinstance(network, Medfe)  # only MEDFE has this propagation
    network.float().eval().requires_grad_(False)
    return switch_halves(network, **halves) if halves else network


def painter_of(model: str, name: str) -> TorchInpainter:
    """The network alone, without the engine's merging."""
    return TorchInpainter(network_of(model, **HALVES[name]), name, device="cpu", detail="none")


def shown_cases() -> list[Item]:
    """Photographs of this repository under CC0: three with their published holes, and a cup of coffee."""
    with (ROOT / "docs" / "results" / "rows.csv").open(newline="") as file:
        order = list(dict.fromkeys(row["photo"] for row in csv.DictReader(file)))
    protocol, found = Protocol(), []
    holes = choose_holes(protocol.masks, None, protocol.ratios, protocol.seed)
    for item in protocol.items(SLICE):
        if not item.photo.endswith("7_10.webp"):  # a cut of another one, mostly sky
            hole, kind = holes.draw(order.index(item.photo), item.photo, SIZE)
            found.append(Item(item.photo, item.image, hole, kind))
    coffee = Image.open(ROOT / "examples" / "coffee.png").convert("RGB")
    coffee = coffee.resize((round(coffee.width * 288 / coffee.height), 288), Image.Resampling.LANCZOS)
    left = (coffee.width - SIZE) // 2
    image = np.array(coffee.crop((left, 16, left + SIZE, 16 + SIZE)))
    hole, kind = holes.draw(1, "coffee.png", SIZE)
    return [*found, Item("coffee.png", image, hole, kind)]


def maps_of(network: Medfe, item: Item) -> BilateralMaps:
    """What the propagation meets and makes in one item."""
    return bilateral_maps(network, image_to_tensor(item.image), hole_to_tensor(item.hole))


def length(features: torch.Tensor) -> torch.Tensor:
    """Of each feature, [h w]."""
    return features.norm(dim=1)[0]


def cosine(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Cosine of the angle between features, [h w]."""
    return torch.cosine_similarity(ours, theirs, dim=1)[0]


def preference(maps: BilateralMaps) -> torch.Tensor:
    """Share of the range half's energy that equal weights in each window do not give, [h w]."""
    change = maps.range - equally_weighted(maps.features, 3)
    return (change.square().sum(dim=1) / maps.range.square().sum(dim=1).clamp_min(1e-20))[0]


def feature_figures(network: Medfe, item: Item) -> dict[str, tuple[float, float]]:
    """What is measured in one item -> (mean over the hole, mean over what is known)."""
    maps = maps_of(network, item)
    features, weights = maps.features, maps.weights[0]
    missing = missing_of(item)
    mean = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
    by_distance, by_similarity = network.equalization.propagate.combine.conv.weight.chunk(2, dim=1)
    places = {
        "length of the features": length(features),
        "cosine of a feature with the picture's mean feature": cosine(features, mean),
        "range weight of the middle": weights[4],
        "range weight of the other eight, mean": weights[[0, 1, 2, 3, 5, 6, 7, 8]].mean(dim=0),
        "share of range weights below zero, %": 100 * (weights < 0).float().mean(dim=0),
        "spatial half: length over input": length(maps.spatial) / length(features),
        "spatial half: cosine with input": cosine(maps.spatial, features),
        "spatial half: length after the 1x1 convolution": length(F.conv2d(maps.spatial, by_distance)),
        "range half: length over input": length(maps.range) / length(features),
        "range half: cosine with input": cosine(maps.range, features),
        "range half: length after the 1x1 convolution": length(F.conv2d(maps.range, by_similarity)),
        "range half: energy that equal weights do not give, %": 100 * preference(maps),
    }
    found = {
        name: (float(place[missing].mean()), float(place[~missing].mean())) for name, place in places.items()
    }
    left = maps.range - scaled(features, maps.range)
    share = 100 * float(left.square().sum() / maps.range.square().sum())
    return {**found, "range half, whole map: energy that one scale does not give, %": (share, share)}


def missing_of(item: Item) -> torch.Tensor:
    """[h/8 w/8], True where the branches take a feature for missing."""
    return valid_features(hole_to_tensor(item.hole), FEATURE_FACTOR, 5 / 16)[0, 0] == 0


def features_table(found: Sequence[dict[str, tuple[float, float]]]) -> str:
    """Means over photographs with their intervals."""
    lines = ["| | in the hole | where it is known |", "|---|--:|--:|"]
    for name in found[0]:
        cells = []
        for values in zip(*(one[name] for one in found), strict=True):
            low, high = bootstrap_interval(values)
            cells.append(f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"| {name} | {' | '.join(cells if cells[0] != cells[1] else [cells[0], ''])} |")
    return "\n".join(lines)


def halves_table(model: str, validation: Path, protocol: Protocol) -> str:
    """Each change's answers against those of the network as trained, paired over photographs."""
    inpainters = {name: painter_of(model, name) for name in HALVES}
    report = evaluate(validation, inpainters, protocol=protocol)
    lines = ["| network | PSNR, dB | LPIPS | L1 hole, % |", "|---|---|---|---|"]
    for name in HALVES:
        cells = []
        for metric_name in MEASURED:
            ours, trained = (
                [row.scores[metric_name] for row in report.rows if row.model == model]
                for model in (name, "as trained")
            )
            test, digits = paired_test(ours, trained), METRICS[metric_name].digits
            shown = [f"{x:+.{digits + 1}f}".replace("-", "−") for x in (test.difference, test.low, test.high)]
            change = "" if name == "as trained" else f"; {shown[0]} [{shown[1]}, {shown[2]}]"
            cells.append(f"{np.mean(ours):.{digits}f}{change}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def publish(mark: str, table: str) -> None:
    """Replace one table of the page."""
    block = f"<!-- {mark} -->\n{table}\n<!-- end of {mark} -->"
    text = re.sub(f"<!-- {mark} -->.*?<!-- end of {mark} -->", lambda _: block, PAGE.read_text(), flags=re.S)
    PAGE.write_text(text, encoding="utf-8")
    print(table)


def weights_figure(items: Sequence[Item], maps: Sequence[BilateralMaps]) -> Image.Image:
    """Three places of each photograph, with the weights by distance and by similarity."""
    rows = []
    for item, one in zip(items, maps, strict=True):
        places = chosen_places(item, one)
        height, width = one.features.shape[-2:]
        by_distance = sum(spatial_weights(height, width, *place, sigma=1.5) for place in places.values())
        cells = [marked(damaged(item), places), marked(colored(by_distance, 0, 0.07), places)]
        rows.append(cells + [grid(one.weights[0, :, r, c], MARKS[name]) for name, (r, c) in places.items()])
    titles = ["hole and three places", "weights by distance"]
    titles += ["A, deep in the hole", "B, at its rim", "C, known"]
    note = "weights by distance: 0 (dark) to 0.07 (yellow). A, B, C: weights by similarity, "
    return sheet(rows, titles, note + "shade: share of the largest, red: below zero")


def chosen_places(item: Item, maps: BilateralMaps) -> dict[str, tuple[int, int]]:
    """The deepest place of the hole; and of its rim and of what is known, where weights differ most."""
    missing = missing_of(item)[None, None].float()
    depth, inner = missing.clone(), missing
    while inner.any():
        inner = 1 - F.max_pool2d(1 - inner, 3, stride=1, padding=1)
        depth += inner
    weights = maps.weights[0]
    spread = (weights.amax(dim=0) - weights.amin(dim=0)) / weights.mean(dim=0).abs()
    spread[[0, -1]], spread[:, [0, -1]] = -1, -1  # at the border zeros from outside would count
    depth = depth[0, 0]
    found: dict[str, tuple[int, int]] = {}
    for name in MARKS:
        wanted = depth * (spread >= 0) if name == "A" else torch.where(depth == (name == "B"), spread, -1.0)
        found[name] = divmod(int(wanted.argmax()), depth.shape[1])
        rows, columns = (slice(max(0, at - 4), at + 5) for at in found[name])
        spread[rows, columns] = -1  # the next place shall not lie on this one
    return found


def features_figure(items: Sequence[Item], maps: Sequence[BilateralMaps]) -> Image.Image:
    """What becomes of the features, place by place."""
    rows = []
    for item, one in zip(items, maps, strict=True):
        shown = []
        for half in (one.spatial, one.range):
            shown += [(length(half) / length(one.features), 0, 1.5), (cosine(half, one.features), 0.8, 1)]
        shown.append((100 * preference(one), 0, 10))
        rows.append([damaged(item), *(outlined(colored(*each), item) for each in shown)])
    titles = ["hole", "spatial: length, 0 to 1.5", "spatial: cosine, 0.8 to 1", "range: length, 0 to 1.5"]
    titles += ["range: cosine, 0.8 to 1", "preference, 0 to 10 %"]
    note = "dark: lower end of each scale, yellow: upper; white line: the hole. "
    return sheet(rows, titles, note + "Preference: energy of the range half that equal weights do not give")


def halves_figure(model: str, items: Sequence[Item]) -> Image.Image:
    """Answers with halves of the propagation changed, and what that changes, four times as strong."""
    trained, plain, _, off, _, spatial, _ = HALVES
    inpainters = {name: painter_of(model, name) for name in (trained, plain, off, spatial)}
    rows = []
    for item in items:
        answers = {
            name: composite(item.image, inpainter.fill(item.damaged, item.hole).image, item.hole).astype(int)
            for name, inpainter in inpainters.items()
        }
        changes = {name: np.abs(answer - answers[trained]) * 4 for name, answer in answers.items()}
        shown = [answers[trained], changes[plain]]
        shown += [picture for name in (off, spatial) for picture in (answers[name], changes[name])]
        rows.append([damaged(item), *(Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in shown)])
    titles = ["hole", "as trained", "equal weights: change x4", "range half off", "its change x4"]
    titles += ["spatial half off", "its change x4"]
    return sheet(rows, titles, "changes: absolute difference to the answer as trained, times four")


def damaged(item: Item) -> Image.Image:
    """The photograph with a grey hole."""
    return Image.fromarray(np.where(item.hole[..., None], np.uint8(128), item.image))


def colored(values: torch.Tensor, low: float, high: float) -> Image.Image:
    """A map in false colours, enlarged to the size of the photograph."""
    place = ((values.numpy() - low) / (high - low)).clip(0, 1) * (len(RAMP) - 1)
    colors = np.stack([np.interp(place, range(len(RAMP)), RAMP[:, c]) for c in range(3)], axis=-1)
    return Image.fromarray(colors.round().astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.NEAREST)


def marked(picture: Image.Image, places: dict[str, tuple[int, int]]) -> Image.Image:
    """Frames around feature pixels, each with its letter."""
    draw = ImageDraw.Draw(picture)
    for name, (row, column) in places.items():
        left, top = column * FEATURE_FACTOR, row * FEATURE_FACTOR
        draw.rectangle((left - 3, top - 3, left + 10, top + 10), outline="white", width=3)
        draw.rectangle((left - 2, top - 2, left + 9, top + 9), outline=MARKS[name], width=2)
        draw.text((left + 14, top - 6), name, "white", font(16), stroke_width=2, stroke_fill=MARKS[name])
    return picture


def outlined(picture: Image.Image, item: Item) -> Image.Image:
    """The border of the hole's feature pixels as a white line."""
    missing = np.kron(missing_of(item).numpy(), np.ones((FEATURE_FACTOR, FEATURE_FACTOR), bool))
    inside = np.pad(missing, 1, mode="edge")
    inner = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return Image.fromarray(np.where((missing & ~inner)[..., None], np.uint8(255), np.array(picture)))


def grid(weights: torch.Tensor, frame: tuple[int, int, int]) -> Image.Image:
    """The weights of a window as numbers on their colours, relative to the largest."""
    cell, largest = 80, float(weights.max())
    picture = Image.new("RGB", (SIZE, SIZE), "white")
    draw = ImageDraw.Draw(picture)
    for number, weight in enumerate(weights.tolist()):
        left, top = 8 + number % 3 * cell, 8 + number // 3 * cell
        level = int(255 - 130 * max(0.0, weight / largest))
        shade = (level, level, 255) if weight >= 0 else (255, 205, 195)
        draw.rectangle((left, top, left + cell - 2, top + cell - 2), fill=shade, outline=INK)
        draw.text((left + cell / 2, top + cell / 2), f"{weight:.3f}", INK, font(24), anchor="mm")
    draw.rectangle((4, 4, 9 + 3 * cell, 9 + 3 * cell), outline=frame, width=4)
    return picture


def sheet(rows: Sequence[Sequence[Image.Image]], titles: Sequence[str], note: str) -> Image.Image:
    """Rows of pictures under titles, and a note below."""
    step = SIDE + GAP
    canvas = Image.new("RGB", (GAP + len(titles) * step, 3 * TITLE + len(rows) * step), "white")
    draw = ImageDraw.Draw(canvas)
    for column, title in enumerate(titles):
        draw.text((GAP + column * step, GAP // 2), title, INK, font(14))
        for number, row in enumerate(rows):
            fitted = row[column].resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            canvas.paste(fitted, (GAP + column * step, TITLE + GAP + number * step))
    draw.text((GAP, canvas.height - TITLE - GAP), note, INK, font(14))
    return canvas


if __name__ == "__main__":
    main()
