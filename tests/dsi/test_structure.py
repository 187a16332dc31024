"""The structure generator: nothing sees what comes later, and it is the official network."""

from __future__ import annotations

import torch
from torch import Tensor

from dsi import official
from dsi.lively import CODE_SIZE, CODES, condition, generator, random
from twofold.dsi.config import StructureConfig
from twofold.dsi.structure import PixelCnn, StructureGenerator

HEIGHT, WIDTH = 4, 5


def reached(answer: Tensor, vectors: Tensor) -> Tensor:
    """Which positions [h w] of the input change an answer."""
    (gradient,) = torch.autograd.grad(answer, vectors, retain_graph=True)
    return gradient[0].abs().sum(dim=0) > 0


def test_logits_depend_on_all_earlier_positions_and_on_no_other():
    network = generator().pixelcnn.double()
    vectors = random(1, CODE_SIZE, HEIGHT, WIDTH).double().requires_grad_()
    logits = network(vectors, condition(HEIGHT, WIDTH).double())
    for position in range(HEIGHT * WIDTH):
        answer = (logits[0].flatten(1)[:, position] * torch.arange(1.0, CODES + 1)).sum()
        seen = reached(answer, vectors).flatten()
        assert seen[:position].all()
        assert not seen[position:].any()


def test_later_positions_may_hold_anything():
    network = generator().pixelcnn
    first, other = random(1, CODE_SIZE, HEIGHT, WIDTH), random(1, CODE_SIZE, HEIGHT, WIDTH, seed=1)
    features = condition(HEIGHT, WIDTH)
    for position in range(HEIGHT * WIDTH):
        later = (torch.arange(HEIGHT * WIDTH) >= position).view(HEIGHT, WIDTH)
        answers = [
            network(vectors, features).flatten(2)[..., : position + 1]
            for vectors in (first, torch.where(later, other, first), torch.where(later, 0.0, first))
        ]
        assert torch.equal(answers[0], answers[1])
        assert torch.equal(answers[0], answers[2])


def test_the_upper_stream_sees_rows_above_alone():
    network = generator().pixelcnn.double()
    vectors = random(1, CODE_SIZE, HEIGHT, WIDTH).double().requires_grad_()
    streams: list[Tensor] = []
    for layer in network.up_layers:
        layer.register_forward_hook(lambda module, inputs, output: streams.append(output))
    network(vectors, condition(HEIGHT, WIDTH).double())
    assert len(streams) == 4
    for stream in streams:
        for row in range(HEIGHT):
            seen = reached((stream[0, :, row, 2] * torch.arange(1.0, 7.0)).sum(), vectors)
            assert not seen[row:].any()
            assert row == 0 or seen[row - 1].any()


def test_the_condition_works_from_its_row_downwards():
    network = generator().pixelcnn
    vectors, features = random(1, CODE_SIZE, HEIGHT, WIDTH), condition(HEIGHT, WIDTH)
    other = features.clone()
    other[..., 2, 1] += 1
    changed = (network(vectors, features) != network(vectors, other))[0].any(dim=0)
    assert not changed[:2].any()
    assert changed[2, 1:].all()
    assert changed[3].all()


def test_the_generator_joins_its_two_networks():
    made = generator()
    image, hole = random(2, 3, 32, 40), torch.zeros(2, 1, 32, 40)
    hole[..., 8:16, 8:16] = 1
    vectors = random(2, CODE_SIZE, 4, 5)
    expected = made.pixelcnn(vectors, made.condition(image, hole))
    assert expected.shape == (2, CODES, 4, 5)
    assert torch.equal(made(vectors, image, hole), expected)


def test_it_trains_in_half_precision():
    made = generator().train()
    image, hole = random(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    codes = torch.randint(CODES, (2, 4, 4), generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = made(random(2, CODE_SIZE, 4, 4), image, hole)
    torch.nn.functional.cross_entropy(logits.float(), codes, reduction="sum").backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_dropout_strikes_in_training_alone():
    made = generator()
    vectors, features = random(1, CODE_SIZE, 4, 4), condition(4, 4)
    assert torch.equal(made.pixelcnn(vectors, features), made.pixelcnn(vectors, features))
    made.train()
    assert not torch.equal(made.pixelcnn(vectors, features), made.pixelcnn(vectors, features))


def test_the_full_size_is_the_official_one():
    with torch.device("meta"):
        network = PixelCnn(StructureConfig(), 64, 512)
    assert sum(parameter.numel() for parameter in network.parameters()) == 26_769_536


def official_names() -> dict[str, str]:
    """Official layer -> ours, in the order in which the official code creates layers."""
    names = {}
    sizes = ("full", "half", "quarter")
    order = [n for s in sizes for n in (f"to_{s}", f"block_{s}.first", f"block_{s}.second")] + ["to_eighth"]
    order += [f"blocks_eighth.{block}.{conv}" for block in range(10) for conv in ("first", "second")]
    names |= {f"structure_condition/wnconv2d_{i}": f"condition.{name}" for i, name in enumerate(order)}
    convs, dense = ["up_in", "left_in_above", "left_in_beside"], []
    for layer in range(20):
        up, left = f"up_layers.{layer}", f"left_layers.{layer}"
        convs += [f"{stream}.{conv}" for stream in (up, left) for conv in ("first", "second")]
        dense += [f"{up}.from_condition", f"{left}.from_extra", f"{left}.from_condition"]
        if layer % 5 == 4:
            heads = [
                f"{left}.attention.{kind}#{head}" for head in range(8) for kind in ("query", "key", "value")
            ]
            dense += [*heads, f"{left}.attention.output"]
    dense += [*(f"out_layers.{layer}.mix" for layer in range(20)), "to_logits"]
    names |= {f"structure_pixelcnn/wnconv2d_{i}": f"pixelcnn.{name}" for i, name in enumerate(convs)}
    return names | {f"structure_pixelcnn/wndense_{i}": f"pixelcnn.{name}" for i, name in enumerate(dense)}


def official_generator() -> StructureGenerator:
    names, parts = official_names(), {}
    for prefix in ("structure_condition", "structure_pixelcnn"):
        for name, value in official.variables(prefix).items():
            layer, leaf = name.split("/")
            ours, _, head = names[f"{prefix}/{layer}"].partition("#")
            value = value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T if value.ndim == 2 else value
            parts.setdefault(f"{ours}.{leaf.lower()}", {})[int(head or 0)] = value
    made = StructureGenerator(StructureConfig(), 64, 512).eval()
    made.load_state_dict(
        {name: torch.cat([heads[i] for i in sorted(heads)]) for name, heads in parts.items()}
    )
    return made


@official.needs_reference
def test_the_official_networks_say_the_same():
    made = official_generator()
    with torch.inference_mode():
        ours_condition = made.condition(official.picture(), official.hole("center"))
        ours_logits = made.pixelcnn(official.fixed_structure(), ours_condition)
    theirs_condition = official.nchw(official.reference()["cond_center"])  # in float16
    torch.testing.assert_close(ours_condition, theirs_condition, rtol=2**-10, atol=1e-3)
    theirs_logits = official.nchw(official.reference()["logits_center"])
    reach = float(theirs_logits.max() - theirs_logits.min())
    torch.testing.assert_close(ours_logits, theirs_logits, rtol=0, atol=1e-5 * reach)
