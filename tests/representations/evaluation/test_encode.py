"""Encoding of whole data sets with modalities missing."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anysense.representations.contract import Representation
from anysense.representations.data import Samples
from anysense.representations.evaluation.encode import draw_missing, encode_subsets, frozen, predict_subsets
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.registry import build, make_networks, make_settings
from tests.representations.evaluation.known import SIZE, TWO, Answer, Noisy, Sum, random_samples

BOTH = tuple(TWO)


def gmc(seed: int = 0) -> Representation:
    settings = make_settings("gmc", latent_dim=4, common_dim=4, head_widths=(4,))
    return build("gmc", TWO, settings, make_networks("gmc"), seed=seed)


# Which modalities go missing


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("m", [1, 2, 4])
def test_share_that_stays(rate: float, m: int) -> None:
    """Kept by itself, or spared as one of M when all M would go."""
    count = 20_000
    kept = draw_missing(m, count, rate, seed=3)
    expected = 1 - rate + rate**m / m
    deviation = math.sqrt(expected * (1 - expected) / count)
    assert kept.dtype == torch.bool
    assert tuple(kept.shape) == (m, count)
    for mask in kept:
        assert float(mask.float().mean()) == pytest.approx(expected, abs=5 * deviation + 1e-9)
    number = kept.sum(dim=0)
    assert int(number.min()) >= 1
    alone = sum(math.comb(m, k) * (1 - rate) ** k * rate ** (m - k) for k in (0, 1))
    assert float((number == 1).float().mean()) == pytest.approx(min(alone, 1.0), abs=5 * math.sqrt(0.25 / count))


def test_modalities_go_missing_independently() -> None:
    first, second, _ = draw_missing(3, 50_000, 0.4, seed=0)
    both = float((first & second).float().mean())
    assert both == pytest.approx(0.36, abs=5 * math.sqrt(0.36 * 0.64 / 50_000))


def test_drawing_is_repeatable_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, again, other = (draw_missing(2, 500, 0.5, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_more_goes_missing_from_the_same_samples_as_the_rate_grows() -> None:
    """Whoever keeps two modalities at a high rate also has them at a lower one."""
    low, high = (draw_missing(3, 2000, rate, 0) for rate in (0.3, 0.6))
    several = high.sum(dim=0) > 1
    assert bool(low[:, several].logical_or(~high[:, several]).all())


def test_wrong_rates_and_numbers() -> None:
    for rate in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"`rate` must lie in \[0, 1\], got"):
            draw_missing(1, 3, rate, 0)
    with pytest.raises(ValueError, match=r"`modalities` must be at least 1; got 0"):
        draw_missing(0, 3, 0.5, 0)


# Latents


def one_by_one(
    representation: Representation, samples: Samples, subset: Iterable[str], present: Tensor | None = None
) -> Tensor:
    """Each sample by itself with exactly the modalities that it has, that are given and that are wanted."""
    latents = []
    for row in range(len(samples)):
        kept = dict(zip(TWO, [True, True] if present is None else present[:, row].tolist(), strict=True))
        names = [name for name in subset if kept[name] and bool(samples.masks.get(name, ALWAYS)[row])]
        with torch.no_grad():
            latents.append(representation.encode({name: samples.values[name][row : row + 1] for name in names}))
    return torch.cat(latents)


ALWAYS = torch.ones(100, dtype=torch.bool)


@pytest.mark.parametrize("batch_size", [1, 4, 13, 512])
def test_latents_of_every_subset_equal_those_of_single_samples(batch_size: int) -> None:
    samples, representation = random_samples(13), gmc().eval()
    subsets = [BOTH, ("second", "first"), ("first",), ("second",)]
    found = encode_subsets(representation, samples, subsets, batch_size=batch_size)
    assert list(found) == subsets
    for subset, latents in found.items():
        torch.testing.assert_close(latents, one_by_one(representation, samples, subset))


@pytest.mark.parametrize("batch_size", [1, 4, 512])
def test_what_samples_lack_is_left_out(batch_size: int) -> None:
    samples, representation = random_samples(13, masked=True), gmc().eval()
    found = encode_subsets(representation, samples, [BOTH], batch_size=batch_size)[BOTH]
    torch.testing.assert_close(found, one_by_one(representation, samples, BOTH))


def test_data_are_read_once_for_all_subsets() -> None:
    samples, representation = random_samples(13), gmc().eval()
    reads: list[tuple[int, list[str]]] = []

    class Counted:
        def __len__(self) -> int:
            return len(samples)

        def __getattr__(self, name: str) -> object:
            return getattr(samples, name)

        def observation(self, indices: Tensor, modalities: list[str]) -> dict[str, Tensor]:
            reads.append((len(indices), list(modalities)))
            return samples.observation(indices, modalities)

    encode_subsets(representation, Counted(), [BOTH, ("first",), ("second",)], batch_size=5)
    assert reads == [(size, list(BOTH)) for size in (5, 5, 3)]


def test_chosen_samples_come_in_the_order_asked_for() -> None:
    samples, representation, rows = random_samples(13, masked=True), gmc().eval(), [7, 2, 2, 12]
    whole = encode_subsets(representation, samples, [BOTH])[BOTH]
    found = encode_subsets(representation, samples, [BOTH], indices=rows, batch_size=3)[BOTH]
    torch.testing.assert_close(found, whole[rows])


def test_masks_of_the_data_join_with_the_wanted_ones() -> None:
    samples, representation = random_samples(40, masked=True), gmc().eval()
    lost = samples.masks["first"] & ~samples.masks["second"]  # Nothing would be left of these without `first`.
    wanted = torch.stack([(torch.arange(40) % 2 == 0) | lost, torch.ones(40, dtype=torch.bool)])
    found = encode_subsets(representation, samples, [BOTH], wanted, batch_size=7)[BOTH]
    torch.testing.assert_close(found, one_by_one(representation, samples, BOTH, wanted))
    assert not torch.equal(found, encode_subsets(representation, samples, [BOTH], batch_size=7)[BOTH])
    whole = replace(samples, masks={})
    found = encode_subsets(representation, whole, [BOTH], wanted)[BOTH]
    torch.testing.assert_close(found, one_by_one(representation, whole, BOTH, wanted))


def test_a_mask_of_a_modality_that_is_not_given_does_not_matter() -> None:
    representation = gmc().eval()
    samples = replace(random_samples(20), masks={"second": torch.arange(20) > 9})
    found = encode_subsets(representation, samples, [("first",)])[("first",)]
    torch.testing.assert_close(found, one_by_one(representation, samples, ("first",)))


def test_latents_are_plain_and_the_mode_comes_back() -> None:
    for training in (True, False):
        representation = Noisy().train(training)
        latents = encode_subsets(representation, random_samples(5), [BOTH])[BOTH]
        assert (latents.dtype, latents.requires_grad, tuple(latents.shape)) == (torch.float32, False, (5, SIZE))
        assert representation.training is training
        assert representation.seen == {(False, False)}


def test_mode_comes_back_after_an_error() -> None:
    representation = Noisy()
    with pytest.raises(ZeroDivisionError), frozen(representation):
        1 / representation.training
    assert all(module.training for module in representation.modules())
    assert torch.is_grad_enabled()


def test_predictions_equal_those_of_single_samples() -> None:
    samples = random_samples(11, masked=True)
    expected = [
        sum(float(samples.values[name][row].sum()) for name in TWO if samples.masks[name][row]) for row in range(11)
    ]
    found = predict_subsets(Answer(), samples, [BOTH])[BOTH]
    assert (found.dtype, found.requires_grad) == (torch.float32, False)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    only = predict_subsets(Answer(), replace(samples, masks={}), [("second",)])[("second",)]
    assert only.tolist() == pytest.approx(samples.values["second"].sum(dim=1).tolist(), abs=1e-5)


ALL, NONE = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)


@pytest.mark.parametrize(
    ("subset", "arguments", "error", "message"),
    [
        (("frist",), {}, ValueError, r"`modalities` must be one of 'first', 'second'; got 'frist'. Did you mean"),
        ((), {}, ValueError, r"`observation` holds no data; expected at least one row of at least one of"),
        (
            BOTH,
            {"present": 2 * torch.stack([ALL, ALL])},
            ValueError,
            r"`present` must hold booleans, or 0 and 1; got 2",
        ),
        (BOTH, {"present": ALL[None]}, ValueError, r"`present` must have shape \(2, 6\), .*; got \(1, 6\)"),
        (BOTH, {"present": torch.stack([NONE, NONE])}, ValueError, r"`present` leaves every row without any modality"),
        (("first",), {"present": torch.stack([NONE, ALL])}, ValueError, r"`present` leaves every row without any"),
        (
            BOTH,
            {"present": torch.stack([NONE, torch.arange(6) > 0])},
            ValueError,
            r"`present` leaves rows \[0\] without",
        ),
        (BOTH, {"batch_size": 0}, ValueError, r"`batch_size` must be at least 1; got 0"),
        (BOTH, {"indices": [6]}, IndexError, r"`indices` must lie between 0 and 5, got 6 to 6"),
    ],
)
def test_what_cannot_be_encoded(subset, arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        encode_subsets(Sum(), random_samples(6), [subset], **arguments)


# Subsets


def test_subsets_come_from_large_to_small_in_the_given_order() -> None:
    assert every_subset(["b", "a", "c"]) == [
        ("b", "a", "c"),
        *[("b", "a"), ("b", "c"), ("a", "c")],
        *[("b",), ("a",), ("c",)],
    ]
    assert len(every_subset(list("abcdefg"))) == 2**7 - 1
    for names, message in ((["a", "a"], "'a' twice"), ([], "got none")):
        with pytest.raises(ValueError, match=message):
            every_subset(names)
    with pytest.raises(TypeError, match="must be a sequence of names, got the string"):
        every_subset("abc")
