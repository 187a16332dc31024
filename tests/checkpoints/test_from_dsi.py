"""Official DSI weights: every layout they come in, every fault they can have, and equal answers."""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import twofold
from checkpoints.bundle_writer import write_bundle
from checkpoints.reference_dsi import ReferenceDsi
from twofold.checkpoints.dsi_names import layer_names, official_shapes, variable_names
from twofold.checkpoints.format import build_network, load_weights
from twofold.checkpoints.from_dsi import convert_dsi, convert_variables
from twofold.cli.main import main
from twofold.dsi.config import DsiConfig, StructureConfig, TextureConfig, VqvaeConfig, paper
from twofold.dsi.model import Dsi
from twofold.errors import CheckpointError

AVERAGE = "/ExponentialMovingAverage"
# Widths differ where the networks allow it, so that mixed-up layers are misshapen.
CONFIG = DsiConfig(
    mode="official",
    vqvae=VqvaeConfig(channels=6, residual_channels=5, residual_blocks=2, codes=11, code_size=3),
    structure=StructureConfig(
        condition_channels=(3, 4, 5, 6),
        condition_dilations=(1, 2),
        channels=8,
        groups=2,
        layers=2,
        heads=3,
        key_channels=2,
        value_channels=5,
        out_layers=2,
    ),
    texture=TextureConfig(channels=4, discriminator_channels=(3, 5, 7)),
    native_size=64,
)
SHAPES = official_shapes(CONFIG)
Variables = dict[str, np.ndarray]


def seeded(seed: int, shapes: dict[str, tuple[int, ...]] = SHAPES) -> Variables:
    """Variables that keep every layer's answer in sight: neither vanishing nor saturated."""
    rng = np.random.default_rng(seed)
    variables = {}
    for name, shape in shapes.items():
        leaf = name.rpartition("/")[2]
        value = rng.normal(size=shape)
        if leaf == "W":
            value *= 1.3 * np.prod(shape[:3]) ** -0.5
        elif leaf == "b":
            value *= 0.1
        elif leaf == "g":
            value = rng.uniform(0.5, 1.5, shape)
        variables[name] = value.astype(np.float32)
    return variables


@pytest.fixture(scope="module")
def variables() -> Variables:
    return seeded(1)


def of(variables: Variables, *scopes: str) -> Variables:
    return {name: value for name, value in variables.items() if name.startswith(scopes)}


def averages(variables: Variables) -> tuple[Variables, Variables]:
    """What training leaves of these weights: weights of the last step, and the weights as averages."""
    averaged = {name: value for name, value in variables.items() if not name.endswith("/embedding")}
    last = {name: value + np.float32(0.5) for name, value in averaged.items()}
    return last, {f"{name}{AVERAGE}": value for name, value in averaged.items()}


def slots(variables: Variables) -> Variables:
    """An optimizer's variables."""
    slot = {f"{name}/{kind}": value * 0 for name, value in variables.items() for kind in ("Adam", "Adam_1")}
    return {**slot, "beta1_power": np.float32(0.1), "beta2_power": np.float32(0.9)}


def codebook_statistics(config: DsiConfig, *, debias: bool) -> Variables:
    out: Variables = {}
    for index in (0, 1):
        scope = f"vq_encoder/vector_quantize_{index}"
        for leaf, shape in (
            ("ema_cluster_size", (config.vqvae.codes,)),
            ("ema_dw", (config.vqvae.code_size, config.vqvae.codes)),
        ):
            out[f"{scope}/{leaf}"] = np.zeros(shape, np.float32)
            if debias:
                out[f"{scope}/{scope}/{leaf}/biased"] = np.zeros(shape, np.float32)
                out[f"{scope}/{scope}/{leaf}/local_step"] = np.float32(7)
    return out


