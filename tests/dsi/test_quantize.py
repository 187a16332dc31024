import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.dsi.quantize import Codebook, CodebookAverage, CodeUse, code_use


def codebook(vectors):
    vectors = torch.tensor(vectors, dtype=torch.float32)
    made = Codebook(*vectors.shape)
    made.vectors.copy_(vectors)
    return made


@given(seed=st.integers(0, 2**32 - 1), codes=st.integers(1, 9), size=st.integers(1, 5))
@settings(max_examples=30)
def test_the_nearest_code_is_chosen(seed, codes, size):
    generator = torch.Generator().manual_seed(seed)
    book = Codebook(codes, size)
    book.vectors.copy_(torch.randn(codes, size, generator=generator))
    features = torch.randn(2, size, 3, 4, generator=generator)
    quantized = book(features)
    for b, y, x in np.ndindex(2, 3, 4):
        distances = [float(((features[b, :, y, x] - vector) ** 2).sum()) for vector in book.vectors]
        chosen = int(quantized.codes[b, y, x])
        assert distances[chosen] <= min(distances) + 1e-5
        assert torch.equal(quantized.vectors[b, :, y, x], book.vectors[chosen])


def test_the_first_of_equal_codes_is_chosen():
    book = codebook([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert book(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)).codes.item() == 1


def test_distances_are_exact_to_float32_inside_autocast():
    book, features = Codebook(8, 4), torch.randn(1, 4, 5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = book.distances(features)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, book.distances(features), rtol=0, atol=0)


def test_gradients_pass_straight_through():
    features = torch.randn(1, 4, 2, 2, requires_grad=True)
    weight = torch.randn(1, 4, 2, 2)
    quantized = Codebook(3, 4)(features)
    torch.testing.assert_close(quantized.straight_through, quantized.vectors)
    (quantized.straight_through * weight).sum().backward()
    assert torch.equal(features.grad, weight)


def test_use_counts_codes_and_adds_their_features():
    book = codebook([[0.0], [10.0], [20.0]])
    features = torch.tensor([1.0, 9.0, 11.0, 2.0]).view(1, 1, 2, 2)
    use = code_use(book(features), 3)
    assert use.counts.tolist() == [2, 2, 0]
    assert use.sums[:, 0].tolist() == [3, 20, 0]


@pytest.mark.parametrize(("counts", "perplexity"), [([4, 4, 4, 4], 4), ([7, 0, 0, 0], 1), ([3, 3, 0, 0], 2)])
def test_perplexity_is_the_number_of_codes_in_even_use(counts, perplexity):
    use = CodeUse(torch.tensor(counts, dtype=torch.float32), torch.zeros(4, 2))
    assert float(use.perplexity) == pytest.approx(perplexity, rel=1e-6)


def tensorflow_average(batches, decay):
    """What TensorFlow's ``assign_moving_average`` with zero-debias gives, one value at a time."""
    biased = 0.0
    for step, value in enumerate(batches, start=1):
        biased -= (biased - value) * (1 - decay)
        result = biased / (1 - decay**step)
    return result


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 6))
@settings(max_examples=20)
def test_vectors_are_the_zero_debiased_averages_of_the_official_code(seed, steps):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 9, (steps, 5)).astype(np.float64)
    counts[:, 0] += 1
    sums = rng.normal(size=(steps, 5, 3)) * (counts[..., None] > 0)
    average = CodebookAverage(5, 3, decay=0.99)
    for one_counts, one_sums in zip(counts, sums, strict=True):
        vectors = average.update(
            CodeUse(
                torch.tensor(one_counts, dtype=torch.float32), torch.tensor(one_sums, dtype=torch.float32)
            )
        )
    sizes = np.array([tensorflow_average(counts[:, k], 0.99) for k in range(5)])
    smoothed = (sizes + 1e-5) / (sizes.sum() + 5e-5) * sizes.sum()
    for k in range(5):
        expected = [tensorflow_average(sums[:, k, d], 0.99) / smoothed[k] for d in range(3)]
        np.testing.assert_allclose(vectors[k].numpy(), expected, rtol=2e-3, atol=1e-4)


def test_after_one_step_vectors_are_means_and_unused_codes_are_zero():
    average = CodebookAverage(3, 2)
    use = CodeUse(torch.tensor([4.0, 1.0, 0.0]), torch.tensor([[8.0, 4.0], [3.0, 3.0], [0.0, 0.0]]))
    vectors = average.update(use)
    torch.testing.assert_close(vectors, torch.tensor([[2.0, 1.0], [3.0, 3.0], [0.0, 0.0]]), rtol=1e-4, atol=0)


def test_dead_codes_are_restarted_as_features_and_others_stay():
    average = CodebookAverage(3, 2)
    before = average.update(CodeUse(torch.tensor([4.0, 0.0, 9.0]), torch.ones(3, 2)))
    features = torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    vectors, restarted = average.restart(features, 0.5, torch.Generator().manual_seed(0))
    assert restarted == 1
    torch.testing.assert_close(vectors[[0, 2]], before[[0, 2]], rtol=1e-4, atol=0)
    distance = (vectors[1] - features).norm(dim=1).min()
    assert float(distance) < 1e-3
    assert average.restart(features, 0.5, torch.Generator().manual_seed(0))[1] == 0


def test_a_learnt_codebook_goes_on_where_it_was():
    learnt = torch.randn(4, 3)
    average = CodebookAverage(4, 3)
    average.begin_with(learnt, count=2.0)
    torch.testing.assert_close(average.vectors(), learnt, rtol=1e-4, atol=1e-5)
    moved = average.update(CodeUse(torch.full((4,), 2.0), 2 * learnt))
    torch.testing.assert_close(moved, learnt, rtol=1e-4, atol=1e-5)
