"""Any command line as an inpainter."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.external.model_files import COLOR, box_hole, photo
from twofold.engine.external.command import TIME_LIMIT, Command
from twofold.engine.load import load
from twofold.engine.model_name import Typed
from twofold.errors import InputError
from twofold.inpainter import Inpainter

PAINT = """
import sys
import numpy as np
from PIL import Image
image = np.array(Image.open(sys.argv[1]))
mask = np.array(Image.open(sys.argv[2]))
assert image.dtype == mask.dtype == np.uint8 and mask.ndim == 2
assert set(np.unique(mask)) <= {0, 255} and not image[mask == 255].any()
colour = COLOUR if len(sys.argv) < 5 else (int(sys.argv[4]) % 251, 0, 0)
image[mask == 255] = colour
image[mask == 0] = 255 - image[mask == 0]  # what is known is none of its business
Image.fromarray(image).save(sys.argv[3])
""".replace("COLOUR", repr(COLOR))


def written(folder: Path, code: str, name: str = "paint it.py") -> str:
    """A script and how it is called, with a blank in its path."""
    script = folder / name
    script.write_text(code)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} {{image}} {{mask}} {{out}}"


IMAGE, HOLE = photo(40, 56), box_hole(40, 56)


def test_a_command_paints_the_hole_and_nothing_else(tmp_path):
    inpainter = load(Typed(f"cmd: {written(tmp_path, PAINT)}"))
    assert isinstance(inpainter, Inpainter)
    assert inpainter.name == Path(sys.executable).stem
    assert inpainter.diverse is False
    assert inpainter.last_memory is None
    filled = inpainter.fill(IMAGE, HOLE).image
    assert np.array_equal(filled[~HOLE], IMAGE[~HOLE])
    assert (filled[HOLE] == COLOR).all()
    if sys.platform == "linux":
        assert 1_000_000 < inpainter.last_memory < 300_000_000


@pytest.mark.parametrize(("channels", "dtype"), [(0, "uint8"), (1, "uint16"), (3, "uint16"), (4, "uint8")])
def test_shape_depth_and_every_known_pixel_stay(tmp_path, channels, dtype):
    image = photo(40, 56, channels, dtype)
    filled = Command(written(tmp_path, PAINT)).fill(image, HOLE).image
    assert (filled.shape, filled.dtype) == (image.shape, image.dtype)
    assert np.array_equal(filled[~HOLE], image[~HOLE])
    assert not np.array_equal(filled[HOLE], image[HOLE])


def test_without_a_seed_it_is_asked_once_for_all_samples(tmp_path):
    count = tmp_path / "count"
    code = f"{PAINT}\nopen({str(count)!r}, 'a').write('x')"
    result = Command(written(tmp_path, code)).fill(IMAGE, HOLE, samples=3)
    assert count.read_text() == "x"
    assert [sample.index for sample in result.samples] == [0, 1, 2]
    assert all(np.array_equal(sample.image, result.image) for sample in result.samples)


def test_with_a_seed_each_sample_is_another_and_always_the_same(tmp_path):
    inpainter = Command(f"{written(tmp_path, PAINT)} {{seed}}", name="seeded")
    assert inpainter.diverse is True
    first = inpainter.fill(IMAGE, HOLE, samples=3, seed=5)
    again = inpainter.fill(IMAGE, HOLE, samples=2, seed=5)
    other = inpainter.fill(IMAGE, HOLE, seed=6)
    assert first.model == "seeded"
    for a, b in zip(first.samples[:2], again.samples, strict=True):
        assert np.array_equal(a.image, b.image)
    colors = {tuple(sample.image[HOLE][0]) for sample in [*first.samples, *other.samples]}
    assert len(colors) == 4


def test_an_empty_mask_runs_nothing(tmp_path):
    inpainter = Command(written(tmp_path, "raise SystemExit(1)"))
    assert np.array_equal(inpainter.fill(IMAGE, np.zeros_like(HOLE)).image, IMAGE)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (
            "import sys; print('loading', file=sys.stderr); sys.exit('no such model')",
            r"failed with exit status 1: no such model; try",
        ),
        ("print('sorry'); raise SystemExit(4)", "failed with exit status 4: sorry; try"),
        ("import os; os.kill(os.getpid(), 9)", "failed with signal 9; try"),
        ("pass", r"wrote no picture that can be read to \{out\}; let"),
        ("import sys; open(sys.argv[3], 'w').write('text')", "wrote no picture that can be read"),
        (
            "import sys; from PIL import Image; Image.new('RGB', (56, 41)).save(sys.argv[3])",
            "answered with a picture of 56x41 to one of 56x40; let it write the size",
        ),
    ],
)
def test_a_command_that_goes_wrong_is_told_of_in_one_sentence(tmp_path, code, word):
    inpainter = Command(written(tmp_path, code), name="tool")
    with pytest.raises(InputError, match=f"command tool {word}") as caught:
        inpainter.fill(IMAGE, HOLE)
    assert "\n" not in str(caught.value)


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    assert TIME_LIMIT == 600
    inpainter = Command(written(tmp_path, "import time; time.sleep(600)"), name="slow", limit=0.5)
    with pytest.raises(InputError, match=r"command slow took more than 0\.5 seconds and was ended; give"):
        inpainter.fill(IMAGE, HOLE)


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("", r"has no \{image\} and no \{mask\} and no \{out\}; write it as 'TOOL"),
        ("tool {image} {out}", r"has no \{mask\}; write"),
        ("tool '{image} {mask} {out}", "cannot be split"),
        ("no-such-tool-at-all {image} {mask} {out}", "there is no program 'no-such-tool-at-all'"),
    ],
)
def test_a_command_that_cannot_work_is_refused_before_it_runs(template, word):
    with pytest.raises(InputError, match=word):
        load(Typed(f"cmd:{template}"))


def test_no_shell_reads_the_command(tmp_path):
    marker = tmp_path / "marker"
    inpainter = Command(f"{written(tmp_path, PAINT)} && touch {marker}")
    with pytest.raises(InputError, match="invalid literal"):  # '&&' reached the script as its seed
        inpainter.fill(IMAGE, HOLE)
    assert not marker.exists()


def test_placeholders_may_be_parts_of_words(tmp_path):
    code = PAINT.replace(
        "import sys\n", "import sys\nsys.argv = [a.partition('=')[2] or a for a in sys.argv]\n"
    )
    template = written(tmp_path, code).replace("{image}", "--image={image}").replace("{out}", "--out={out}")
    assert (Command(template).fill(IMAGE, HOLE).image[HOLE] == COLOR).all()


def test_the_fingerprint_follows_the_command_line_and_the_files_in_it(tmp_path):
    template = written(tmp_path, PAINT)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"1")
    first = Command(template).fingerprint
    assert Command(template, name="other").fingerprint == first
    assert first.startswith(f"cmd: {template} ")
    assert Command(f"{template} --steps 3").fingerprint != first
    option = Command(f"{template} --weights={weights}").fingerprint
    weights.write_bytes(b"2")
    assert Command(f"{template} --weights={weights}").fingerprint != option
    written(tmp_path, PAINT + "\n# changed\n")
    assert Command(template).fingerprint != first


def test_the_tool_in_the_documentation_works(tmp_path):
    pytest.importorskip("cv2")
    page = (Path(__file__).parents[3] / "docs" / "foreign-models.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    filled = load(Typed(f"cmd: {written(tmp_path, code)}")).fill(IMAGE, HOLE).image
    assert np.array_equal(filled, load("opencv-telea").fill(IMAGE, HOLE).image)
