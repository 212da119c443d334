import json
import shutil
import time

import gymnasium as gym
import numpy as np
import pytest
import safetensors.torch
import torch
from stable_baselines3 import A2C, PPO

from anysense.agents.actor import Actor, ActorSpec
from anysense.agents.algorithms.catalogue import ALGORITHMS, build_model, make_agent_settings
from anysense.agents.exported import Agent
from anysense.agents.frozen import FrozenEncoder
from anysense.agents.latent import LatentVecEnv
from anysense.common import files
from anysense.common.randomness import forked_generators
from anysense.envs import MultimodalPendulumEnv, world

SPACE = MultimodalPendulumEnv().observation_space


def observation(count=5, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (count, *SPACE["image"].shape), dtype=np.uint8)
    sound = rng.uniform(SPACE["sound"].low, SPACE["sound"].high, (count, *SPACE["sound"].shape)).astype(np.float32)
    return {"image": image, "sound": sound}


def make_model(name, representation_folder, make_venv, preset="smoke", **switches):
    with forked_generators():
        settings = make_agent_settings(name, preset, world(), **switches)
        venv = LatentVecEnv(make_venv(settings.n_envs), representation_folder)
        model = build_model(name, settings, venv, seed=3)
        with torch.no_grad():  # larger than in a fresh policy, so that the limits matter
            for parameter in model.policy.parameters():
                parameter.normal_(0.0, 0.35 if parameter.ndim > 1 else 1e-9)
        return model


@pytest.fixture
def agent(representation_folder, make_venv):
    encoder = FrozenEncoder(representation_folder)
    actor = Actor.from_model(make_model("sac", representation_folder, make_venv))
    return Agent(actor, encoder, "sac", world(), facts={"seed": 3})


@pytest.mark.parametrize("name", [name for name in ALGORITHMS.names() if name not in ("dqn", "qrdqn")])
def test_actions_equal_those_of_the_model(name, representation_folder, make_venv, tmp_path):
    model = make_model(name, representation_folder, make_venv)
    encoder = FrozenEncoder(representation_folder)
    Agent(Actor.from_model(model), encoder, name, world()).save(tmp_path / "agent")
    agent = Agent.load(tmp_path / "agent")
    for modalities in (("image", "sound"), ("image",), ("sound",)):
        sensed = {modality: observation(40)[modality] for modality in modalities}
        expected, _ = model.predict(encoder.encode_arrays(sensed), deterministic=True)
        actions = agent.act(sensed)
        assert actions.dtype == np.float32
        np.testing.assert_allclose(actions, expected, atol=1e-5)
        assert np.abs(actions).max() <= 2.0
        assert np.ptp(actions) > 0.001
    assert agent.algorithm == name
    assert agent.trained_with == ("image", "sound")


@pytest.mark.parametrize("scaling", [True, False])
def test_published_ddpg(scaling, representation_folder, make_venv):
    model = make_model("ddpg", representation_folder, make_venv, "paper", action_scaling=scaling)
    encoder = FrozenEncoder(representation_folder)
    agent = Agent(Actor.from_model(model), encoder, "ddpg", world())
    expected, _ = model.predict(encoder.encode_arrays(observation(40)), deterministic=True)
    np.testing.assert_allclose(agent.act(observation(40)), expected, atol=1e-5)
    assert (np.abs(expected).max() > 1.0) == scaling


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    "layout",
    [
        lambda array: np.ascontiguousarray(array[::-1])[::-1],
        read_only,
        lambda array: array.astype(array.dtype.newbyteorder(">")),
        np.asfortranarray,
        lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    ],
)
def test_layout_of_arrays_does_not_matter(layout, agent):
    plain = observation(3)
    laid = {modality: layout(value) for modality, value in plain.items()}
    np.testing.assert_array_equal(agent.act(laid), agent.act(plain))
    np.testing.assert_array_equal(agent.encoder.encode_arrays(laid), agent.encoder.encode_arrays(plain))