def stages(variables: Variables) -> dict[str, Variables]:
    """The checkpoints that the three stages of training leave."""
    vqvae, statistics = of(variables, "vq_"), codebook_statistics(CONFIG, debias=False)
    structure, texture = of(variables, "structure_"), of(variables, "texture_")
    vqvae_last, vqvae_averages = averages(vqvae)
    structure_last, structure_averages = averages(structure)
    return {
        "vqvae": {
            **vqvae,
            **vqvae_last,
            **vqvae_averages,
            **slots(vqvae),
            **codebook_statistics(CONFIG, debias=True),
        },
        "structure": {
            **vqvae,
            **statistics,
            **structure_last,
            **structure_averages,
            **slots(structure),
            "global_step": np.int64(10),
        },
        "texture": {**vqvae, **statistics, **texture, **slots(texture)},
    }


def full(folder: Path, variables: Variables) -> Path:
    statistics = codebook_statistics(CONFIG, debias=False)
    return write_bundle(folder / "full" / "model.ckpt", {**variables, **statistics})


def staged(folder: Path, variables: Variables, *names: str) -> list[Path]:
    all_stages = stages(variables)
    return [write_bundle(folder / name / f"{name}.ckpt", all_stages[name]) for name in names]


def refused(checkpoints: Any, out: Path) -> str:
    """The one error of a conversion that must fail and leave nothing behind."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(CheckpointError) as caught:
        convert_dsi(checkpoints, out, config=CONFIG)
    assert sorted(out.parent.iterdir()) == before
    return str(caught.value)


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


# --- the table ---------------------------------------------------------------------------------


def test_full_size_has_the_variables_and_values_of_the_specification():
    values: Counter[str] = Counter()
    tensors: Counter[str] = Counter()
    for name, shape in official_shapes(paper("official")).items():
        scope = name.split("/")[0]
        values[scope] += int(np.prod(shape))
        tensors[scope] += 1
    statistics = 2 * (512 + 64 * 512)  # of the codebooks, which are not converted
    assert dict(tensors) == {
        "vq_encoder": 48 - 4,
        "vq_decoder": 16,
        "structure_condition": 90,
        "structure_pixelcnn": 792,
        "texture_generator": 42,
        "texture_discriminator": 18,
    }
    assert dict(values) == {
        "vq_encoder": 1_472_512 - statistics,
        "vq_decoder": 511_619,
        "structure_condition": 36_959_392,
        "structure_pixelcnn": 26_769_536,
        "texture_generator": 4_602_467,
        "texture_discriminator": 5_948_032,
    }


@pytest.mark.parametrize("config", [CONFIG, paper("official")], ids=["reduced", "full"])
def test_the_table_names_every_layer_of_ours_and_every_variable_once(config):
    with torch.device("meta"):
        ours = Dsi(config).state_dict()
    table = layer_names(config)
    assert {layer for layers in table.values() for layer in layers} == {n.rpartition(".")[0] for n in ours}
    names = variable_names(config)
    assert set(names) == set(ours)
    used = Counter(name for theirs in names.values() for name in theirs)
    assert set(used.values()) == {1}
    repeated = {name for name, theirs in names.items() if len(theirs) > 1}
    assert {name.split(".")[-2] for name in repeated} == {"query", "key", "value"}


def test_the_maps_of_the_heads_are_joined_head_by_head(variables):
    state = convert_variables(variables, CONFIG)
    for first, part in ((6, "query"), (7, "key"), (8, "value")):
        ours = f"structure.pixelcnn.left_layers.1.attention.{part}"
        heads = [f"structure_pixelcnn/wndense_{first + 3 * head}" for head in range(3)]
        expected = np.concatenate([variables[f"{head}/b"] for head in heads])
        assert np.array_equal(state[f"{ours}.b"].numpy(), expected)
        expected = np.concatenate([variables[f"{head}/V"] for head in heads], axis=1)
        assert np.array_equal(state[f"{ours}.v"].numpy(), expected.T)


# --- equal answers -----------------------------------------------------------------------------


def picture(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, size])
    image = rng.uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    mask = np.zeros((1, size, size, 1), np.float32)
    mask[:, size // 4 : size // 2 + 3, size // 3 : size - 5] = 1
    return image, mask


def channels_first(value: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(value.transpose(0, 3, 1, 2)))


def our_tensors(network: Dsi, x: torch.Tensor, hole: torch.Tensor, index: np.ndarray) -> dict[str, Any]:
    """What the networks make of a picture, and of a structure of these codes."""
    assert network.structure is not None
    assert network.texture is not None
    assert network.discriminator is not None
    encoding = network.vqvae.encode(x)
    vectors = network.vqvae.structure_codebook.look_up(torch.from_numpy(index))
    condition = network.structure.condition(x, hole)
    painted = network.texture(x, hole, vectors)
    return {
        "enc_t": encoding.structure.features,
        "enc_b": encoding.texture.features,
        "vq_idx_t": encoding.structure.codes,
        "vq_idx_b": encoding.texture.codes,
        "vq_dec": network.vqvae.decoder(encoding.structure.vectors, encoding.texture.vectors),
        "vq_dec_structure_only": network.vqvae.decoder(vectors, torch.zeros_like(encoding.texture.vectors)),
        "cond": condition,
        "logits": network.structure.pixelcnn(vectors, condition),
        "gen": painted,
        "dis": network.discriminator(torch.where(hole > 0, painted, x), hole),
    }


def our_answers(network: Dsi, image: np.ndarray, mask: np.ndarray, index: np.ndarray) -> Variables:
    """The same as arrays in the reference networks' layout."""
    with torch.inference_mode():
        tensors = our_tensors(network, channels_first(image), channels_first(mask), index)
    return {name: (v.permute(0, 2, 3, 1) if v.ndim == 4 else v).numpy() for name, v in tensors.items()}


