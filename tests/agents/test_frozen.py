import copy
import hashlib
import io
import math
import pickle
import random
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib import TQC
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import nn

from anysense.agents.frozen import FrozenEncoder, FrozenExtractor
from anysense.envs import MultimodalPendulumEnv
from anysense.envs.sb3_adapter import GymnasiumVecEnv
from anysense.envs.sensors.missing import VectorMissingModalities
from anysense.representations import Representation, build, load_representation, modalities_from_space
from anysense.representations.settings import MethodSettings

OFF_POLICY = {"learning_starts": 8, "buffer_size": 100, "batch_size": 8, "train_freq": 1, "gradient_steps": 2}
ON_POLICY = {"n_steps": 8}
ALGORITHMS = {
    "ppo": (PPO, {**ON_POLICY, "batch_size": 8, "n_epochs": 2}),
    "a2c": (A2C, ON_POLICY),
    "sac": (SAC, OFF_POLICY),
    "td3": (TD3, OFF_POLICY),
    "ddpg": (DDPG, OFF_POLICY),
    "tqc": (TQC, OFF_POLICY),
}
SPACE = MultimodalPendulumEnv().observation_space


@dataclass(frozen=True)
class FragileSettings(MethodSettings):
    """No settings."""


class Fragile(Representation):
    """Everything that goes wrong in a policy: linear layers, batch statistics, dropout."""

    method = "fragile"
    settings_class = FragileSettings
    uses_networks = False

    def __init__(self, names=("image", "sound"), space=SPACE):
        found = modalities_from_space(space)
        super().__init__({name: found[name] for name in names} if space is SPACE else found, FragileSettings(), None)
        self.latent_dim = 6
        self.enter = nn.ModuleDict({name: nn.Linear(math.prod(it.shape), 8) for name, it in found.items()})
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(8, 6)

    def encode_batch(self, batch):
        total = torch.zeros(batch.size, 8, device=self.device)
        for name, value in batch.inputs.items():
            scaled = value / 255.0 if value.dtype == torch.uint8 else value
            total = total + self.enter[name](scaled.flatten(1) / 100.0)
        return torch.tanh(self.out(self.drop(self.norm(total))))

    def loss_batch(self, batch):
        return {"total": self.encode_batch(batch).square().mean()}


def digest(module):
    """SHA-256 of all parameters and buffers."""
    content = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        content.update(name.encode() + tensor.cpu().numpy().tobytes())
    return content.hexdigest()


def extractors(model):
    found = [module for module in model.policy.modules() if isinstance(module, FrozenExtractor)]
    assert found
    return found


def held_by(optimizer):
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


def optimizers(model):
    owners = [model.policy, getattr(model, "actor", None), getattr(model, "critic", None)]
    return [owner.optimizer for owner in owners if getattr(owner, "optimizer", None) is not None]


@pytest.fixture
def fragile():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Fragile()


def observation(count=4, seed=0):
    rng = np.random.default_rng(seed)
    space = SPACE
    image = rng.integers(0, 256, (count, *space["image"].shape), dtype=np.uint8)
    sound = rng.uniform(space["sound"].low, space["sound"].high, (count, *space["sound"].shape)).astype(np.float32)
    return {"image": image, "sound": sound}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_weights_and_statistics_stay_through_learning_saving_and_loading(name, fragile, make_venv):
    cls, keywords = ALGORITHMS[name]
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": fragile},
        "net_arch": [8],
    }
    expected = digest(fragile)
    model = cls("MultiInputPolicy", make_venv(), policy_kwargs=policy, seed=0, device="cpu", **keywords)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    for extractor in extractors(model):
        assert digest(extractor.encoder.representation) == expected
    model.learn(40)
    for extractor in extractors(model):
        assert digest(extractor.encoder.representation) == expected
        assert not extractor.encoder.representation.training
    assert any(not torch.equal(before[name], value) for name, value in model.policy.state_dict().items())
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    loaded = cls.load(buffer, device="cpu")
    for extractor in extractors(loaded):
        assert digest(extractor.encoder.representation) == expected
    sensed = observation()
    np.testing.assert_array_equal(
        model.predict(sensed, deterministic=True)[0], loaded.predict(sensed, deterministic=True)[0]
    )
    assert digest(fragile) == expected
    assert fragile.training