class ManyChoices(gym.Env):
    """Latents in, one of five actions out."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (8,)), gym.spaces.Discrete(5)


@pytest.mark.parametrize("kind", [PPO, A2C])
def test_discrete_actions(kind, representation_folder):
    model, encoder = kind("MlpPolicy", ManyChoices(), seed=0), FrozenEncoder(representation_folder)
    with torch.no_grad():
        model.policy.action_net.weight *= 300
    agent = Agent(Actor.from_model(model), encoder, "ppo", world())
    many = encoder.encode_arrays(observation(500))
    expected, _ = model.predict(many, deterministic=True)
    actions = agent.act(observation(500))
    assert (actions.dtype, actions.shape) == (np.int64, (500,))
    np.testing.assert_array_equal(actions, expected)
    assert len(set(actions.tolist())) > 1
    one = {modality: np.repeat(value, 5000, axis=0) for modality, value in observation(1).items()}
    drawn = agent.act(one, deterministic=False, generator=torch.Generator().manual_seed(0))
    first = encoder.encode_arrays({modality: value[:1] for modality, value in one.items()})
    chances = model.policy.get_distribution(torch.as_tensor(first)).distribution.probs[0].detach().numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 5000, chances, atol=0.03)
    scalar = agent.act({modality: value[0] for modality, value in observation(1).items()})
    assert scalar in range(5)


@pytest.mark.parametrize("name", ["sac", "ppo"])
def test_random_actions_have_the_distribution_of_the_model(name, representation_folder, make_venv):
    model = make_model(name, representation_folder, make_venv)
    encoder = FrozenEncoder(representation_folder)
    agent = Agent(Actor.from_model(model), encoder, name, world())
    one = {modality: np.repeat(value, 3000, axis=0) for modality, value in observation(1).items()}
    actions = agent.act(one, deterministic=False, generator=torch.Generator().manual_seed(0))
    with forked_generators():
        torch.manual_seed(0)
        expected, _ = model.predict(encoder.encode_arrays(one), deterministic=False)
    np.testing.assert_allclose(np.quantile(actions, [0.1, 0.5, 0.9]), np.quantile(expected, [0.1, 0.5, 0.9]), atol=0.25)
    again = agent.act(one, deterministic=False, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(actions, again)


def test_a_deterministic_policy_acts_alike_when_asked_for_random_actions(representation_folder, make_venv):
    model = make_model("td3", representation_folder, make_venv)
    agent = Agent(Actor.from_model(model), FrozenEncoder(representation_folder), "td3", world())
    random = agent.act(observation(), deterministic=False, generator=torch.Generator())
    np.testing.assert_array_equal(random, agent.act(observation()))


def test_single_observation(agent):
    batch = observation(3)
    rows = np.stack([agent.act({name: value[row] for name, value in batch.items()}) for row in range(3)])
    assert rows.shape == (3, 1)
    np.testing.assert_allclose(rows, agent.act(batch), atol=1e-5)


def test_present_marks_absent_modalities(agent):
    sensed = observation(2)
    sensed["image"][:] = 9
    masked = agent.act({**sensed, "present": np.array([[0, 1], [1, 1]], np.int8)})
    np.testing.assert_allclose(masked[:1], agent.act({"sound": sensed["sound"][:1]}), atol=1e-5)
    np.testing.assert_allclose(masked[1:], agent.act({name: value[1:] for name, value in sensed.items()}), atol=1e-5)
    single = {name: value[0] for name, value in sensed.items()}
    np.testing.assert_allclose(agent.act({**single, "present": np.array([0, 1])}), masked[0], atol=1e-5)


@pytest.mark.parametrize("present", [[np.nan, 1.0], [0.5, 1.0], [2, 1], [True], ["a", "b"]])
def test_present_must_be_a_mask(agent, present):
    with pytest.raises((TypeError, ValueError), match="present"):
        agent.act({name: value[0] for name, value in observation(1).items()} | {"present": np.array(present)})


def test_defaults_of_torch_in_a_program_change_nothing(agent, tmp_path):
    def act(agent):
        generator = torch.Generator().manual_seed(0)
        return agent.act(observation(4)), agent.act(observation(4), deterministic=False, generator=generator)

    agent.save(tmp_path / "agent")
    expected = act(agent)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = act(Agent.load(tmp_path / "agent"))
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_where_nothing_is_present_the_latent_is_zero(agent):
    blind = agent.actor(torch.zeros(1, agent.encoder.latent_dim)).numpy()
    found = agent.act({**observation(2), "present": np.array([[1, 0], [0, 0]])})
    np.testing.assert_array_equal(found[1:], blind)
    assert (found[0] != found[1]).all()


def test_absent_nan_has_no_influence(agent):
    sensed = observation(2)
    sensed["sound"][:] = np.nan
    flags = np.tile(np.array([1, 0], np.int8), (2, 1))
    np.testing.assert_allclose(
        agent.act({**sensed, "present": flags}), agent.act({"image": sensed["image"]}), atol=1e-5
    )


def test_float64_sound_and_float_images_are_understood(agent):
    sensed = observation(2)
    other = {"image": sensed["image"] / 255.0, "sound": sensed["sound"].astype(np.float64)}
    np.testing.assert_allclose(agent.act(other), agent.act(sensed), atol=1e-4)


def test_the_folder_holds_no_pickle_and_says_what_it_is(agent, tmp_path):
    agent.save(tmp_path / "agent")
    names = sorted(path.relative_to(tmp_path / "agent").as_posix() for path in (tmp_path / "agent").rglob("*.*"))
    assert names == [
        "agent.json",
        "policy.safetensors",
        "representation/representation.json",
        "representation/representation.safetensors",
    ]
    description = json.loads((tmp_path / "agent" / "agent.json").read_text())
    assert description["format_version"] == 2
    assert description["facts"] == {"seed": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["agent"]


def test_loading_and_exporting_draw_no_random_numbers(agent, tmp_path):
    before = torch.get_rng_state()
    agent.save(tmp_path / "agent")
    Agent.load(tmp_path / "agent")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_kill_while_writing_leaves_the_old_agent(agent, tmp_path, monkeypatch):
    folder = tmp_path / "agent"
    agent.save(folder)
    expected = agent.act(observation())
    agent.actor.mean.weight.data.zero_()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            agent.save(folder)
    np.testing.assert_array_equal(Agent.load(folder).act(observation()), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["agent"]


def test_a_kill_between_the_two_renames_is_undone(agent, tmp_path, monkeypatch):
    folder = tmp_path / "agent"
    agent.save(folder)
    expected = agent.act(observation())
    rename = files.os.rename

    def killed(source, target):
        if target == folder:
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            agent.save(folder)
    assert not folder.exists()
    np.testing.assert_array_equal(Agent.load(folder).act(observation()), expected)


class TestErrors:
    @pytest.mark.parametrize(
        ("sensed", "error", "message"),
        [
            ([1.0], TypeError, "`observation` must map modalities to arrays; got list"),
            ({}, ValueError, r"`observation` is empty; expected at least one of \['image', 'sound'\]"),
            ({"present": np.ones(0)}, ValueError, "`observation` is empty"),
            (
                {"sond": 1},
                ValueError,
                "`observation` must be one of 'image', 'sound'; got 'sond'. Did you mean 'sound'",
            ),
            (
                {"sound": np.zeros((3, 2))},
                ValueError,
                r"`observation\['sound'\]` must have shape \(2, 3, 2\), or \(B, 2, 3, 2\) for a batch; got \(3, 2\)",
            ),
            (
                {"sound": observation()["sound"][0], "image": observation()["image"]},
                ValueError,
                "`observation` mixes single and batched arrays",
            ),
            ({"sound": np.full((2, 3, 2), np.nan)}, ValueError, "must be finite"),
            ({"sound": np.zeros((2, 3, 2), np.uint8)}, TypeError, "must have dtype torch.float32; got torch.uint8"),
            ({"image": np.full((2, 60, 60), 7.0)}, ValueError, r"must lie in \[0, 1\]"),
        ],
    )
    def test_bad_observation(self, agent, sensed, error, message):
        with pytest.raises(error, match=message):
            agent.act(sensed)

    def test_batches_of_two_sizes(self, agent):
        with pytest.raises(ValueError, match="must have one batch size"):
            agent.act({"sound": observation(2)["sound"], "image": observation(3)["image"]})

    @pytest.mark.parametrize("device", ["mps", "tpu", "", "meta", "cuda:99", torch.device("meta")])
    def test_devices_that_are_not_there(self, agent, tmp_path, device):
        for use in (agent.to, agent.encoder.to, lambda it: Agent.load(tmp_path, it)):
            with pytest.raises(ValueError, match=r"`device` must be 'auto', or what this machine has .cpu.*; got"):
                use(device)

    def test_random_actions_without_a_generator(self, agent):
        with pytest.raises(ValueError, match="`generator` is needed for random actions"):
            agent.act(observation(), deterministic=False)

    def test_no_folder(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"nowhere/agent.json` does not exist; expected the folder of an exp"
        ):
            Agent.load(tmp_path / "nowhere")

    @pytest.mark.parametrize("file", ["policy.safetensors", "representation/representation.safetensors"])
    def test_altered_weights(self, agent, tmp_path, file):
        agent.save(tmp_path / "agent")
        path = tmp_path / "agent" / file
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(ValueError, match="truncated or altered"):
            Agent.load(tmp_path / "agent")

    def test_truncated_weights(self, agent, tmp_path):
        agent.save(tmp_path / "agent")
        path = tmp_path / "agent" / "policy.safetensors"
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(ValueError, match="truncated or altered"):
            Agent.load(tmp_path / "agent")

    def test_missing_weights(self, agent, tmp_path):
        agent.save(tmp_path / "agent")
        (tmp_path / "agent" / "policy.safetensors").unlink()
        with pytest.raises(FileNotFoundError, match=r"is missing, but .*; copy the whole folder"):
            Agent.load(tmp_path / "agent")

    def test_another_representation(self, agent, representation_folder, tmp_path):
        agent.save(tmp_path / "agent")
        shutil.rmtree(tmp_path / "agent" / "representation")
        agent.encoder.representation.head[0].bias.data.add_(1.0)
        agent.save(tmp_path / "other")
        shutil.copytree(tmp_path / "other" / "representation", tmp_path / "agent" / "representation")
        with pytest.raises(ValueError, match="truncated or altered"):
            Agent.load(tmp_path / "agent")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format_version": 99}, "has format version 99; this release of anysense reads version 2"),
            ({"format": "cake"}, "does not describe an exported agent"),
            ({"actor": None}, "`actor` must be a dict; got None"),
            ({"algorithm": 3}, "`algorithm` must be a str; got 3"),
            ({"facts": []}, r"`facts` must be a dict; got \[\]"),
            ({"world": {"id": "x"}}, r"`world` lacks \['options'\]"),
            ({"modalities": ["smell"]}, "`modalities` must be one of 'image', 'sound'; got 'smell'"),
            ({"modalities": []}, "`modalities` must name at least one of 'image', 'sound'; got none"),
            ({"modalities": [7]}, r"`modalities\[0\]` must be a str; got 7"),
        ],
    )
    def test_other_description(self, agent, tmp_path, change, message):
        agent.save(tmp_path / "agent")
        path = tmp_path / "agent" / "agent.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(ValueError, match=message):
            Agent.load(tmp_path / "agent")

    def test_incomplete_description(self, agent, tmp_path):
        agent.save(tmp_path / "agent")
        path = tmp_path / "agent" / "agent.json"
        content = json.loads(path.read_text())
        del content["modalities"]
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"is damaged: the content lacks \[.modalities.\]"):
            Agent.load(tmp_path / "agent")

    def test_damaged_description(self, agent, tmp_path):
        agent.save(tmp_path / "agent")
        (tmp_path / "agent" / "agent.json").write_text("{")
        with pytest.raises(ValueError, match="is damaged: not valid JSON"):
            Agent.load(tmp_path / "agent")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"hidden": [100_000] * 1000}, "`spec` names 1000 hidden layers; got only"),
            ({"hidden": [10**9, 10**6]}, "`weights` do not fit `spec`: .*hidden.0.weight"),
            ({"hidden": [10**12, 10**12]}, "`weights` do not fit `spec`: Storage size calculation overflowed"),
            ({"hidden": [10**30]}, "`weights` do not fit `spec`"),
            ({"hidden": [-1]}, "`hidden` must be positive"),
            ({"hidden": 3}, "`hidden` must be "),
            ({"latent_dim": 10**12}, "`weights` do not fit `spec`: .*hidden.0.weight"),
            ({"latent_dim": 8.0}, "`latent_dim` must be int; got 8.0"),
            ({"action_shape": [10**9]}, "must have 1000000000 entries each"),
            ({"action_low": [float("nan")]}, "NaN is no number of JSON"),
            ({"action_low": [3.0]}, "the low one below the high one"),
            ({"spread": "constant"}, "`weights` do not fit `spec`: .*constant_log_std"),
            ({"activation": "gelu"}, "`activation` must be one of 'relu', 'tanh'; got 'gelu'"),
            ({"squash": 1}, "`squash` must be bool; got 1"),
            ({"size": 1}, "`setting of the actor` must be one of .*; got 'size'"),
        ],
    )
    def test_claims_about_the_actor_are_checked_before_it_is_built(self, agent, tmp_path, change, message):
        agent.save(tmp_path / "agent")
        path = tmp_path / "agent" / "agent.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "actor": {**content["actor"], **change}}))
        start = time.perf_counter()
        with pytest.raises(ValueError, match=message):
            Agent.load(tmp_path / "agent")
        assert time.perf_counter() - start < 2

    def test_actor_of_another_size(self, representation_folder):
        spec = ActorSpec(3, (), "relu", True, "none", (1,), (-2.0,), (2.0,))
        actor = Actor(spec, {"mean.weight": torch.zeros(1, 3), "mean.bias": torch.zeros(1)})
        with pytest.raises(ValueError, match=r"`actor` takes latents of length 3, `encoder` makes 8"):
            Agent(actor, FrozenEncoder(representation_folder), "td3", world(), ("sound",))

    def test_layers_that_cannot_be_exported(self, representation_folder, make_venv):
        model = make_model("sac", representation_folder, make_venv)
        model.actor.latent_pi.append(torch.nn.Dropout())
        with pytest.raises(TypeError, match=r"`model` has ReLU activations and in its actor the layers \['Dropout'\]"):
            Actor.from_model(model)

    def test_activation_that_cannot_be_exported(self, representation_folder, make_venv):
        model = make_model("sac", representation_folder, make_venv)
        model.policy.activation_fn = torch.nn.ELU
        with pytest.raises(TypeError, match=r"`model` has ELU activations .* the activations \['relu', 'tanh'\]"):
            Actor.from_model(model)
