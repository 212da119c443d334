"""Latents at one scale: statistics of the training data, used by encoders, exported agents and trainings."""

import json

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from anysense.agents.exported import Agent
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.training import TrainSettings, train
from anysense.envs import DEFAULT_WORLD
from anysense.envs.world import world
from anysense.representations import (
    FileFormatError,
    build,
    load_representation,
    make_networks,
    make_settings,
    modalities_from_space,
    save_representation,
)
from anysense.representations.data.collect import collect
from anysense.representations.evaluation.encode import encode_subsets
from anysense.representations.latents import LatentStatistics
from anysense.representations.training import PretrainSettings, pretrain


def new(method):
    space = gymnasium.make(DEFAULT_WORLD).observation_space
    settings, networks = (make(method, "smoke", benchmark="pendulum") for make in (make_settings, make_networks))
    return build(method, modalities_from_space(space), settings, networks, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved, untrained MFM whose latents lie anywhere."""
    path, representation = tmp_path_factory.mktemp("mfm"), new("mfm")
    representation.latents = LatentStatistics(tuple(np.linspace(-1, 3, 10)), (0.0, *np.linspace(0.01, 20.0, 9)))
    save_representation(representation, path)
    return path


def observations(count=5):
    env = gymnasium.make_vec(DEFAULT_WORLD, num_envs=count)
    return env.reset(seed=0)[0]


@given(arrays.arrays(np.float64, (7, 3), elements=st.floats(-100, 100, width=32)))
def test_equals_the_plain_formula(values):
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    floor = np.maximum(deviation, 0.01 * deviation.max()) if deviation.max() > 0 else np.ones(3)
    statistics = LatentStatistics.of(torch.tensor(values))
    np.testing.assert_allclose(statistics.mean, mean, atol=1e-9)
    np.testing.assert_allclose(statistics.deviation, deviation, atol=1e-9)
    plain = (values - mean) / floor
    np.testing.assert_allclose(statistics.standardised(torch.tensor(values)).numpy(), plain, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("mean", "deviation", "message"),
    [
        ((0.0,), (1.0, 1.0), "one number for each latent dimension; got 1 and 2 numbers"),
        ((), (), "one number for each"),
        ((np.nan,), (1.0,), "`mean` must hold finite numbers"),
        ((0.0,), (-1.0,), "`deviation` must hold finite numbers of at least 0"),
        ((0.0,), (np.inf,), "`deviation` must hold finite numbers of at least 0"),
    ],
)
def test_wrong_statistics(mean, deviation, message):
    with pytest.raises(ValueError, match=message):
        LatentStatistics(mean, deviation)


def test_pretraining_keeps_the_statistics_of_its_data(tmp_path):
    data = collect(world(), 60, seed=0)
    result = pretrain(new("mvae"), *data.split(0.2, 0), PretrainSettings(epochs=1, batch_size=16), tmp_path)
    saved, everything = load_representation(tmp_path / "representation"), tuple(result.representation.modalities)
    assert saved.latents == result.representation.latents
    latents = encode_subsets(saved, data.split(0.2, 0)[0], [everything])[everything].numpy()
    np.testing.assert_allclose(saved.latents.mean, latents.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(saved.latents.deviation, latents.std(axis=0), atol=1e-5)


def test_encoders_standardise_what_is_seen_and_nothing_else(folder):
    given, representation = observations(), load_representation(folder)
    plain, encoder = representation.encode(given), FrozenEncoder(folder, standardise=True)
    statistics = representation.latents
    scale = np.maximum(statistics.deviation, 0.2)
    expected = (plain.numpy() - np.float32(statistics.mean)) / np.float32(scale)
    np.testing.assert_allclose(encoder.encode_arrays(given), expected, rtol=1e-5, atol=1e-5)
    assert np.array_equal(FrozenEncoder(folder).encode_arrays(given), plain.numpy())
    unseen = {**given, "present": np.array([[1, 1]] * 4 + [[0, 0]])}
    assert not encoder.encode_arrays(unseen)[4].any()


@pytest.mark.parametrize(
    ("choice", "method", "expected"),
    [("auto", "mfm", True), ("off", "mfm", False), ("auto", "gmc", False), ("auto", "gram", False), ("on", "gmc", 1)],
)
def test_who_gets_standardised_latents(choice, method, expected, tmp_path):
    representation = new(method)
    representation.latents = LatentStatistics((0.0,) * representation.latent_dim, (1.0,) * representation.latent_dim)
    save_representation(representation, tmp_path)
    assert TrainSettings(representation=tmp_path, standardise=choice).encoder().standardise == expected


def test_without_statistics(representation_folder):
    assert TrainSettings(representation=representation_folder).encoder().standardise is False
    with pytest.raises(ValueError, match="`standardise` needs statistics of the latents"):
        TrainSettings(representation=representation_folder, standardise="on").encoder()
    with pytest.raises(ValueError, match="`standardise` must be one of 'auto', 'on', 'off'; got 'yes'"):
        TrainSettings(representation=representation_folder, standardise="yes")


@pytest.mark.parametrize("encode", ["once", "in-policy"])
def test_exported_agents_standardise_as_in_training(encode, folder, tmp_path):
    small = {"total_steps": 32, "n_envs": 2, "n_steps": 8, "batch_size": 8}
    settings = TrainSettings(
        representation=folder, algorithm="ppo", preset="smoke", overrides=small, eval_every=32, eval_episodes=2,
        eval_steps=4, encode=encode,
    )  # fmt: skip
    agent = Agent.load(train(settings, tmp_path / "run").last_agent)
    assert agent.encoder.standardise
    given = observations()
    seen = FrozenEncoder(folder, standardise=True).encode_arrays(given)
    expected = agent.actor(torch.as_tensor(seen)).numpy()
    np.testing.assert_allclose(agent.act(given), expected, rtol=1e-6, atol=1e-6)


def test_statistics_of_another_size_are_refused(folder, tmp_path):
    save_representation(load_representation(folder), tmp_path)
    path = tmp_path / "representation.json"
    description = json.loads(path.read_text())
    description["latents"]["mean"].pop()
    description["latents"]["deviation"].pop()
    path.write_text(json.dumps(description))
    with pytest.raises(FileFormatError, match="`latents` describes 9 dimensions, but `latent_dim` is 10"):
        load_representation(tmp_path)