def reference_answers(
    networks: ReferenceDsi, image: np.ndarray, mask: np.ndarray, index: np.ndarray
) -> Variables:
    """The same of the reference networks, at the sizes of ``CONFIG``."""
    structure, texture = CONFIG.structure, CONFIG.texture
    assert structure is not None
    assert texture is not None
    blocks = CONFIG.vqvae.residual_blocks
    code = networks.encode(image, blocks)
    vectors = networks.variables["vq_encoder/vector_quantize_0/embedding"].T[index]
    masked = image * (1 - mask)
    condition = networks.condition(masked, mask, structure.condition_dilations)
    sizes = (structure.groups, structure.layers, structure.heads, structure.out_layers)
    painted = networks.texture(masked, mask, vectors)
    composited = painted * mask + masked
    return {
        "enc_t": code["enc_t"],
        "enc_b": code["enc_b"],
        "vq_idx_t": code["idx_t"],
        "vq_idx_b": code["idx_b"],
        "vq_dec": networks.decode(code["quant_t"], code["quant_b"], blocks),
        "vq_dec_structure_only": networks.decode(vectors, 0 * code["quant_b"], blocks),
        "cond": condition,
        "logits": networks.pixelcnn(vectors, condition, *sizes),
        "gen": painted,
        "dis": networks.discriminate(composited, mask, len(texture.discriminator_channels)),
    }


@pytest.mark.parametrize("seed", range(4))
def test_converted_weights_answer_as_the_reference_networks(seed):
    theirs = seeded(seed)
    network = Dsi(CONFIG).eval()
    network.load_state_dict(convert_variables(theirs, CONFIG))
    image, mask = picture(64, seed)
    index = np.random.default_rng(seed).integers(0, CONFIG.vqvae.codes, (1, 8, 8))
    networks = ReferenceDsi(theirs)
    expected = reference_answers(networks, image, mask, index)
    for name, value in our_answers(network, image, mask, index).items():
        assert value.shape == expected[name].shape, name
        reach = expected[name].max() - expected[name].min()
        assert reach > 1e-2, f"{name} is the same everywhere, so equality says nothing"
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-4 * reach, err_msg=name)
    assert networks.used == set(theirs)


