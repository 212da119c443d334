"""The synthetic stand-in for CMU-MOSEI: its form, and how much each modality says about the sentiment."""

import numpy as np
import pytest
import torch

from anysense.representations.data.offline.sentiment import load_mosei_offline
from anysense.representations.data.readers.sentiment import SENTIMENT_MODALITIES


@pytest.fixture(scope="module")
def splits():
    return load_mosei_offline(1_600, 20, 800)


def means(samples, names):
    """Mean of each feature over the steps that are not padding."""
    parts = []
    for name in names:
        value = samples.values[name].double()
        spoken = (value != 0).any(dim=2, keepdim=True)
        parts.append((value.sum(dim=1) / spoken.sum(dim=1)).numpy())
    return np.concatenate(parts, axis=1)


def ridge_correlation(splits, *names, strength=300.0):
    """Correlation with the test labels of a ridge regression, in closed form."""
    known, new = means(splits.train, names), means(splits.test, names)
    center, scale = known.mean(axis=0), known.std(axis=0)
    known, new = (known - center) / scale, (new - center) / scale
    labels = splits.train.targets.double().numpy()
    weights = np.linalg.solve(known.T @ known + strength * np.eye(known.shape[1]), known.T @ (labels - labels.mean()))
    return np.corrcoef(new @ weights, splits.test.targets)[0, 1]


def test_form_is_that_of_the_real_set(splits):
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1_600, 20, 800)
    for samples in (splits.train, splits.validation, splits.test):
        assert samples.modalities == SENTIMENT_MODALITIES("mosei")
        assert samples.targets.dtype == torch.float32
        assert samples.targets.shape == (len(samples),)
        for value in samples.values.values():
            assert value.dtype == torch.float32
            assert value.abs().max() <= 10.0


def test_details_say_that_it_is_synthetic(splits):
    assert splits.test.details == {
        "data": "mosei-offline",
        "part": "test",
        "edition": "1600/20/800",
        "seed": 0,
        "synthetic": True,
    }


def test_sequences_end_at_the_last_step_and_are_padded_before(splits):
    spoken = [(value != 0).any(dim=2) for value in splits.train.values.values()]
    assert all(bool((other == spoken[0]).all()) for other in spoken)
    lengths = spoken[0].sum(dim=1)
    assert bool((spoken[0] == (torch.arange(50) >= 50 - lengths[:, None])).all())
    assert lengths.min() >= 5
    assert 15 < lengths.float().mean() < 28
    assert lengths.max() == 50
    for value in splits.train.values.values():  # channel 0 of a step that is not padding is never exactly zero
        assert bool((value[..., 0][spoken[0]] != 0).all())


def test_labels_are_thirds_around_mildly_positive(splits):
    labels = splits.train.targets
    assert labels.abs().max() <= 3
    torch.testing.assert_close(labels * 3, (labels * 3).round(), atol=1e-5, rtol=0)
    counts = torch.bincount(labels.round().long() + 3, minlength=7)
    assert int(counts.argmax()) == 3
    assert int(counts.min()) > 0
    assert counts[4] > counts[2]
    assert 0.1 < labels.mean() < 0.4
    assert 0.9 < labels.std() < 1.3


def test_text_says_most_and_all_together_more(splits):
    text, audio, vision = (ridge_correlation(splits, name) for name in ("text", "audio", "vision"))
    assert 0.55 < text < 0.72
    assert 0.22 < audio < 0.42
    assert 0.22 < vision < 0.42
    assert ridge_correlation(splits, "audio", "vision") > max(audio, vision) + 0.03
    assert ridge_correlation(splits, "text", "audio", "vision", strength=600.0) > text


def test_neighbouring_steps_are_alike_and_features_differ_in_scale(splits):
    audio = splits.train.values["audio"]
    late = audio[(audio[:, 20:] != 0).all(dim=2).all(dim=1)][:, 20:]
    late = late - late.mean(dim=(0, 1))
    neighbours = (late[:, 1:] * late[:, :-1]).mean() / late.square().mean()
    apart = (late[:, 15:] * late[:, :-15]).mean() / late.square().mean()
    assert neighbours > apart + 0.1
    spread = late.flatten(0, 1).std(dim=0)
    assert spread.max() > 5 * spread.min()


def test_the_same_numbers_give_the_same_samples_and_fewer_are_the_first(splits):
    fewer = load_mosei_offline(300, 3, 10)
    for name, value in fewer.train.values.items():
        assert torch.equal(value, splits.train.values[name][:300])
    assert torch.equal(fewer.test.targets, splits.test.targets[:10])
    other = load_mosei_offline(300, 3, 10, seed=1)
    assert not torch.equal(other.train.targets, fewer.train.targets)
    assert not torch.equal(fewer.train.targets[:3], fewer.validation.targets)


def test_progress_counts_all_splits():
    seen = []
    load_mosei_offline(300, 2, 5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(256, 307), (300, 307), (302, 307), (307, 307)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"train": 0}, "`train` must be a whole number from 1 to 2147483647, got 0"),
        ({"validation": 1.5}, "`validation` must be a whole number .*got 1.5"),
        ({"test": 10**30}, "`test` must be a whole number"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0, got -1"),
        ({"seed": []}, "`seed` must be a whole number"),
    ],
)
def test_impossible_numbers_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        load_mosei_offline(**options)
