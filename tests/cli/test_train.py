import pytest

from twofold.checkpoints.format import load_weights
from twofold.cli.main import main


def train(photos, out, *options):
    return main(
        [
            *("train", "medfe", "--data", str(photos), "--out", str(out), "--preset", "tiny"),
            *("--data.size", "64", "--loop.steps", "1", "--loop.batch-size", "1", "--loop.precision", "fp32"),
            *("--loop.accelerator", "cpu", *options),
        ]
    )


def test_training_writes_weights_and_says_where(photos, tmp_path, capsys):
    assert train(photos, tmp_path / "run") == 0
    assert capsys.readouterr().out.strip() == f"wrote {tmp_path / 'run' / 'model.safetensors'}"
    assert load_weights(tmp_path / "run" / "model.safetensors").config["mode"] == "paper"


def test_mode_and_fields_of_the_recipe_are_options(photos, tmp_path):
    options = (
        "--data.size",
        "192",
        "--recipe.network.native-size",
        "192",
        "--recipe.weights.adversarial",
        "0",
    )
    assert train(photos, tmp_path / "run", "--mode", "official", *options) == 0
    weights = load_weights(tmp_path / "run" / "model.safetensors")
    assert weights.config["mode"] == "official"
    assert weights.about["recipe"]["weights"]["adversarial"] == 0


def test_a_second_run_in_the_same_folder_is_refused_in_one_line(photos, tmp_path, capsys):
    assert train(photos, tmp_path / "run") == 0
    capsys.readouterr()
    assert train(photos, tmp_path / "run") == 2
    assert "already holds a run" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments", [["train"], ["train", "medfe"], ["train", "medfe", "--data", "x"], ["train", "pix2pix"]]
)
def test_missing_words_are_a_usage_error(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith("; see twofold train medfe --help\n")


def test_an_empty_folder_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert train(tmp_path / "empty", tmp_path / "run") == 2
    assert "holds no photograph" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