def test_every_tensor_has_an_influence(variables):
    network = Dsi(CONFIG).eval()
    network.load_state_dict(convert_variables(variables, CONFIG))
    image, mask = picture(64, 0)
    index = np.random.default_rng(0).integers(0, CONFIG.vqvae.codes, (1, 8, 8))
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for tensor in tensors.values():
        tensor.requires_grad_()
    answers = our_tensors(network, channels_first(image), channels_first(mask), index)
    rng = torch.Generator().manual_seed(0)
    parts = [v for name, v in answers.items() if "idx" not in name]
    # Every answer in random proportions, so that no influences add up to nothing.
    sum((part * torch.randn(part.shape, generator=rng)).sum() for part in parts).backward()
    for name, tensor in tensors.items():
        influence = 0.0 if tensor.grad is None else float(tensor.grad.abs().max())
        if name.endswith("attention.key.b"):
            assert influence < 1e-4  # what is added to all keys alike, a softmax takes away again
        else:
            assert influence > 1e-3, name


# --- what is accepted --------------------------------------------------------------------------


def test_the_full_model_becomes_one_file_in_full_precision(tmp_path, variables):
    (written,) = convert_dsi(full(tmp_path, variables), tmp_path / "ours", config=CONFIG)
    assert written == tmp_path / "ours" / "model.safetensors"
    weights = load_weights(written)
    assert (weights.family, weights.config["mode"], weights.name) == ("dsi", "official", "dsi-official")
    assert weights.about["parts"] == ["structure", "texture", "vqvae"]
    assert weights.about["averaged"] == []
    assert equal(weights.state, convert_variables(variables, CONFIG))
    assert isinstance(build_network(weights), Dsi)


@pytest.mark.parametrize("order", [("vqvae", "structure", "texture"), ("texture", "vqvae", "structure")])
def test_the_stages_together_are_the_full_model(tmp_path, variables, order):
    (written,) = convert_dsi(staged(tmp_path, variables, *order), tmp_path / "ours", config=CONFIG)
    weights = load_weights(written)
    assert equal(weights.state, convert_variables(variables, CONFIG))
    assert weights.about["averaged"] == ["structure", "vqvae"]


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["vqvae"], {"vqvae"}),
        (["structure"], {"vqvae", "structure"}),
        (["texture"], {"vqvae", "texture"}),
        (["vqvae", "texture"], {"vqvae", "texture"}),
        (["structure", "texture"], {"vqvae", "structure", "texture"}),
    ],
)
def test_a_stage_gives_its_parts_alone(tmp_path, variables, names, parts):
    (written,) = convert_dsi(staged(tmp_path, variables, *names), tmp_path / "ours", config=CONFIG)
    network = build_network(load_weights(written))
    assert isinstance(network, Dsi)
    config = replace(
        CONFIG,
        structure=CONFIG.structure if "structure" in parts else None,
        texture=CONFIG.texture if "texture" in parts else None,
    )
    assert network.config == config
    assert equal(dict(network.state_dict()), convert_variables(variables, config))


def test_averages_win_over_the_last_step_only_where_the_authors_take_them(tmp_path, variables):
    mixed = stages(variables)
    both = {**mixed["vqvae"], **mixed["structure"], **of(variables, "texture_")}
    last, averaged = averages(of(variables, "vq_"))
    (written,) = convert_dsi(
        write_bundle(tmp_path / "a.ckpt", {**both, **last, **averaged}), tmp_path / "ours", config=CONFIG
    )
    assert equal(load_weights(written).state, convert_variables(variables, CONFIG))
    name = "texture_generator/conv2d_0/W"
    write_bundle(tmp_path / "b.ckpt", {**variables, name + AVERAGE: variables[name]})
    assert f"unknown {name}{AVERAGE}" in refused(tmp_path / "b.ckpt", tmp_path / "theirs")


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_precisions_become_float32(tmp_path, variables, kind):
    stored = {name: value.astype(kind) for name, value in variables.items()}
    (written,) = convert_dsi(write_bundle(tmp_path / "a.ckpt", stored), tmp_path / "ours", config=CONFIG)
    rounded = {name: value.astype(np.float32) for name, value in stored.items()}
    assert equal(load_weights(written).state, convert_variables(rounded, CONFIG))


