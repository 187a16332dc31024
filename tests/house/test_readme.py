"""What the README shows works as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.checkpoints.released import bundled_models
from twofold.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language, after=""):
    return re.search(rf"{re.escape(after)}\s*```{language}\n(.*?)```", README, re.DOTALL)[1]


def test_the_weights_that_the_readme_names_are_bundled():
    assert {"medfe-small", "dsi-small"} <= set(bundled_models())


def test_python_example_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    scope = {}
    exec(block("python"), scope)
    assert capsys.readouterr().out.startswith("(400, 600, 3) medfe-small")
    photo = np.array(Image.open("examples/coffee.png"))
    hole = np.array(Image.open("examples/mask.png").convert("L")) >= 128
    assert (scope["filled"][~hole] == photo[~hole]).all()
    assert (scope["filled"][hole] != photo[hole]).any()


def test_python_example_of_many_answers_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    scope = {"filled": np.array(Image.open("examples/coffee.png"))}
    exec("import twofold\n" + block("python", "steer how daring they are. In Python:"), scope)
    result = scope["result"]
    assert len(result.samples) == 2
    assert all(sample.log_likelihood < 0 for sample in result.samples)
    hole = np.array(Image.open("examples/mask.png").convert("L")) >= 128
    first, second = (sample.image for sample in result.samples)
    assert (first[hole] != second[hole]).any()
    assert (first[~hole] == scope["filled"][~hole]).all()


def test_fill_command_fills_the_example(tmp_path, monkeypatch):
    command = shlex.split(block("bash", "<!-- fill command -->").split("&&")[-1])
    assert command[0].endswith("/twofold")
    monkeypatch.chdir(ROOT)
    out = tmp_path / "filled.png"
    assert main([str(out) if argument == "filled.png" else argument for argument in command[1:]]) == 0
    assert Image.open(out).size == Image.open("examples/coffee.png").size


def test_continuous_integration_runs_the_test_command():
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()
    assert block("bash", "<!-- test command -->").strip().endswith("-m pytest")


@pytest.mark.parametrize("line", block("bash", "## Train, convert, measure").splitlines())
def test_every_command_named_exists(line):
    words = line.split("#")[0].split()
    if words[0] == "twofold":
        assert words[1] in COMMANDS


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)", README))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()