@pytest.mark.parametrize("name", ALGORITHMS)
def test_encoder_is_in_no_parameter_list_optimiser_or_state(name, fragile, make_venv):
    cls, keywords = ALGORITHMS[name]
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": fragile},
        "net_arch": [8],
    }
    model = cls("MultiInputPolicy", make_venv(), policy_kwargs=policy, seed=0, device="cpu", **keywords)
    for extractor in extractors(model):
        assert list(extractor.parameters()) == list(extractor.buffers()) == []
        assert list(extractor.state_dict()) == ["_extra_state"]  # the SHA-256 of the weights
        inside = {id(parameter) for parameter in extractor.encoder.representation.parameters()}
        assert inside
        for optimizer in optimizers(model):
            assert not inside & held_by(optimizer)
        assert not any(parameter.requires_grad for parameter in extractor.encoder.representation.parameters())


def test_a_saved_model_holds_the_path_and_finds_the_weights_again(representation_folder, make_venv, tmp_path):
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": str(representation_folder)},
        "net_arch": [8],
    }
    model = SAC("MultiInputPolicy", make_venv(), policy_kwargs=policy, seed=0, device="cpu", **OFF_POLICY)
    model.learn(30)
    model.save(tmp_path / "model.zip")
    loaded = SAC.load(tmp_path / "model.zip", device="cpu")
    expected = digest(load_representation(representation_folder))
    assert {digest(extractor.encoder.representation) for extractor in extractors(loaded)} == {expected}
    sensed = observation()
    np.testing.assert_array_equal(
        model.predict(sensed, deterministic=True)[0], loaded.predict(sensed, deterministic=True)[0]
    )


def test_train_mode_initialisation_and_polyak_updates_pass_by(fragile):
    extractor = FrozenExtractor(SPACE, fragile)
    expected = digest(extractor.encoder.representation)
    extractor.train()
    extractor.apply(lambda module: [nn.init.zeros_(parameter) for parameter in module.parameters(recurse=False)])
    for parameter in [*extractor.parameters(), *extractor.buffers()]:
        parameter.data.mul_(0.5)
    latents = extractor({name: torch.as_tensor(value).float() / 255.0 for name, value in observation().items()})
    assert not extractor.encoder.representation.training
    assert not latents.requires_grad
    assert digest(extractor.encoder.representation) == expected


def test_the_given_representation_stays_as_it_was_and_may_go_on_training(fragile):
    extractor = FrozenExtractor(SPACE, fragile)
    expected = digest(fragile)
    assert fragile.training
    assert all(parameter.requires_grad for parameter in fragile.parameters())
    with torch.no_grad():
        fragile.out.weight.zero_()
    assert digest(extractor.encoder.representation) == expected


def test_features_equal_the_representation_on_raw_observations(representation_folder):
    representation = load_representation(representation_folder)
    extractor = FrozenExtractor(SPACE, representation_folder)
    sensed = {name: torch.as_tensor(value) for name, value in observation(5).items()}
    as_sb3_passes = {"image": sensed["image"].float() / 255.0, "sound": sensed["sound"]}
    torch.testing.assert_close(extractor(as_sb3_passes), representation.encode(sensed))
    assert extractor.features_dim == representation.latent_dim


def test_construction_draws_no_random_numbers(representation_folder):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    FrozenExtractor(SPACE, representation_folder)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


def test_present_masks_rows(representation_folder):
    space = spaces.Dict({**SPACE.spaces, "present": spaces.MultiBinary(2)})
    extractor = FrozenExtractor(space, representation_folder)
    sensed = {name: torch.as_tensor(value) for name, value in observation(3).items()}
    sensed["sound"][0] = torch.nan
    latents = extractor({**sensed, "present": torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])})
    representation = load_representation(representation_folder)
    alone = [
        representation.encode({"image": sensed["image"][:1]}),
        representation.encode({"sound": sensed["sound"][1:2]}),
        representation.encode({name: value[2:] for name, value in sensed.items()}),
    ]
    torch.testing.assert_close(latents, torch.cat(alone))


