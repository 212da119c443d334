"""Samples in memory: reading, selecting, splitting, and what is refused."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anysense.representations.data import Samples, Splits
from anysense.representations.data.recorded import checked_indices, present_of
from anysense.representations.modality import Modality

EYE = Modality("eye", (1, 2, 2), "uint8")
TOUCH = Modality("touch", (3,), "float32")
MODALITIES = {"eye": EYE, "touch": TOUCH}


def samples_of(count: int = 8, **changes: object) -> Samples:
    """Row n holds n in every entry; `touch` is absent in every third row, the label is n % 4."""
    number = torch.arange(count)
    values = {
        "eye": number.to(torch.uint8).view(-1, 1, 1, 1).expand(count, 1, 2, 2).contiguous(),
        "touch": number.float()[:, None].expand(count, 3).contiguous(),
    }
    whole = {"values": values, "targets": number % 4, "masks": {"touch": number % 3 > 0}, "details": {"origin": "test"}}
    return Samples(MODALITIES, **(whole | changes))


def rows_of(samples: Samples) -> list[int]:
    """Which rows of the original these are."""
    return samples.values["eye"][:, 0, 0, 0].tolist()


# Reading


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, torch.tensor, lambda rows: torch.tensor(rows, dtype=torch.uint8)]
)
def test_reading_gives_the_rows_in_the_order_asked_for(kind) -> None:
    samples, rows = samples_of(), kind([5, 0, 5])
    observation = samples.observation(rows)
    assert {name: (value.dtype, tuple(value.shape)) for name, value in observation.items()} == {
        "eye": (torch.uint8, (3, 1, 2, 2)),
        "touch": (torch.float32, (3, 3)),
    }
    assert observation["touch"][:, 1].tolist() == [5.0, 0.0, 5.0]
    assert samples.target(rows).tolist() == [1, 0, 1]
    assert samples.present(rows).tolist() == [[True, True, True], [True, False, True]]
    assert samples.probe_targets(rows) is None
    assert list(samples.observation(rows, ["touch"])) == ["touch"]
    assert samples.modalities_recorded() == ("eye", "touch")
    assert len(samples) == 8


def test_presence_of_named_modalities() -> None:
    samples, rows = samples_of(), [5, 0, 5]
    assert present_of(samples, rows, ["touch", "eye"]).tolist() == [[True, False, True], [True, True, True]]
    assert present_of(samples, rows, ["smell", "eye"]).tolist() == [[False] * 3, [True] * 3]
    assert present_of(samples_of(masks={}), rows, ["smell", "eye"]) is None


def test_complete_samples_without_targets_have_neither() -> None:
    samples = samples_of(targets=None, masks={})
    assert samples.present([0]) is None
    assert samples.target([0]) is None
    assert samples.select([1]).present([0]) is None
    assert samples.select([1]).targets is None


def test_selection_is_a_copy_with_everything() -> None:
    samples = samples_of()
    part = samples.select([7, 2])
    assert rows_of(part) == [7, 2]
    assert part.targets.tolist() == [3, 2]
    assert part.masks["touch"].tolist() == [True, True]
    assert part.details == {"origin": "test"}
    part.values["touch"].zero_()
    part.targets.zero_()
    assert samples.values["touch"][7].tolist() == [7.0] * 3
    assert samples.targets[7] == 3


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.floats(0.001, 0.999), st.integers(0, 2**31))
def test_split_parts_the_samples(count: int, fraction: float, seed: int) -> None:
    samples = samples_of(count)
    train, validation = samples.split(fraction, seed)
    assert sorted(rows_of(train) + rows_of(validation)) == list(range(count))
    assert len(validation) == min(max(round(fraction * count), 1), count - 1)
    for part in (train, validation):
        rows = torch.tensor(rows_of(part))
        assert torch.equal(part.targets, rows % 4)
        assert torch.equal(part.masks["touch"], rows % 3 > 0)
    again = samples.split(fraction, seed)
    assert [rows_of(part) for part in again] == [rows_of(train), rows_of(validation)]


def test_split_depends_on_the_seed_and_draws_evenly() -> None:
    samples = samples_of(10)
    held_out = np.zeros(10)
    for seed in range(400):
        held_out[rows_of(samples.split(0.3, seed)[1])] += 1
    assert held_out.sum() == 1200
    assert np.abs(held_out - 120).max() < 5 * math.sqrt(400 * 0.3 * 0.7)


def test_splits_hold_three_parts() -> None:
    parts = [samples_of(4).select([row]) for row in range(3)]
    splits = Splits(*parts)
    assert [splits.train, splits.validation, splits.test] == parts


# Fingerprint


def test_fingerprint_depends_on_content_alone() -> None:
    assert samples_of().fingerprint() == samples_of(details={}).fingerprint()
    assert samples_of().fingerprint().startswith("8 samples, checksum ")


@pytest.mark.parametrize(
    "change",
    [
        lambda samples: samples.select([0, 1, 2, 3, 4, 5, 7, 6]),
        lambda samples: samples.select(range(7)),
        lambda samples: dataclasses.replace(samples, targets=samples.targets.flip(0)),
        lambda samples: dataclasses.replace(samples, targets=None),
        lambda samples: dataclasses.replace(samples, masks={}),
        lambda samples: dataclasses.replace(samples, masks={"touch": samples.masks["touch"].roll(1)}),
        lambda samples: dataclasses.replace(samples, masks={"eye": samples.masks["touch"]}),
        lambda samples: dataclasses.replace(
            samples, values={**samples.values, "touch": samples.values["touch"] + 1e-6}
        ),
    ],
)
def test_fingerprint_changes_with_the_content(change) -> None:
    assert change(samples_of()).fingerprint() != samples_of().fingerprint()


def test_fingerprint_of_many_samples_reads_some_values_and_all_targets() -> None:
    count = 5000
    base = {"values": {"touch": torch.arange(count).float()[:, None]}, "targets": torch.zeros(count)}
    samples = Samples({"touch": Modality("touch", (1,), "float32")}, **base)
    changed = base["targets"].clone()
    changed[4321] = 1.0
    assert dataclasses.replace(samples, targets=changed).fingerprint() != samples.fingerprint()
    shifted = {"touch": base["values"]["touch"] + 1.0}
    assert dataclasses.replace(samples, values=shifted).fingerprint() != samples.fingerprint()


# What is taken and what is refused


def test_images_may_be_floats_and_absent_values_anything() -> None:
    touch = torch.zeros(3, 3)
    touch[1] = math.nan
    samples = Samples(
        MODALITIES,
        {"eye": torch.zeros(3, 1, 2, 2), "touch": touch},
        masks={"touch": torch.tensor([True, False, True])},
    )
    assert samples.observation([0])["eye"].dtype == torch.float32
    assert len(samples.select([1])) == 1


@pytest.mark.parametrize("row", [0, 1023, 1024, 2499])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_broken_values_are_found_wherever_they_are(row: int, value: float) -> None:
    touch = torch.zeros(2500, 1)
    touch[row] = value
    modalities = {"touch": Modality("touch", (1,), "float32")}
    message = rf"`values\['touch'\]` has NaN or infinity in 1 samples, the first at \[{row}\]\. Mark them as absent"
    with pytest.raises(ValueError, match=message):
        Samples(modalities, {"touch": touch})


EYES, TOUCHES = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, 3)
ALL, NONE = torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"touch": TOUCHES.tolist()}, TypeError, r"must be a numpy array or a torch.Tensor; got list"),
        ({"touch": TOUCHES.long()}, TypeError, r"must have dtype torch.float32; got torch.int64"),
        ({"touch": TOUCHES[:3]}, ValueError, r"must have shape \(N, \*\(3,\)\) with the same N >= 1 .*; got \(3, 3\)"),
        ({"touch": TOUCHES[:, :2]}, ValueError, r"must have shape \(N, \*\(3,\)\) .*; got \(4, 2\)"),
        ({"touch": TOUCHES[:0], "eye": EYES[:0]}, ValueError, r"must have shape .* N >= 1 .*; got \(0, 1, 2, 2\)"),
        ({"eye": EYES.int()}, TypeError, r"must have dtype torch.uint8 or torch.float32; got torch.int32"),
    ],
)
def test_values_that_do_not_fit(changes: dict[str, object], error: type[Exception], message: str) -> None:
    name = "eye" if "eye" in changes else "touch"
    with pytest.raises(error, match=rf"`values\['{name}'\]` {message}"):
        Samples(MODALITIES, {"eye": EYES, "touch": TOUCHES} | changes)


def test_values_of_other_modalities() -> None:
    with pytest.raises(
        ValueError, match=r"`values` must have exactly the modalities \['eye', 'touch'\]; got \['eye'\]"
    ):
        Samples(MODALITIES, {"eye": EYES})


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        ({"tuch": ALL}, ValueError, r"`masks` must be one of 'eye', 'touch'; got 'tuch'. Did you mean 'touch'"),
        ({"eye": ALL.tolist()}, TypeError, r"`masks\['eye'\]` must be a numpy array or a torch.Tensor; got list"),
        ({"eye": 2 * ALL.int()}, ValueError, r"`masks\['eye'\]` must hold booleans, or 0 and 1; got 2 in 4 places"),
        (
            {"eye": ALL / 0 - ALL / 0},
            ValueError,
            r"`masks\['eye'\]` must hold .*; got nan in 4 places",
        ),
        ({"eye": ALL[:3]}, ValueError, r"`masks\['eye'\]` must have shape \(4,\), one per sample; got \(3,\)"),
        ({"eye": NONE, "touch": NONE}, ValueError, r"`masks` leaves 4 samples without any modality; remove them"),
    ],
)
def test_masks_that_do_not_fit(masks: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Samples(MODALITIES, {"eye": EYES, "touch": TOUCHES}, masks=masks)


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ([0, 1, 2, 3], TypeError, r"must be a numpy array or a torch.Tensor; got list"),
        (torch.zeros(4).bool(), TypeError, r"must have dtype torch.int64 or torch.float32; got torch.bool"),
        (torch.zeros(3), ValueError, r"must have shape \(4,\), one entry per sample; got \(3,\)"),
        (torch.zeros(4, 1), ValueError, r"must have shape \(4,\), one entry per sample; got \(4, 1\)"),
        (torch.tensor([0.0, math.nan, 0.0, 0.0]), ValueError, r"must be finite; got NaN or infinity"),
    ],
)
def test_targets_that_do_not_fit(targets: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"`targets` {message}"):
        Samples(MODALITIES, {"eye": EYES, "touch": TOUCHES}, targets=targets)


def test_samples_need_a_modality() -> None:
    with pytest.raises(ValueError, match=r"`modalities` is empty; expected at least one modality"):
        Samples({}, {})


def test_unknown_modality_and_wrong_split() -> None:
    with pytest.raises(
        ValueError, match=r"`modalities` must be one of 'eye', 'touch'; got 'tuch'. Did you mean 'touch'"
    ):
        samples_of().observation([0], ["tuch"])
    for fraction in (0.0, 1.0, math.nan, None):
        with pytest.raises(ValueError, match=r"`validation_fraction` must lie in \(0, 1\), got"):
            samples_of().split(fraction, 0)
    with pytest.raises(ValueError, match=r"`split` needs at least 2 samples .*, got 1"):
        samples_of().select([0]).split(0.5, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([8], r"`indices` must lie between 0 and 7, got 8 to 8"),
        ([3, -1], r"`indices` must lie between 0 and 7, got -1 to 3"),
        (torch.ones(8, dtype=torch.bool), r"`indices` must be one row of integers, got torch.bool of shape \(8,\)"),
        ([0.0], r"`indices` must be one row of integers, got torch.float32"),
        ([[0, 1]], r"`indices` must be one row of integers, got torch.int64 of shape \(1, 2\)"),
        (3, r"`indices` must be one row of integers, got torch.int64 of shape \(\)"),
    ],
)
@pytest.mark.parametrize("read", [Samples.observation, Samples.present, Samples.target, Samples.select])
def test_wrong_indices(read, rows: object, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        read(samples_of(), rows)


def test_no_rows_at_all() -> None:
    assert checked_indices([], 3).shape == (0,)
    assert samples_of().observation([])["touch"].shape == (0, 3)
    with pytest.raises(ValueError, match=r"must have shape .* N >= 1"):
        samples_of().select([])


def test_indices_of_any_integer_type_become_int64() -> None:
    chosen: Tensor = checked_indices(np.array([2, 0], dtype=np.int16), 3)
    assert chosen.dtype == torch.int64
    assert chosen.tolist() == [2, 0]