def test_a_converted_model_fills_holes(tmp_path, variables):
    convert_dsi(full(tmp_path, variables).parent, tmp_path / "ours", config=CONFIG, name="mine")
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[20:40, 20:50] = 255
    result = twofold.load(tmp_path / "ours").fill(photo, mask)
    assert result.model == "mine"
    assert np.array_equal(result.image[mask == 0], photo[mask == 0])
    assert not np.array_equal(result.image, photo)


def test_other_files_in_the_output_folder_stay(tmp_path, variables):
    checkpoint = full(tmp_path, variables)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "README.md").write_text("mine")
    for _ in range(2):
        convert_dsi(checkpoint, tmp_path / "ours", config=CONFIG)
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["README.md", "model.safetensors"]


# --- what is refused ---------------------------------------------------------------------------


def test_all_complaints_about_all_checkpoints_are_one_error(tmp_path, variables):
    bad = dict(variables)
    del bad["vq_decoder/conv2d_1/b"]
    bad["structure_pixelcnn/wndense_900/V"] = np.zeros((2, 2), np.float32)
    bad["texture_generator/conv2d_0/b"] = np.zeros(4, np.float32)
    bad["vq_encoder/conv2d_0/W"] = bad["vq_encoder/conv2d_0/W"] * np.float32(np.nan)
    bad["vq_encoder/conv2d_0/b"] = np.zeros(SHAPES["vq_encoder/conv2d_0/b"], np.int32)
    other = {"vq_encoder/conv2d_1/b": variables["vq_encoder/conv2d_1/b"] + 1}
    given = [write_bundle(tmp_path / "a.ckpt", bad), write_bundle(tmp_path / "b.ckpt", other)]
    message = refused(given, tmp_path / "ours")
    assert "6 problems" in message
    assert "a.ckpt has an unknown structure_pixelcnn/wndense_900/V" in message
    assert "a.ckpt has texture_generator/conv2d_0/b as (4,) instead of (3,)" in message
    assert "a.ckpt has values in vq_encoder/conv2d_0/W that are not finite" in message
    assert "a.ckpt has vq_encoder/conv2d_0/b as int32" in message
    assert "b.ckpt and a.ckpt hold different values of vq_encoder/conv2d_1/b" in message
    assert "vq_decoder/conv2d_1/b is missing" in message
    assert "\n" not in message


def test_many_complaints_are_counted_and_the_first_are_shown(tmp_path, variables):
    renamed = {f"model/{name}": value for name, value in variables.items()}
    message = refused(write_bundle(tmp_path / "a.ckpt", renamed), tmp_path / "ours")
    assert f"{len(SHAPES) + 1} problems: there is no VQ-VAE" in message
    assert message.count("unknown") == 5
    assert f"and {len(SHAPES) - 5} more" in message


def test_other_sizes_are_refused_with_the_sizes_seen(tmp_path, variables):
    message = refused_at_full_size(full(tmp_path, variables), tmp_path / "ours")
    assert "structure_condition/wnconv2d_0/V as (5, 5, 5, 3) instead of (5, 5, 5, 32)" in message
    assert "of the official code at its own sizes" in message


