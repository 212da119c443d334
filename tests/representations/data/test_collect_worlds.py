"""Collecting from any environment: episodes that end early, all kinds of actions, masks, and what is refused."""

import math
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch

from anysense.envs import PRESENT
from anysense.envs.episodes import Episodes
from anysense.envs.faults import EnvironmentFaultError
from anysense.envs.world import World
from anysense.representations.data import Transitions, collect, collection_bytes
from anysense.representations.data.recording import EpisodeBuffers, Layout

ID = "tests/Corridor-v0"
ACTIONS: dict[str, gym.spaces.Space[Any]] = {
    "box": gym.spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 1.0], np.float32)),
    "double": gym.spaces.Box(-1.0, 3.0, (2, 3), np.float64),
    "discrete": gym.spaces.Discrete(5, start=-2),
    "binary": gym.spaces.MultiBinary(3),
    "unbounded": gym.spaces.Box(-np.inf, 1.0, (2,)),
}
BROKEN = {
    "nan": np.array([math.nan, 0.0], np.float32),
    "infinity": np.array([0.0, math.inf], np.float32),
    "shape": np.zeros(3, np.float32),
}


class Corridor(gym.Env[dict[str, Any], Any]):
    """Episodes of given lengths, one after the other. Observations say which episode and which step it is."""

    def __init__(
        self,
        lengths: tuple[int, ...] = (4, 1, 7),
        actions: str = "box",
        truncates: bool = False,
        states: bool = True,
        masked: bool = False,
        broken: str = "",
    ) -> None:
        spaces = {"camera": gym.spaces.Box(0, 255, (3, 4, 4), np.uint8), "lidar": gym.spaces.Box(-1e6, 1e6, (2,))}
        self.observation_space = gym.spaces.Dict({**spaces, PRESENT: gym.spaces.MultiBinary(2)} if masked else spaces)
        self.action_space = ACTIONS[actions]
        self.lengths, self.truncates, self.states, self.masked, self.broken = lengths, truncates, states, masked, broken
        self.episode = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.episode, self.step_number = self.episode + 1, 0
        return self._seen()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        assert self.action_space.contains(action)
        self.step_number += 1
        ends = self.step_number >= self.lengths[self.episode % len(self.lengths)]
        late = self.broken == "reward" and self.episode > 1
        reward = math.nan if late else 10.0 * self.episode + self.step_number
        observation, info = self._seen()
        return observation, reward, ends and not self.truncates, ends and self.truncates, info

    def _seen(self) -> tuple[Any, Any]:
        camera = np.full((3, 4, 4), self.step_number, np.uint8)
        observation = {"camera": camera, "lidar": np.array([self.episode, self.step_number], np.float32)}
        if self.episode > 1 and self.broken in BROKEN:
            observation["lidar"] = BROKEN[self.broken]
        if self.episode > 1 and self.broken == "missing":
            del observation["lidar"]
        if self.masked:
            seen = self.step_number % 2
            observation[PRESENT] = np.array([1, 2 if self.broken == "present" else seen], np.int8)
            observation["lidar"] = observation["lidar"] if seen or self.broken else np.full(2, np.nan, np.float32)
        state = np.array([self.episode, self.step_number], np.float64)
        return observation, {"state": state} if self.states else {}


gym.register(ID, Corridor, disable_env_checker=True, order_enforce=False)


def corridor(kind: type[World] = World, **options: Any) -> World:
    return kind(ID, options)


class Long(World):
    """Plans episodes that are longer than the environment lets them be."""

    skip: ClassVar[int] = 0
    vector_size: ClassVar[int] = 1

    def collection(self, policy: str, samples: int) -> list[Episodes]:
        return [Episodes(samples, 5, self.skip)]


class Skipping(Long):
    skip = 2


class Several(Long):
    vector_size = 3


class Narrow(Long):
    """Says that observations stack two frames, which they do not."""

    @property
    def frame_stack(self) -> int:
        return 2


