"""Sequences of different lengths: each is treated as if it stood alone, whatever its padding holds."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from anysense.representations import METHODS, Modality, Representation, build, make_settings
from anysense.representations.data import Samples
from anysense.representations.data.bounds import with_bounds
from anysense.representations.evaluation.encode import encode_subsets, predict_subsets
from anysense.representations.lengths import with_padding
from anysense.representations.maths.reconstruction import laplace_error
from anysense.representations.networks.catalogue import NETWORKS, PerModality, networks
from anysense.representations.networks.mult import MulT
from anysense.representations.networks.padding import convolved
from anysense.representations.networks.sentiment import GRUTrunk
from anysense.representations.training import PretrainSettings, measure, pretrain
from tests.oracles.mult import PlainMulT, shared_parameters
from tests.representations.conftest import FlatTrunk
from tests.representations.models import preset_model

ROWS, ABSENT = 6, 3
WALK = Modality("walk", (7, 3), "float32", -3.0, 3.0)
TURNED = Modality("turned", (3, 7), "float32", -3.0, 3.0, "sequence:ft")
LONG = Modality("long", (600, 15), "float32", -3.0, 3.0)
VOICE = Modality("voice", (300,), "uint8")
MEL = Modality("mel", (2, 150, 5), "float32", -3.0, 3.0, "spectrogram:ctf")
TEXT, AUDIO = Modality("text", (7, 4), "float32"), Modality("audio", (7, 3), "float32")
TIMES = {"walk": 1, "turned": 2, "long": 1, "voice": 1, "mel": 2, "text": 1, "audio": 1}
"""Axis of time in a batch."""

GENERIC = {it.name: it for it in (WALK, VOICE, replace(MEL, shape=(2, 20, 5)))}
SENTIMENT = {it.name: it for it in (TEXT, AUDIO)}
UNSUPERVISED = [
    name for name in METHODS.names() if METHODS.get(name).uses_networks and not METHODS.get(name).needs_target
]
SUPERVISED = [name for name in METHODS.names() if METHODS.get(name).needs_target]


def model(method: str) -> Representation:
    supervised = method in SUPERVISED
    return preset_model(
        method, SENTIMENT if supervised else GENERIC, "smoke", "mosi" if supervised else "generic", seed=1
    )


def lengths_for(modality: Modality, seed: int = 0, least: int = 1) -> Tensor:
    """The first row is whole, the second has one step."""
    steps = modality.shape[TIMES[modality.name] - 1]
    found = torch.randint(least, steps + 1, (ROWS,), generator=torch.Generator().manual_seed(seed))
    found[:2] = torch.tensor([steps, 1])
    return found


def batch_of(modality: Modality, padding: float = 0.0, lengths: Tensor | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(len(modality.name))
    if modality.dtype == "uint8":
        value = torch.randint(0, 256, (ROWS, *modality.shape), generator=generator, dtype=torch.uint8)
        padding = 255 if padding != 0.0 else 0
    else:
        value = torch.rand(ROWS, *modality.shape, generator=generator) * 5 - 2.5
    for row, own in enumerate([] if lengths is None else lengths.tolist()):
        axis = TIMES[modality.name]
        value[row].narrow(axis - 1, own, modality.shape[axis - 1] - own).fill_(padding)
    return value


def outcome(representation: Representation, padding: float, lengths: Mapping[str, Tensor] | None) -> list[Tensor]:
    """Latents of everything and of each modality, losses, gradients of weights."""
    of = representation.modalities
    padded = {name: lengths_for(it) for name, it in of.items()}
    observation = {name: batch_of(it, padding, padded[name]) for name, it in of.items()}
    present = {next(iter(of)): torch.arange(ROWS) != ABSENT}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        found = representation.train().loss(observation, present, torch.linspace(-1, 1, ROWS), lengths)
    found["total"].backward()
    representation.eval()
    with torch.no_grad():
        latents = [representation.encode(observation, present, lengths=lengths)]
        latents += [representation.encode({name: value}, lengths=padded) for name, value in observation.items()]
        if representation.needs_target:
            latents.append(representation.predict(observation, present, lengths=lengths))
    gradients = [parameter.grad for parameter in representation.parameters() if parameter.grad is not None]
    assert all(bool(value.isfinite().all()) for value in (*latents, *found.values(), *gradients))
    return [*latents, *found.values(), *gradients]


@pytest.mark.parametrize("method", [*UNSUPERVISED, *SUPERVISED])
def test_padding_has_no_influence(method: str) -> None:
    """To the last bit; nor have lengths of what is absent."""
    representation = model(method)
    lengths = {name: lengths_for(it) for name, it in representation.modalities.items()}
    usual, absent = outcome(representation, 0.0, lengths), next(iter(lengths))
    lengths[absent] = lengths[absent].masked_fill(torch.arange(ROWS) == ABSENT, 5)
    representation = model(method)
    for one, other in zip(usual, outcome(representation, math.nan, lengths), strict=True):
        assert torch.equal(one, other)
    observation = {name: batch_of(it, 0.0, lengths_for(it)) for name, it in representation.modalities.items()}
    assert not torch.allclose(usual[0], representation.encode(observation))


@pytest.mark.parametrize("method", ["mmvae", "gmc-supervised"])
def test_whole_sequences_need_no_lengths(method: str) -> None:
    """To the last bit, also where some have padding and others, or other rows, have none."""
    representation = model(method).eval()
    observation = {name: batch_of(it) for name, it in representation.modalities.items()}
    whole = {name: torch.full((ROWS,), value.shape[TIMES[name]]) for name, value in observation.items()}
    with torch.no_grad():
        usual = representation.encode(observation)
        assert torch.equal(representation.encode(observation, lengths=whole), usual)
        one = {name: own.clone() for name, own in whole.items()}
        next(iter(one.values()))[-1] = 2
        found = representation.encode(observation, lengths=one)
        torch.testing.assert_close(found[:-1], usual[:-1])
        assert not torch.allclose(found[-1], usual[-1])


# Encoders and decoders, against sequences that are really shorter


EVERY = pytest.mark.parametrize("modality", [WALK, TURNED, LONG, VOICE, MEL], ids=lambda it: it.name)


@EVERY
def test_convolutions_see_what_a_shorter_sequence_would_be(modality: Modality) -> None:
    torch.manual_seed(0)
    lengths, trunk = lengths_for(modality).tolist(), networks("generic").trunk(modality)
    value = trunk.prepare(batch_of(modality))
    padded = value.clone()
    for row, steps in enumerate(lengths):
        padded[row, :, steps:] = math.nan
    found = convolved(trunk.convolutions, padded)
    for row, steps in enumerate(lengths):
        alone = trunk.convolutions(value[row : row + 1, :, :steps])[0]
        torch.testing.assert_close(found[row, :, : alone.shape[1]], alone)
        assert not found[row, :, alone.shape[1] :].any()


def test_states_of_a_gru_end_with_the_sequence() -> None:
    torch.manual_seed(0)
    lengths, trunk, value = lengths_for(TEXT), GRUTrunk(TEXT), batch_of(TEXT)
    states = trunk(batch_of(TEXT, math.nan, lengths)).view(ROWS, 7, -1)
    for row, steps in enumerate(lengths.tolist()):
        torch.testing.assert_close(states[row, :steps], trunk.gru(value[row : row + 1, :steps])[0][0])
        assert not states[row, steps:].any()


def test_the_transformer_reads_sequences_of_different_lengths() -> None:
    """Each row alone, of modalities with their own lengths, by the plain form."""
    torch.manual_seed(0)
    sizes = {"text": 6, "audio": 5, "vision": 4}
    known = {name: Modality(name, (20, size), "float32") for name, size in sizes.items()}
    fast, plain = MulT(known, 60).double().eval(), PlainMulT(sizes).double().eval()
    with torch.no_grad():
        for mine, other, where in shared_parameters(fast, plain):
            mine.add_(torch.randn_like(mine), alpha=0.1)
            other[where].copy_(mine.view(other[where].shape))
    batch = {name: torch.randn(4, 20, size, dtype=torch.float64) for name, size in sizes.items()}
    lengths = {"text": [20, 3, 19, 20], "audio": [20, 9, 1, 18], "vision": [20, 20, 18, 2]}
    padded = {name: value.clone() for name, value in batch.items()}
    for name, own in lengths.items():
        for row, steps in enumerate(own):
            padded[name][row, steps:] = math.nan
    found = fast(padded)
    for row in range(4):
        alone = plain({name: value[row : row + 1, : lengths[name][row]] for name, value in batch.items()})
        torch.testing.assert_close(found[row : row + 1], alone)
    assert torch.equal(found[0], fast(batch)[0])


@EVERY
def test_padding_is_not_reconstructed(modality: Modality) -> None:
    """Errors are the sums over what is there; blocks of a large spectrogram are the means of what is there."""
    torch.manual_seed(0)
    lengths, decoder = lengths_for(modality), networks("generic").decoder(modality, 4)
    value, axis = batch_of(modality), 0 if modality is WALK else 1
    given, block = with_padding(value, modality, lengths, math.nan), getattr(decoder, "block", 1)
    logits = decoder(torch.randn(ROWS, 4))
    squares, distances = decoder.error(logits, decoder.target(given)), laplace_error(logits, decoder.target(given), 0.5)
    for row, steps in enumerate(lengths.tolist()):
        if block > 1:
            target = functional.avg_pool2d((value[row, :, :steps] + 3) / 6, block, ceil_mode=True)
        else:
            target = decoder.target(value)[row].narrow(axis, 0, steps)
        made = logits[row].sigmoid().narrow(axis, 0, target.shape[axis])
        torch.testing.assert_close(squares[row], (made - target).square().sum())
        torch.testing.assert_close(distances[row].sum(), 2 * (made - target).abs().sum())


# Absent, refused


@pytest.mark.parametrize("method", ["mvae", "transformer", "gmc-supervised"])
def test_no_steps_are_an_absent_modality(method: str) -> None:
    representation = model(method).eval()
    observation = {name: batch_of(it) for name, it in representation.modalities.items()}
    name = next(iter(observation))
    none = {name: torch.arange(ROWS) % 2 * 7}
    present, dirty = (
        {name: none[name] > 0},
        observation | {name: batch_of(representation.modalities[name], 1e9, none[name])},
    )
    everything = torch.ones(len(observation), ROWS, dtype=torch.bool)
    with torch.no_grad():
        expected = representation.encode(observation, present)
        assert torch.equal(representation.encode(dirty, lengths=none), expected)
        assert torch.equal(representation.encode(dirty, everything, lengths=none), expected)


def test_rows_without_any_modality() -> None:
    walks, none, representation = {"walk": batch_of(WALK)}, {"walk": torch.arange(ROWS) % 2 * 7}, model("gmc")
    with pytest.raises(ValueError, match=r"`lengths` leaves rows \[0, 2, 4\] without any modality"):
        representation.encode(walks, lengths=none)
    with pytest.raises(ValueError, match=r"`present` with `lengths` leaves every row without any modality"):
        representation.encode(walks, {"walk": none["walk"] == 0}, lengths=none)
    with pytest.raises(ValueError, match="`masks` with `lengths` leaves 3 samples without any modality"):
        Samples({"walk": WALK}, walks, lengths=none)


EYE = Modality("eye", (1, 8, 8), "uint8")
REFUSED: list[tuple[Any, type[Exception], str]] = [
    ({"walk": np.array([7, 1, 3, 6, 2, 8])}, ValueError, r"between 0 \(absent\) and 7, .* of 'walk'; got 8 in row 5"),
    ({"walk": np.array([7, -1, 3, -2, 2, 8])}, ValueError, r"`lengths\['walk'\]` .*; got -1 in row 1 and 2 others"),
    ({"walk": np.ones((ROWS, 7), int)}, ValueError, r"`lengths\['walk'\]` must have shape \(6,\), .*; got \(6, 7\)"),
    ({"walk": np.ones(3, int)}, ValueError, r"`lengths\['walk'\]` must have shape .* one number per row; got \(3,\)"),
    ({"walk": np.full(ROWS, 2.0)}, TypeError, r"`lengths\['walk'\]` must have dtype torch.int64; got torch.float64"),
    ({"walk": np.ones(ROWS, bool)}, TypeError, r"`lengths\['walk'\]` must have dtype torch.int64; got torch.bool"),
    ({"walk": [1] * ROWS}, TypeError, r"`lengths\['walk'\]` must be a numpy array or a torch.Tensor; got list"),
    ({"wolk": np.ones(ROWS, int)}, ValueError, r"`lengths` must be one of .*; got 'wolk'. Did you mean 'walk'"),
    ({"eye": np.ones(ROWS, int)}, ValueError, r"`lengths\['eye'\]` must belong to a sequence.*; eye: .* read as image"),
    (np.ones(ROWS, int), TypeError, r"`lengths` must map modality names to arrays of whole numbers; got ndarray"),
]  # fmt: skip


@pytest.mark.parametrize(("lengths", "error", "message"), REFUSED)
def test_lengths_that_do_not_fit(lengths: Any, error: type[Exception], message: str) -> None:
    known = {"walk": WALK, "eye": EYE}
    observation = {"walk": batch_of(WALK), "eye": torch.zeros(ROWS, 1, 8, 8, dtype=torch.uint8)}
    with pytest.raises(error, match=message):
        Samples(known, observation, lengths=lengths)
    representation = build("gmc", known, make_settings("gmc", "smoke"))
    for call in (representation.encode, representation.loss):
        with pytest.raises(error, match=message):
            call(observation, lengths=lengths)


def test_networks_that_would_take_padding_for_data_refuse_it(linear_networks: Any, tmp_path: Path) -> None:
    refused = r"`lengths` of 'walk' cannot be used: the networks '{}' would take padding .*--networks generic"
    known, lengths = {"walk": WALK}, {"walk": lengths_for(WALK)}
    samples = Samples(known, {"walk": batch_of(WALK)}, lengths=lengths)
    linear = build("gmc", known, make_settings("gmc", "smoke"), linear_networks)
    with pytest.raises(ValueError, match=refused.format("linear")):
        linear.encode(samples.values, lengths=lengths)
    with pytest.raises(ValueError, match=refused.format("linear")):
        pretrain(linear, samples, samples, PretrainSettings(device="cpu"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert linear.encode(samples.values).isfinite().all()
    by_hand = type("ByHand", (PerModality,), {"name": "by hand", "trunks": {"walk": FlatTrunk}})()
    assert (by_hand.takes_lengths(WALK), by_hand.takes_lengths(TURNED)) == (False, True)
    settings_of_text = make_settings("transformer", "smoke", benchmark="mosi")
    turned = {name: Modality(name, (7, 7), "float32", kind="sequence:ft") for name in ("text", "audio")}
    reads_rows = build("transformer", turned, settings_of_text)
    with pytest.raises(ValueError, match="`lengths` of 'text' cannot be used: the method 'transformer' would"):
        reads_rows.encode({"text": torch.zeros(2, 7, 7)}, lengths={"text": torch.tensor([3, 7])})
    assert [name for name in NETWORKS.names() if networks(name).takes_lengths(WALK)] == ["generic", "sentiment"]


# Recorded data


def recorded(padding: float) -> Samples:
    """24 samples, of which the first has no walk."""
    rng, walks = np.random.default_rng(0), np.arange(24) % 8
    values = {name: rng.normal(size=(24, 7, size)) for name, size in (("walk", 3), ("text", 4))}
    values["walk"][np.arange(7) >= walks[:, None]] = padding
    known = {name: Modality(name, (7, value.shape[2]), "float32") for name, value in values.items()}
    return Samples(known, values, np.linspace(-1, 1, 24), lengths={"walk": walks})


def test_samples_carry_lengths_everywhere(tmp_path: Path) -> None:
    found = []
    for padding in (0.0, math.nan):
        samples = recorded(padding)
        assert samples.present(range(24))[0].tolist() == [row % 8 > 0 for row in range(24)]
        train, validation = samples.split(0.25, 0)
        representation = build("mvae", samples.modalities, make_settings("mvae", "smoke"), data=train)
        run = PretrainSettings(epochs=1, batch_size=8, precision="32", device="cpu")
        result = pretrain(representation, train, validation, run, tmp_path / str(padding))
        latents = encode_subsets(representation, validation, [("text",), ("walk", "text")])
        measured = measure(representation, validation, train)
        assert measured["validation/total"] == pytest.approx(result.metrics["validation/total"])
        found.append((samples.fingerprint(), latents, measured))
    assert found[0][0] == found[1][0]
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-4, rtol=1e-4)  # threads may sum in another order
    assert found[0][2] == pytest.approx(found[1][2], rel=1e-3)
    whole = recorded(0.0)
    assert found[0][0] != Samples(whole.modalities, whole.values, whole.targets, whole.masks).fingerprint()


def test_predictions_of_recorded_sequences() -> None:
    samples, representation = recorded(math.nan), preset_model("transformer", recorded(0.0).modalities, "smoke", "mosi")
    predicted = predict_subsets(representation, samples, [("text", "walk")])["text", "walk"]
    with torch.no_grad():
        expected = representation.eval().predict(samples.values, samples.present(range(24)), lengths=samples.lengths)
    assert torch.equal(predicted, expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_bounds_are_those_of_the_steps_that_are_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths, values = rng.integers(0, 8, 5), rng.normal(size=(5, 7, 3)) + np.array([5, 0, 0])
    lengths[0] = 3
    there = np.concatenate([row[:own] for row, own in zip(values, lengths, strict=True)])
    other = {"mark": np.zeros((5, 1))}
    for name, given_values, low, high in (
        ("walk", values, there.min(0), there.max(0)),
        ("turned", values.transpose(0, 2, 1), there.min(), there.max()),
    ):
        modality = Modality(name, given_values.shape[1:], "float32", kind=TURNED.kind if name == "turned" else None)
        known = {name: modality, "mark": Modality("mark", (1,), "float32")}
        found = with_bounds(known, Samples(known, {name: given_values, **other}, lengths={name: lengths}))[name]
        np.testing.assert_allclose(found.low, low - 0.05 * (high - low), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.high, high + 0.05 * (high - low), rtol=1e-5, atol=1e-5)
