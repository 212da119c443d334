import numpy as np
import pytest
import torch

from anysense.envs.pendulum.acoustics import hear, receiver_positions
from anysense.envs.pendulum.physics import advance, reward
from anysense.envs.pendulum.raster import rod_frame
from anysense.envs.world import world
from anysense.representations.data import Transitions, collect, collection_bytes

PENDULUM = world()
POLICIES = PENDULUM.policies
SOUND_ONLY = ("sound",)


def everything(transitions: Transitions) -> torch.Tensor:
    return torch.arange(len(transitions))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("samples", [1, 7, 700])
def test_every_transition_obeys_physics(policy, samples):
    data = collect(PENDULUM, samples, policy, seed=3, modalities=SOUND_ONLY)
    rows = everything(data)
    state, torque = data.state(rows).numpy(), data.action(rows).numpy()[:, 0].astype(np.float64)
    assert len(data) == samples
    assert np.abs(torque).max() <= 2.0
    theta, omega = advance(state[:, 0], state[:, 1], torque)
    np.testing.assert_allclose(data.next_state(rows).numpy(), np.stack([theta, omega], 1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(data.reward(rows).numpy(), reward(state[:, 0], state[:, 1], torque), rtol=0, atol=1e-12)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_observation_shows_its_state(policy):
    data = collect(PENDULUM, 400, policy, seed=1)
    positions = receiver_positions(("left_bottom", "right_bottom", "middle_top"))
    rows = everything(data)
    for observation, state in (
        (data.observation(rows), data.state(rows).numpy()),
        (data.next_observation(rows), data.next_state(rows).numpy()),
    ):
        sound = hear(state[:, 0], state[:, 1], positions)
        np.testing.assert_allclose(observation["sound"][:, -1].numpy(), sound, rtol=1e-6)
        frames = observation["image"][:, -1].numpy().astype(int)
        # The environment draws from a table of fine angles: grey levels differ slightly at the edge of the rod.
        assert np.abs(frames - rod_frame(state[:, 0]).astype(int)).mean() < 0.5


@pytest.mark.parametrize("policy", POLICIES)
def test_the_older_frame_is_the_one_a_step_before(policy):
    data = collect(PENDULUM, 400, policy, seed=2)
    observation = data.observation(everything(data))
    fresh = data.current == data.first
    assert torch.equal(observation["image"][fresh, 0], observation["image"][fresh, 1])
    older = data.states[data.current[~fresh] - 1].numpy()
    newer = data.states[data.current[~fresh]].numpy()
    speed = (newer[:, 0] - older[:, 0]) / 0.05
    np.testing.assert_allclose(speed, newer[:, 1], atol=1e-9)
    positions = receiver_positions(("left_bottom", "right_bottom", "middle_top"))
    sound = observation["sound"][~fresh, 0].numpy()
    np.testing.assert_allclose(sound, hear(older[:, 0], older[:, 1], positions), rtol=1e-6)


def test_coverage_reaches_every_part_of_the_state_space_evenly():
    data = collect(PENDULUM, 12_000, "coverage", seed=0, modalities=SOUND_ONLY)
    state = data.state(everything(data)).numpy()
    angle = np.arctan2(np.sin(state[:, 0]), np.cos(state[:, 0]))
    counts, _, _ = np.histogram2d(angle, state[:, 1], bins=(6, 8), range=((-np.pi, np.pi), (-8.001, 8.001)))
    share = counts / counts.mean()
    assert share.min() > 0.2
    assert share.max() < 2.2
    fresh = (data.current == data.first).numpy()
    assert fresh.mean() == pytest.approx(0.05, abs=0.001)
    assert np.abs(state[fresh, 1]).max() <= 1.0


def test_random_policy_resets_every_300_steps():
    data = collect(PENDULUM, 1_000, "random", seed=0, modalities=SOUND_ONLY)
    assert torch.bincount(data.trajectory).tolist() == [300, 300, 300, 100]
    starts = data.states[data.first.unique()]
    assert starts[:, 1].abs().max() <= 1.0


def test_mixed_policy_is_half_of_each():
    data = collect(PENDULUM, 1_200, "mixed", seed=0, modalities=SOUND_ONLY)
    lengths = torch.bincount(data.trajectory)
    assert int(lengths[lengths > 100].sum()) == 600


@pytest.mark.parametrize("policy", POLICIES)
def test_the_seed_decides(policy):
    one, same, other = (collect(PENDULUM, 300, policy, seed, modalities=SOUND_ONLY) for seed in (5, 5, 6))
    for name in ("states", "actions", "rewards", "current", "first", "trajectory"):
        assert torch.equal(getattr(one, name), getattr(same, name))
    assert torch.equal(one.modalities["sound"], same.modalities["sound"])
    assert not torch.equal(one.states, other.states)


def test_global_generators_are_left_alone():
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    collect(PENDULUM, 50, "mixed", 0, modalities=SOUND_ONLY)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


@pytest.mark.parametrize("frame_stack", [1, 3])
def test_other_stacks_modalities_and_receivers(frame_stack, tmp_path):
    options = {"frame_stack": frame_stack, "receivers": ["middle_top"], "physics": "gym-0.19"}
    data = collect(world(options=options), 120, "coverage")
    assert data.observation([0, 1])["image"].shape == (2, frame_stack, 60, 60)
    assert data.observation([0, 1])["sound"].shape == (2, frame_stack, 1, 2)
    data.save(tmp_path / "data.npz")
    assert Transitions.load(tmp_path / "data.npz").world == data.world == {"id": PENDULUM.id, "options": options}


def test_frames_are_stored_once_and_files_stay_small(tmp_path):
    data = collect(PENDULUM, 2_000, "coverage", 0)
    assert data.instants < 1.55 * len(data)
    data.save(tmp_path / "data.npz")
    assert (tmp_path / "data.npz").stat().st_size < 60e6 * len(data) / 20_000


@pytest.mark.parametrize("policy", POLICIES)
def test_progress_counts_up_to_the_total(policy):
    calls = []
    collect(PENDULUM, 500, policy, 0, lambda done, total: calls.append((done, total)), SOUND_ONLY)
    done = [count for count, _ in calls]
    assert done == sorted(done)
    assert calls[-1] == (500, 500)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"samples": 0}, ValueError, r"`samples` must be at least 1, got 0"),
        ({"samples": 2.5}, TypeError, r"`samples` must be an integer, got 2.5"),
        ({"samples": 5, "seed": -1}, ValueError, r"`seed` must be at least 0, got -1"),
        ({"samples": 5, "policy": "coverge"}, ValueError, r"`policy` must be one of.*Did you mean 'coverage'"),
        ({"samples": 5, "modalities": ("smell",)}, ValueError, r"`modalities` must be one of .*got 'smell'"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        collect(PENDULUM, **arguments)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("modalities", [None, ("sound",)])
def test_memory_is_known_beforehand(policy, modalities, tmp_path):
    data = collect(PENDULUM, 3_000, policy, modalities=modalities)
    columns = (data.actions, data.rewards, data.current, data.first, data.trajectory)
    stored = sum(array.nbytes for array in (*data.modalities.values(), *columns))
    running = collection_bytes(PENDULUM, 3_000, policy, modalities) - stored
    frame = sum(array[0].nbytes for array in data.modalities.values())
    assert 0 < running <= 64 * 301 * frame
    data.save(tmp_path / "data.npz")
    assert (tmp_path / "data.npz").stat().st_size < stored + data.states.nbytes


def test_too_much_for_the_memory_is_said_before_anything_is_run():
    with pytest.raises(
        MemoryError, match=r"10{12} transitions of anysense/MultimodalPendulum-v0 need .* GB; collect few"
    ):
        collect(PENDULUM, 10**12, "random")