def check_against_the_environment(data: Transitions, lengths: tuple[int, ...], skip: int = 0) -> None:
    """Whatever an observation says about episode and step must fit the transition that it belongs to."""
    rows = torch.arange(len(data))
    now, after = data.state(rows), data.next_state(rows)
    torch.testing.assert_close(now[:, 0], after[:, 0])
    torch.testing.assert_close(now[:, 1] + 1, after[:, 1])
    assert bool((now[:, 1] >= skip).all())
    assert bool((after[:, 1] <= torch.tensor(lengths)[now[:, 0].long() % len(lengths)]).all())
    torch.testing.assert_close(data.observation(rows)["lidar"].double(), now)
    torch.testing.assert_close(data.next_observation(rows)["lidar"].double(), after)
    assert torch.equal(data.observation(rows)["camera"].flatten(1)[:, 0].double(), now[:, 1])
    torch.testing.assert_close(data.reward(rows), 10 * now[:, 0] + after[:, 1])
    assert bool((data.states[data.first][:, 1] == 0).all())
    per_trajectory = [now[data.trajectory == number] for number in data.trajectory.unique()]
    assert all(bool((part[1:, 1] == part[:-1, 1] + 1).all()) for part in per_trajectory)
    assert data.trajectory.unique().tolist() == list(range(len(per_trajectory)))


@pytest.mark.parametrize("kind", [World, Long, Several])
@pytest.mark.parametrize("truncates", [False, True])
@pytest.mark.parametrize("samples", [1, 4, 5, 23])
def test_exactly_the_wanted_transitions_come_however_episodes_end(kind, truncates, samples):
    lengths = (4, 1, 7)
    data = collect(corridor(kind, lengths=lengths, truncates=truncates), samples)
    assert len(data) == samples
    check_against_the_environment(data, lengths)
    assert data.frame_stack is None
    assert data.observation([0])["camera"].shape == (1, 3, 4, 4)
    longest = torch.bincount(data.trajectory).max()
    assert longest <= (7 if kind is World else 5)


def test_steps_that_the_policy_leaves_out_are_left_out_of_every_episode():
    data = collect(corridor(Skipping, lengths=(4, 1, 7, 3)), 20)
    check_against_the_environment(data, (4, 1, 7, 3), skip=2)
    assert set(data.state(range(20))[:, 0].long().remainder(4).tolist()) == {0, 2, 3}


def test_an_environment_that_ends_before_anything_is_recorded():
    with pytest.raises(RuntimeError, match=r"tests/Corridor-v0 ends every episode within the 2 steps that the policy"):
        collect(corridor(Skipping, lengths=(2,)), 5)


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [("box", torch.float32, (2,)), ("double", torch.float64, (2, 3)), ("discrete", torch.int64, ())],
)
def test_actions_are_uniform_over_their_space(name, dtype, shape):
    space = ACTIONS[name]
    data = collect(corridor(actions=name), 2_000)
    actions = data.action(range(2_000))
    assert (actions.dtype, tuple(actions.shape)) == (dtype, (2_000, *shape))
    if isinstance(space, gym.spaces.Discrete):
        counts = torch.bincount(actions + 2, minlength=5)
        assert len(counts) == 5
        assert int(counts.min()) > 400 - 6 * math.sqrt(320)
        return
    low, high = torch.from_numpy(space.low).double(), torch.from_numpy(space.high).double()
    share = (actions.double() - low) / (high - low)
    assert float(share.min()) >= 0
    assert float(share.max()) <= 1
    assert bool(((share.mean(0) - 0.5).abs() < 6 * math.sqrt(1 / 12 / 2_000)).all())
    assert bool(((share.var(0) - 1 / 12).abs() < 0.01).all())