def refused_at_full_size(checkpoint: Path, out: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        convert_dsi(checkpoint, out)
    assert not out.exists()
    return str(caught.value)


@pytest.mark.parametrize("scopes", [("structure_", "texture_"), ("structure_",), ()])
def test_a_vqvae_is_always_needed(tmp_path, variables, scopes):
    checkpoint = write_bundle(tmp_path / "a.ckpt", of(variables, *scopes) if scopes else slots(variables))
    assert "1 problem: there is no VQ-VAE" in refused(checkpoint, tmp_path / "ours")


@pytest.mark.parametrize(
    "name",
    ["vq_decoder/deconv2d_1/W", "structure_pixelcnn/wndense_7/g", "texture_discriminator/snconv2d_1/u"],
)
def test_half_a_part_is_refused(tmp_path, variables, name):
    rest = {key: value for key, value in variables.items() if key != name}
    assert f"1 problem: {name} is missing" in refused(
        write_bundle(tmp_path / "a.ckpt", rest), tmp_path / "ours"
    )


def test_averages_of_half_a_part_are_refused(tmp_path, variables):
    (checkpoint,) = staged(tmp_path, variables, "structure")
    name = "structure_condition/wnconv2d_3/V"
    rest = {key: value for key, value in stages(variables)["structure"].items() if key != name + AVERAGE}
    write_bundle(checkpoint, rest)
    message = refused(checkpoint, tmp_path / "ours")
    assert f"1 problem: structure.ckpt lacks {name}{AVERAGE}" in message


def test_stages_of_different_trainings_are_refused(tmp_path, variables):
    given = staged(tmp_path, variables, "structure", "texture")
    other = {**stages(seeded(2))["vqvae"]}
    message = refused([*given, write_bundle(tmp_path / "v.ckpt", other)], tmp_path / "ours")
    vqvae = len(of(SHAPES, "vq_"))
    assert f"{vqvae} problems" in message
    assert "v.ckpt and structure.ckpt hold different values of vq_" in message


def test_values_that_float32_cannot_hold_are_refused(tmp_path, variables):
    name = "vq_decoder/conv2d_0/b"
    stored = {**variables, name: np.full(SHAPES[name], 1e300)}
    message = refused(write_bundle(tmp_path / "a.ckpt", stored), tmp_path / "ours")
    assert f"values in {name} that are not finite" in message


def test_a_damaged_tensor_is_named_among_the_complaints(tmp_path, variables):
    rest = {key: value for key, value in variables.items() if key != "vq_decoder/conv2d_0/b"}
    checkpoint = write_bundle(tmp_path / "a.ckpt", rest)
    data = Path(f"{checkpoint}.data-00000-of-00001")
    data.write_bytes(b"\x55" + data.read_bytes()[1:])
    first = min(rest)
    message = refused(checkpoint, tmp_path / "ours")
    assert "2 problems" in message
    assert f"the checksum of {first} is wrong" in message
    assert "vq_decoder/conv2d_0/b is missing" in message
    data.unlink()
    assert f"{len(rest) + 1} problems" in refused(checkpoint, tmp_path / "ours")


@given(data=st.data())
@settings(max_examples=60)
def test_damage_anywhere_is_refused_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "damage"
    if not folder.exists():
        full(folder, seeded(1))
    prefix = folder / "full" / "model.ckpt"
    file = Path(f"{prefix}{data.draw(st.sampled_from(['.index', '.data-00000-of-00001']))}")
    whole = file.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    try:
        if data.draw(st.booleans()):
            file.write_bytes(whole[:position])
        else:
            flip = data.draw(st.integers(1, 255))
            file.write_bytes(whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :])
        try:
            (written,) = convert_dsi(prefix, folder / "ours", config=CONFIG)
        except CheckpointError as error:
            assert "model.ckpt" in str(error)  # noqa: PT017 - harmless damage is right, too
        else:
            assert equal(load_weights(written).state, convert_variables(seeded(1), CONFIG))
    finally:
        file.write_bytes(whole)


def test_an_earlier_conversion_survives_a_failed_one(tmp_path, variables):
    checkpoint = full(tmp_path, variables)
    (written,) = convert_dsi(checkpoint, tmp_path / "ours", config=CONFIG)
    before = written.read_bytes()
    Path(f"{checkpoint}.data-00000-of-00001").write_bytes(b"")
    refused(checkpoint, tmp_path / "ours")
    assert written.read_bytes() == before


def test_a_disk_that_fails_while_writing_leaves_nothing(tmp_path, variables, monkeypatch):
    checkpoint = full(tmp_path, variables)

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("twofold.checkpoints.format.save_file", fail)
    assert "no space left" in refused(checkpoint, tmp_path / "ours")


