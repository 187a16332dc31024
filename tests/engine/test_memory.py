"""Memory: amounts are read, plans fit, what cannot fit is refused, and what is promised is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.fakes import Palette
from twofold.engine.load import load
from twofold.engine.memory import choose_plan, read_bytes
from twofold.engine.model_name import Typed
from twofold.errors import InputError

STATUS = Path("/proc/self/status")


@pytest.mark.parametrize(
    ("text", "count"),
    [("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), ("800m", 8 * 10**8), ("1000", 1000), (" 3 kb ", 3000)],
)
def test_amounts_of_memory_are_read(text: str, count: int) -> None:
    assert read_bytes(text) == count


@pytest.mark.parametrize("text", ["", "much", "-2GB", "2 QB", "GB", "2,5GB"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no amount of memory"):
        read_bytes(text)


def network(largest: int) -> Palette:
    ours = Palette()
    ours.largest_size = largest
    ours.weight_count = 1
    return ours


def test_with_less_memory_answers_become_fewer_then_tiles_smaller_then_detail_goes() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)

    def plan_of(megabytes: int) -> tuple[int, int, bool]:
        plan = choose_plan(
            network(512), picture, 8, diverse=True, limit=megabytes * 10**6, at_once=8, detail="auto"
        )
        return plan.at_once, plan.largest_size, plan.detail != "none"

    with pytest.raises(InputError, match="allow more memory"):
        plan_of(60)
    plans = [plan_of(megabytes) for megabytes in range(2000, 80, -20)]
    assert plans[0] == (8, 512, True)
    assert plans == sorted(plans, reverse=True)
    unlimited = choose_plan(network(512), picture, 8, diverse=True, limit=None, at_once=8, detail="auto")
    assert (unlimited.at_once, unlimited.largest_size, unlimited.detail) == (8, 512, "auto")
    assert {at_once for at_once, _, _ in plans} == {8, 4, 2, 1}
    assert all(size == 512 for at_once, size, _ in plans if at_once > 1)
    assert plans[-1][1] <= 64


def test_pictures_that_are_kept_count() -> None:
    picture = np.zeros((2000, 2000, 3), np.uint8)
    choose_plan(network(32), picture, 1, diverse=True, limit=2 * 10**8, at_once=8, detail="none")
    with pytest.raises(InputError, match=r"takes about 5\d\d MB .* may take 200 MB"):
        choose_plan(network(32), picture, 40, diverse=True, limit=2 * 10**8, at_once=8, detail="none")


def test_methods_without_a_network_refuse_what_they_cannot_keep() -> None:
    with pytest.raises(InputError, match="takes neither max_memory nor detail"):
        load(Typed("cmd: true {image} {mask} {out}"), max_memory="1GB")


MEASURE = """
import sys
import numpy as np
from twofold.engine.load import load

def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])

inpainter = load("medfe-small", device="cpu", max_memory=sys.argv[1] if sys.argv[1] != "none" else None)
image = np.random.default_rng(0).integers(0, 256, (1600, 2000, 3), np.uint8)
hole = np.zeros(image.shape[:2], np.bool_)
hole[200:1300, 400:1500] = True
before = status("VmRSS")
inpainter.fill(image, hole)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not STATUS.is_file(), reason="needs /proc")
def test_memory_that_is_allowed_is_kept_on_a_large_picture() -> None:
    taken = {}
    for limit in ("none", "250MB"):
        run = subprocess.run(
            [sys.executable, "-c", MEASURE, limit], capture_output=True, text=True, check=True, timeout=300
        )
        taken[limit] = int(run.stdout.splitlines()[-1])
    assert taken["250MB"] < min(250 * 10**6, 0.7 * taken["none"])  # a third to a half of it
