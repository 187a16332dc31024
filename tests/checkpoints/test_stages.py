import dataclasses

import pytest
import torch

from twofold.checkpoints.format import build_network, load_weights, save_weights
from twofold.checkpoints.stages import join_stages
from twofold.dsi.config import tiny
from twofold.dsi.model import build_dsi
from twofold.dsi.options import SamplingOptions
from twofold.errors import CheckpointError


def stage(path, *, part, seed=0, vqvae=None):
    """Weights of one stage: the VQ-VAE and one part."""
    absent = {name: None for name in ("structure", "texture") if name != part}
    config = dataclasses.replace(tiny(), **absent)
    torch.manual_seed(seed)
    network = build_dsi(config)
    if vqvae is not None:
        network.vqvae.load_state_dict(vqvae)
    save_weights(
        path, family="dsi", config=config, state=network.state_dict(), name=path.stem, about={"steps": seed}
    )
    return network.vqvae.state_dict()


@pytest.fixture
def stages(tmp_path):
    vqvae = stage(tmp_path / "structure.safetensors", part="structure", seed=1)
    stage(tmp_path / "texture.safetensors", part="texture", seed=2, vqvae=vqvae)
    return tmp_path / "structure.safetensors", tmp_path / "texture.safetensors"


def test_joined_stages_fill_with_the_parts_of_each(stages, tmp_path):
    file = join_stages(stages, tmp_path / "dsi-mine")
    joined = load_weights(file)
    assert joined.name == "dsi-mine"
    for path in stages:
        for name, value in load_weights(path).state.items():
            assert torch.equal(joined.state[name], value)
    assert joined.about["stages"]["texture"] == {"steps": 2}
    network = build_network(joined).eval()
    image, hole = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    hole[..., 20:40, 20:40] = 1
    with torch.inference_mode():
        assert network.fill(image, hole, [0, 1]).image.shape == (2, 3, 64, 64)


def test_sampling_options_go_into_the_joined_model(stages, tmp_path):
    options = SamplingOptions(temperature=0.9, keep_margin=2)
    file = join_stages(stages, tmp_path / "joined", sampling=options)
    assert build_network(load_weights(file)).default_options == options


def test_stages_on_different_vqvaes_are_refused(stages, tmp_path):
    stage(tmp_path / "other.safetensors", part="texture", seed=3)
    with pytest.raises(CheckpointError, match="trained on another VQ-VAE"):
        join_stages([stages[0], tmp_path / "other.safetensors"], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_the_decoder_of_the_first_stage_is_taken(stages, tmp_path):
    weights = load_weights(stages[0])
    name = "vqvae.decoder.to_full.bias"
    state = {key: value for key, value in weights.state.items() if key.startswith("vqvae.")}
    config = dataclasses.replace(tiny(), structure=None, texture=None)
    state[name] = torch.tensor([1.0, 2.0, 3.0])
    save_weights(tmp_path / "better.safetensors", family="dsi", config=config, state=state, name="better")
    file = join_stages([tmp_path / "better.safetensors", *stages], tmp_path / "joined")
    assert load_weights(file).state[name].tolist() == [1, 2, 3]


def test_a_part_must_be_in_exactly_one_stage(stages, tmp_path):
    state = load_weights(stages[0]).state
    vqvae = {name.removeprefix("vqvae."): value for name, value in state.items() if "vqvae" in name}
    stage(tmp_path / "again.safetensors", part="nothing", vqvae=vqvae)
    with pytest.raises(CheckpointError, match="texture generator is in 0 of the stages"):
        join_stages([stages[0], tmp_path / "again.safetensors"], tmp_path / "joined")
    with pytest.raises(CheckpointError, match="structure generator is in 2 of the stages"):
        join_stages([stages[0], stages[0]], tmp_path / "joined")
    with pytest.raises(CheckpointError, match="at least two"):
        join_stages(stages[:1], tmp_path / "joined")


def test_weights_of_another_family_are_refused(stages, tmp_path):
    with pytest.raises(CheckpointError, match="weights of medfe"):
        join_stages([stages[0], "medfe-small"], tmp_path / "joined")


def test_weights_without_a_generator_say_what_is_missing(stages):
    network = build_network(load_weights(stages[0]))
    with pytest.raises(CheckpointError, match="hold no texture generator"):
        network.fill(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64), [0])