def test_the_seed_decides_and_files_restore_everything(tmp_path):
    one, same, other = (collect(corridor(lengths=(3, 5)), 40, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.actions, same.actions)
    assert one.fingerprint() == same.fingerprint()
    assert not torch.equal(one.actions, other.actions)
    assert one.fingerprint() != other.fingerprint()
    one.save(tmp_path / "data.npz")
    restored = Transitions.load(tmp_path / "data.npz")
    check_against_the_environment(restored, (3, 5))
    assert restored.world == {"id": ID, "options": {"lengths": [3, 5]}}
    assert (restored.frame_stack, restored.policy, restored.seed) == (None, "random", 0)
    assert restored.fingerprint() == one.fingerprint()


def test_an_environment_without_states_and_without_read_outs():
    data = collect(corridor(states=False), 10)
    assert data.states is None
    assert data.probe_targets([0]) is None
    with pytest.raises(ValueError, match=r"no states were recorded: 'tests/Corridor-v0' gives no info\['state'\]"):
        data.state([0])
    assert collect(corridor(), 10).probe_targets([0]) is None


def test_masks_of_the_environment_are_kept(tmp_path):
    data = collect(corridor(masked=True, lengths=(6,)), 30)
    rows = torch.arange(30)
    present = data.present(rows)
    assert data.modalities_recorded() == ("camera", "lidar")
    assert bool(present[0].all())
    assert torch.equal(present[1], data.state(rows)[:, 1] % 2 == 1)
    assert bool(data.observation(rows)["lidar"].isnan().all(dim=1).eq(~present[1]).all())
    data.save(tmp_path / "data.npz")
    assert torch.equal(Transitions.load(tmp_path / "data.npz").present(rows), present)
    part = data.select([1, 3, 5])
    assert torch.equal(part.present([0, 2]), present[:, [1, 5]])
    alone = collect(corridor(masked=True, lengths=(6,)), 30, modalities=("camera",))
    assert alone.modalities_recorded() == ("camera",)


@pytest.mark.parametrize("kind", [World, Several])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("nan", r"`env` tests/Corridor-v0: 'lidar' has NaN or infinity"),
        ("infinity", r"'lidar' has NaN or infinity\. Repair the environment"),
        ("reward", r"`env` tests/Corridor-v0: the reward must be a finite number, got nan"),
        ("shape", r"'lidar' must have shape \(2,\) as declared, got \(3,\)"),
        ("missing", r"the observation must hold 'lidar', it holds \['camera'\]"),
    ],
)
def test_broken_observations_name_world_and_entry(kind, broken, message):
    with pytest.raises(EnvironmentFaultError, match=message):
        collect(corridor(kind, broken=broken), 100)


def test_masks_hold_nothing_but_zero_and_one():
    with pytest.raises(EnvironmentFaultError, match=r"`present` of tests/Corridor-v0 holds other numbers than 0 and 1"):
        collect(corridor(masked=True, broken="present"), 10)
    known = corridor(masked=True)
    buffers = EpisodeBuffers(Layout.of(known, known.observation_space, None), 1, Episodes(1, 1))
    buffers.begin(np.ones(1, np.int64))
    seen = {"camera": np.zeros((1, 3, 4, 4), np.uint8), "lidar": np.zeros((1, 2), np.float32)}
    with pytest.raises(EnvironmentFaultError, match=r"`present` of .* holds other numbers"):
        buffers.see({**seen, PRESENT: np.array([[1.0, math.nan]])}, {})


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (corridor(actions="binary"), r"random actions can be drawn from a Discrete or a bounded"),
        (corridor(actions="unbounded"), r"Box space; got Box\(-inf"),
        (corridor(Narrow), r"'camera' of tests/Corridor-v0 must stack 2 frames along its first axis.*\(3, 4, 4\)"),
    ],
)
def test_worlds_that_cannot_be_collected_from(world, message):
    with pytest.raises(ValueError, match=message):
        collect(world, 10)


def test_memory_of_a_world_without_stacks():
    world = corridor(Long, lengths=(9,))
    # 20 transitions of 8 + 4 * 8 bytes; 4 episodes of 6 instants and one that runs, of 48 + 8 bytes.
    assert collection_bytes(world, 20) == 20 * (8 + 4 * 8) + (4 * 6 + 6) * (48 + 8)
