"""Times and memory, apart from the report."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import torch

from evaluate.report.examples import example
from twofold.evaluate.report import timing_json, timing_markdown
from twofold.evaluate.results import Timing

TIMINGS = {"one": [Timing(1.0, 3 * 2**20), Timing(2.0, None), Timing(6.0, 2**20)], "two": [Timing(0.25)]}


def test_table_has_median_mean_and_largest_memory():
    text = timing_markdown(replace(example(), timings=TIMINGS))
    assert "| one | 3 | 2.000 | 3.000 | 3 |" in text
    assert "| two | 1 | 0.250 | 0.250 | - |" in text
    assert "`own/seed-0/v1`" in text
    assert f"cpu count {os.cpu_count()}, torch threads {torch.get_num_threads()}" in text


def test_json_has_the_same_in_bytes_and_the_machine():
    content = json.loads(timing_json(replace(example(), timings=TIMINGS)))
    assert content["models"] == {
        "one": {"answers": 3, "median_seconds": 2.0, "mean_seconds": 3.0, "largest_memory": 3 * 2**20},
        "two": {"answers": 1, "median_seconds": 0.25, "mean_seconds": 0.25, "largest_memory": None},
    }
    assert content["machine"]["cpu_count"] == os.cpu_count()
    assert content["cases_hash"] == example().cases_hash


def test_models_that_were_not_timed_are_left_out():
    content = json.loads(timing_json(replace(example(), timings={"one": [], "two": [Timing(1.0)]})))
    assert list(content["models"]) == ["two"]


def test_names_stay_in_their_cells():
    assert r"| a\|b | 1 |" in timing_markdown(replace(example(), timings={"a|b": [Timing(1.0)]}))