def test_places_that_cannot_be_are_refused(tmp_path, variables):
    checkpoint = full(tmp_path, variables)
    assert "there is no" in refused(tmp_path / "nowhere", tmp_path / "ours")
    assert "no checkpoint is given" in refused([], tmp_path / "ours")
    (tmp_path / "file").write_text("mine")
    assert "cannot make a folder" in refused(checkpoint, tmp_path / "file")
    with pytest.raises(CheckpointError, match="in a folder that exists"):
        convert_dsi(checkpoint, tmp_path / "no" / "such", config=CONFIG)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("count", [1, 2])
def test_the_command_names_what_is_wrong_in_one_line(tmp_path, capsys, variables, count):
    given = staged(tmp_path, variables, *("structure", "texture")[:count])  # tiny; it expects the full size
    assert main(["convert", "dsi", *map(str, given), str(tmp_path / "ours")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "structure.ckpt has" in captured.err
    assert not (tmp_path / "ours").exists()


# --- the reference: what the authors' networks computed ----------------------------------------

SHARED = Path(os.environ.get("TWOFOLD_SHARED", Path(__file__).parents[2].parent / "shared"))
FIXTURES = SHARED / "fixtures"
needs_reference = pytest.mark.skipif(
    not (FIXTURES / "dsi_reference_seed1.npz").is_file(), reason="the reference arrays are not here"
)


@pytest.fixture(scope="module")
def reference() -> Variables:
    with np.load(FIXTURES / "dsi_reference_seed1.npz") as arrays:
        return dict(arrays)


@needs_reference
def test_names_and_shapes_are_those_of_the_official_checkpoint():
    listed = {}
    for line in (FIXTURES / "dsi_variables.txt").read_text().splitlines():
        name, rest = line.split(" ", 1)
        listed[name] = tuple(ast.literal_eval(rest[: rest.rindex("]") + 1]))
    statistics = codebook_statistics(paper("official"), debias=False)
    assert listed == official_shapes(paper("official")) | {n: v.shape for n, v in statistics.items()}


@needs_reference
def test_full_size_answers_are_those_of_the_official_networks(tmp_path, reference, capsys):
    sys.path.insert(0, str(FIXTURES))
    try:
        from dsi_weights import weights
    finally:
        sys.path.remove(str(FIXTURES))
    checkpoint = write_bundle(tmp_path / "model.ckpt", weights(reference))
    assert main(["convert", "dsi", f"{checkpoint}.index", str(tmp_path / "ours")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'ours' / 'model.safetensors'}\n"
    network = build_network(load_weights(tmp_path / "ours" / "model.safetensors"))
    assert isinstance(network, Dsi)
    # 300 MB each, and pytest keeps the folders of several runs.
    Path(f"{checkpoint}.data-00000-of-00001").unlink()
    (tmp_path / "ours" / "model.safetensors").unlink()

    image = (reference["image_u8"] / 127.5 - 1).astype(np.float32)
    mask = reference["mask_center"].astype(np.float32)
    index = reference["idx_fixed"].astype(np.int64)
    seen = our_answers(network, image, mask, index)
    for level in "tb":
        # A code may differ only where two were so near that rounding decides.
        different = seen[f"vq_idx_{level}"] != reference[f"vq_idx_{level}"]
        assert not (different & (reference[f"vq_margin_{level}"] > 1e-4)).any()
    seen |= {f"{name}_center": seen[name] for name in ("cond", "logits", "gen", "dis")}
    assert network.texture is not None
    with torch.inference_mode():
        hole = channels_first(reference["mask_free"].astype(np.float32))
        vectors = network.vqvae.structure_codebook.look_up(torch.from_numpy(index))
        seen["gen_free"] = network.texture(channels_first(image), hole, vectors).permute(0, 2, 3, 1).numpy()
    names = ("vq_dec", "vq_dec_structure_only", "logits_center", "gen_center", "gen_free", "dis_center")
    for name in names:
        expected = reference[name]
        reach = float(expected.max() - expected.min())
        np.testing.assert_allclose(seen[name], expected, rtol=0, atol=1e-4 * reach, err_msg=name)
    kept = reference["cond_center"].astype(np.float32)  # in float16
    np.testing.assert_allclose(seen["cond_center"], kept, rtol=2**-10, atol=1e-3)