@settings(deadline=None, max_examples=30)
@given(st.permutations(["image", "sound"]), st.lists(st.sampled_from([(0, 1), (1, 0), (1, 1)]), min_size=1, max_size=5))
def test_present_becomes_the_mask_of_the_representation(order, flags):
    """Columns follow the sorted names, rows of the mask the order of the representation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = FrozenEncoder(Fragile(order))
    sensed = {name: torch.as_tensor(value) for name, value in observation(len(flags)).items()}
    columns = torch.tensor(flags)
    masks = {"image": columns[:, 0] == 1, "sound": columns[:, 1] == 1}
    expected = encoder.representation.encode(sensed, masks)
    for dtype in (torch.int8, torch.float32, torch.bool):
        assert torch.equal(encoder.encode({**sensed, "present": columns.to(dtype)}), expected)


def test_present_of_a_subset(representation_folder):
    """Columns of modalities that the encoder leaves out, or that are not observed, count for nothing."""
    encoder = FrozenEncoder(representation_folder, modalities=("sound",))
    sensed = {name: torch.as_tensor(value) for name, value in observation().items()}
    sound = encoder.encode({"sound": sensed["sound"]})
    flags = torch.tensor([[0, 1], [1, 1], [0, 1], [1, 1]])
    assert torch.equal(encoder.encode({**sensed, "present": flags}), sound)
    assert torch.equal(encoder.encode({"sound": sensed["sound"], "present": torch.ones(4, 1)}), sound)
    both = FrozenEncoder(representation_folder)
    assert torch.equal(both.encode({"sound": sensed["sound"], "present": torch.ones(4, 1)}), sound)
    blind = encoder.encode({**sensed, "present": torch.tensor([[1, 1], [1, 0], [1, 1], [0, 1]])})
    assert torch.equal(blind[[0, 2, 3]], encoder.encode({"sound": sensed["sound"][[0, 2, 3]]}))
    assert not blind[1].any()
    assert not encoder.encode({**sensed, "present": torch.zeros(4, 2)}).any()


class Shapes(gymnasium.Env):
    """An image with channels last, and uint8 entries that are no images for Stable-Baselines3."""

    observation_space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (8, 9, 3), np.uint8),
            "buttons": spaces.Box(0, 255, (5,), np.uint8),
            "map": spaces.Box(0, 255, (2, 3, 4, 2), np.uint8),
            "pose": spaces.Box(-1.0, 1.0, (2, 2), np.float32),
        }
    )
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def test_extractor_undoes_what_stable_baselines_does_to_observations():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        representation = Fragile(space=Shapes.observation_space)
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": representation},
        "net_arch": [4],
    }
    model = PPO("MultiInputPolicy", Shapes(), policy_kwargs=policy, n_steps=8, batch_size=8, seed=0, device="cpu")
    sensed = model.env.reset()
    assert sensed["camera"].shape == (1, 3, 8, 9)
    raw = {**sensed, "camera": sensed["camera"].transpose(0, 2, 3, 1)}
    features = model.policy.extract_features(model.policy.obs_to_tensor(sensed)[0])
    np.testing.assert_allclose(features, FrozenEncoder(representation).encode_arrays(raw), atol=1e-5)
    assert model.learn(16).num_timesteps == 16


def test_numbers_that_pretraining_takes_are_taken_by_agents():
    kinds = {"float64": (-1, 1), "int16": (-(2**15), 2**15 - 1), "int64": (0, 3), "bool": (0, 1)}
    space = spaces.Dict({kind: spaces.Box(*bounds, (5,), np.dtype(kind)) for kind, bounds in kinds.items()})
    representation = build("gmc", modalities_from_space(space)).eval()
    space.seed(4)
    rows = [space.sample() for _ in range(3)]
    batch = {name: np.stack([row[name] for row in rows]) for name in kinds}
    expected = representation.encode({name: torch.tensor(values.astype(np.float32)) for name, values in batch.items()})
    encoder = FrozenEncoder(representation)
    encoder.check_space(space)
    np.testing.assert_array_equal(encoder.encode_arrays(batch), expected.detach().numpy())
    extractor = FrozenExtractor(space, representation)
    seen = preprocess_obs({name: torch.tensor(values) for name, values in batch.items()}, space)
    torch.testing.assert_close(extractor(seen), expected, rtol=0, atol=0)
    bytes_now = spaces.Dict({**space.spaces, "int16": spaces.Box(0, 255, (5,), np.uint8)})
    with pytest.raises(ValueError, match=r"`observation_space\['int16'\]` must be a Box .* dtype float32"):
        encoder.check_space(bytes_now)


def test_learning_with_missing_modalities(representation_folder, make_venv):
    venv = GymnasiumVecEnv(VectorMissingModalities(make_venv().venv, 0.5))
    policy = {
        "features_extractor_class": FrozenExtractor,
        "features_extractor_kwargs": {"representation": representation_folder},
        "net_arch": [8],
    }
    model = SAC("MultiInputPolicy", venv, policy_kwargs=policy, seed=0, device="cpu", **OFF_POLICY).learn(30)
    assert model.num_timesteps == 30


def test_modalities_restrict_what_is_encoded(representation_folder):
    encoder = FrozenEncoder(representation_folder, modalities=("sound",))
    sensed = {name: torch.as_tensor(value) for name, value in observation().items()}
    sound = encoder.representation.encode({"sound": sensed["sound"]})
    torch.testing.assert_close(encoder.encode(sensed), sound)
    masked = {**sensed, "present": torch.ones(4, 2)}
    torch.testing.assert_close(encoder.encode(masked), sound)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_encode_alike(representation_folder, copied):
    extractor = FrozenExtractor(SPACE, representation_folder)
    sensed = {name: torch.as_tensor(value) for name, value in observation().items()}
    sensed["image"] = sensed["image"].float() / 255.0
    torch.testing.assert_close(copied(extractor)(sensed), extractor(sensed), rtol=0, atol=0)


def test_moves_follow_the_device_and_keep_the_dtype(representation_folder):
    extractor = FrozenExtractor(SPACE, representation_folder)
    assert extractor.to("cpu").double().half() is extractor
    assert {parameter.dtype for parameter in extractor.encoder.representation.parameters()} == {torch.float32}
    assert extractor.encoder.representation.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_encoder_goes_where_the_input_is(representation_folder):
    extractor = FrozenExtractor(SPACE, representation_folder).to("cuda")
    assert extractor.encoder.representation.device.type == "cuda"
    sensed = {name: torch.as_tensor(value).float() for name, value in observation().items()}
    sensed["image"] /= 255.0
    assert extractor(sensed).device.type == "cpu"
    assert extractor({name: value.cuda() for name, value in sensed.items()}).device.type == "cuda"


class TestErrors:
    def test_space_is_no_dict(self, representation_folder):
        with pytest.raises(
            TypeError, match=r"`observation_space` must be a `gymnasium.spaces.Dict` of modalities, got Box"
        ):
            FrozenExtractor(SPACE["image"], representation_folder)

    def test_unknown_modality_in_the_space(self, representation_folder):
        space = spaces.Dict({**SPACE.spaces, "smell": spaces.Box(0, 1, (3,))})
        with pytest.raises(ValueError, match=r"`observation_space` must be one of 'image', 'sound'; got 'smell'"):
            FrozenExtractor(space, representation_folder)

    def test_no_modality_left(self, representation_folder):
        space = spaces.Dict({"sound": SPACE["sound"]})
        with pytest.raises(ValueError, match=r"holds none of the modalities \['image'\]; got \['sound'\]"):
            FrozenExtractor(space, representation_folder, modalities=("image",))

    def test_other_shape(self, representation_folder):
        space = MultimodalPendulumEnv(frame_stack=3).observation_space
        with pytest.raises(
            ValueError, match=r"must be a Box of shape \(2, 60, 60\) and dtype uint8.*with the options that it had"
        ):
            FrozenExtractor(space, representation_folder)

    def test_present_of_another_size(self, representation_folder):
        space = spaces.Dict({**SPACE.spaces, "present": spaces.MultiBinary(3)})
        with pytest.raises(ValueError, match=r"must be MultiBinary\(2\), one entry per modality"):
            FrozenExtractor(space, representation_folder)

    def test_flags_of_another_shape(self, representation_folder):
        encoder = FrozenEncoder(representation_folder)
        sensed = {name: torch.as_tensor(value) for name, value in observation().items()}
        with pytest.raises(ValueError, match=r"must have shape \(4, 2\), .*one column per modality .*'sound'"):
            encoder.encode({**sensed, "present": torch.ones(4, 3)})

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [(None, TypeError), (5, TypeError), ([], TypeError), ({"sound": [1.0]}, TypeError), ({}, ValueError)],
    )
    def test_what_is_no_observation(self, wrong, error, representation_folder):
        with pytest.raises(error, match="`observation"):
            FrozenEncoder(representation_folder).encode(wrong)

    def test_neither_path_nor_representation(self):
        with pytest.raises(TypeError, match=r"`representation` must be the folder.*got int"):
            FrozenEncoder(3)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            FrozenEncoder(tmp_path / "nowhere")

    def test_unknown_modality(self, representation_folder):
        with pytest.raises(
            ValueError, match=r"`modalities` must be one of 'image', 'sound'; got 'sond'. Did you mean 'sound'"
        ):
            FrozenEncoder(representation_folder, modalities=("sond",))

    def test_no_modalities(self, representation_folder):
        with pytest.raises(ValueError, match=r"`modalities` must name at least one of 'image', 'sound'; got none"):
            FrozenEncoder(representation_folder, modalities=())

    def test_modalities_as_one_string(self, representation_folder):
        with pytest.raises(TypeError, match=r"got the string 'sound'; write \('sound',\)"):
            FrozenEncoder(representation_folder, modalities="sound")

    def test_images_that_are_not_divided_by_255(self, representation_folder):
        encoder = FrozenEncoder(representation_folder)
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            encoder.encode({"image": torch.as_tensor(observation()["image"]).float()})

    def test_nan(self, representation_folder):
        encoder = FrozenEncoder(representation_folder)
        with pytest.raises(ValueError, match="must be finite"):
            encoder.encode_arrays({"sound": np.full((2, 2, 3, 2), np.nan, np.float32)})
