"""Evaluation by modality against single environments, loops and the physics."""

import gymnasium as gym
import numpy as np
import pytest

import anysense.envs
from anysense.agents import evaluation
from anysense.agents.evaluation import EvaluationEpisodes, MissingLevel, RandomAgent, reference_results
from anysense.agents.results import EpisodeResults, load_results, save_results
from anysense.agents.summary import columns_of, summarise
from anysense.envs import World, world
from anysense.envs.pendulum.references import ZeroController, simulate
from anysense.envs.sensors.corruption import Corruption

WORLD = world()
STARTS = WORLD.start_states(7, 11)


def evaluate(agent, modalities, starts, steps=300, options=None, *arguments, seed=0, **keywords):
    episodes = EvaluationEpisodes(len(starts), steps, seed, starts)
    return evaluation.evaluate(agent, world(options=options), modalities, episodes, *arguments, **keywords)


class ConstantTorque:
    def __init__(self, torque: float) -> None:
        self.torque = torque
        self.seen: list[dict[str, np.ndarray]] = []

    def act(self, observation):
        self.seen.append({name: array.copy() for name, array in observation.items()})
        count = len(next(iter(observation.values())))
        return np.full((count, 1), self.torque, np.float32)


class Reflex:
    """A torque from whatever is sensed, each row by itself."""

    def act(self, observation):
        total = sum(
            array.reshape(len(array), -1).astype(np.float64).mean(axis=1) * (1 + number)
            for number, (_, array) in enumerate(sorted(observation.items()))
        )
        return (2 * np.sin(37 * total))[:, None].astype(np.float32)


@pytest.mark.parametrize("order", ["gymnasium", "gym-0.19"])
def test_constant_torque_earns_what_the_physics_say(order):
    class Constant:
        def act(self, state):
            return np.full((len(state), 1), 1.5)

    agent = ConstantTorque(1.5)
    result = evaluate(agent, ("sound",), STARTS, 120, {"physics": order}, batch_envs=3)
    np.testing.assert_array_equal(result.returns, simulate(Constant(), STARTS, 120, order))
    np.testing.assert_array_equal(result.average_reward, result.returns / 120)
    np.testing.assert_array_equal(result.starts, STARTS)
    assert [len(seen["sound"]) for seen in agent.seen] == [3] * 240 + [1] * 120
    assert (result.name, result.modalities, result.corruption, result.missing) == ("agent", ("sound",), (), "")


@pytest.mark.parametrize("modalities", [("image", "sound"), ("image",), ("sound",)])
def test_parallel_episodes_equal_single_environments(modalities):
    result = evaluate(Reflex(), modalities, STARTS[:3], 25)
    env = gym.make(anysense.envs.DEFAULT_WORLD, modalities=modalities)
    for start, total in zip(STARTS, result.returns, strict=False):
        observation, _ = env.reset(options={"state": start})
        expected = 0.0
        for _ in range(25):
            batch = {name: array[None] for name, array in observation.items()}
            assert tuple(batch) == modalities
            observation, reward, *_ = env.step(Reflex().act(batch)[0])
            expected += reward
        assert total == pytest.approx(expected, rel=1e-12)
    env.close()


def test_episodes_may_be_longer_than_the_time_limit():
    result = evaluate(ConstantTorque(0.0), ("sound",), STARTS, 450)
    np.testing.assert_array_equal(result.returns, simulate(ZeroController(), STARTS, 450))


def test_sound_alone_renders_nothing(monkeypatch):
    def refuse(*arguments, **settings):
        raise AssertionError("rendered")

    monkeypatch.setattr("anysense.envs.pendulum.simulation.shared_frame_table", refuse)
    evaluate(ConstantTorque(0.0), ("sound",), STARTS, 3)
    with pytest.raises(AssertionError, match="rendered"):
        evaluate(ConstantTorque(0.0), ("image",), STARTS, 3)


CORRUPTION = ("image:gaussian_noise:0.1", Corruption("sound", "frozen_sensor", 0.5))


def test_results_do_not_depend_on_the_batch_and_repeat_with_the_seed():
    def returns(batch_envs, seed):
        missing = MissingLevel({"image": 0.4, "sound": 0.2})
        return evaluate(
            Reflex(), ("image", "sound"), STARTS, 12, None, CORRUPTION, missing, seed=seed, batch_envs=batch_envs
        ).returns

    whole = returns(500, 3)
    np.testing.assert_allclose(returns(2, 3), whole, rtol=1e-12)
    assert (returns(500, 4) != whole).any()


def test_corruption_reaches_the_agent_and_is_named():
    agent = ConstantTorque(0.0)
    result = evaluate(agent, ("image", "sound"), STARTS, 5, corruption=("sound:dead_sensor", "image:salt_and_pepper:1"))
    assert result.corruption == ("sound:dead_sensor", "image:salt_and_pepper:1")
    for seen in agent.seen:
        assert not seen["sound"].any()
        assert set(np.unique(seen["image"])) == {0, 255}


@pytest.mark.parametrize("per", ["step", "episode"])
def test_dropout_says_which_modalities_are_present(per):
    agent = ConstantTorque(0.0)
    starts = WORLD.start_states(400, 0)
    result = evaluate(agent, ("image", "sound"), starts, 6, missing=MissingLevel({"sound": 0.3}, per))
    assert result.missing == f"sound 0.3 per {per}"
    present = np.array([seen["present"] for seen in agent.seen])
    assert present[..., 0].all()
    assert present[..., 1].mean() == pytest.approx(0.7, abs=0.1)
    assert (present == present[0]).all() == (per == "episode")
    for seen in agent.seen:
        np.testing.assert_array_equal(seen["sound"].any(axis=(1, 2, 3)), seen["present"][:, 1] == 1)
    assert str(MissingLevel(0.25, "episode")) == "0.25 per episode"


def test_progress_counts_up_to_the_total():
    calls = []
    evaluate(ConstantTorque(0.0), ("sound",), STARTS, 4, batch_envs=3, progress=lambda *counts: calls.append(counts))
    assert calls == [(done, 12) for done in range(1, 13)]


def test_start_states_are_fixed_uniform_and_nested():
    states = WORLD.start_states(4000, 5)
    np.testing.assert_array_equal(states, WORLD.start_states(4000, 5))
    np.testing.assert_array_equal(states[:10], WORLD.start_states(10, 5))
    assert (states != WORLD.start_states(4000, 6)).all()
    assert (np.abs(states) <= (np.pi, 1)).all()
    np.testing.assert_allclose(states.std(axis=0), (np.pi / np.sqrt(3), 1 / np.sqrt(3)), rtol=0.03)
    np.testing.assert_array_equal(EvaluationEpisodes.of(WORLD, 10, None, 5).starts, states[:10])
    assert EvaluationEpisodes.of(WORLD, 10, None, 5).steps == 300


class Countdown(gym.Env):
    """Ends after as many steps as the reset drew; the reward is 1 per step and names the episode by its length."""

    observation_space = gym.spaces.Dict({"clock": gym.spaces.Box(0, 100, (1,), np.float32)})
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(2, 9))
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.left -= 1
        return self._observation(), 1.0, self.left == 0, False, {}

    def _observation(self):
        return {"clock": np.array([self.left], np.float32)}


@pytest.fixture
def countdown():
    gym.register("test/Countdown-v0", entry_point=Countdown, max_episode_steps=6)
    yield World("test/Countdown-v0")
    gym.registry.pop("test/Countdown-v0")


@pytest.mark.parametrize("batch_envs", [500, 3])
def test_episodes_that_end_early_count_to_their_end_only(countdown, batch_envs):
    """Against single environments with the same seeds; actions are discrete, the score is the return."""
    episodes = EvaluationEpisodes.of(countdown, 10, None, 40)
    agent = RandomAgent(countdown.action_space, 1)
    result = evaluation.evaluate(agent, countdown, ("clock",), episodes, batch_envs=batch_envs)
    lengths = []
    for seed in range(40, 50):
        observation, _ = (env := Countdown()).reset(seed=seed)
        lengths.append(min(int(observation["clock"][0]), 6))
        env.close()
    np.testing.assert_array_equal(result.lengths, lengths)
    np.testing.assert_array_equal(result.returns, lengths)
    assert result.starts is None
    references = reference_results(countdown, episodes)
    assert list(references) == ["random"]
    records = summarise([result], references, countdown, resamples=50)
    assert {record.metric for record in records} == {"return", "average_reward", "length"}
    assert [column.key for column in columns_of(countdown)] == ["return", "average_reward", "length"]
    with pytest.raises(ValueError, match=r"`reference_option` has no meaning for test/Countdown-v0; got"):
        reference_results(countdown, episodes, {"max_torque": 1})


def test_wrong_input_is_refused():
    agent = ConstantTorque(0.0)
    with pytest.raises(ValueError, match=r"got 'sond'. Did you mean 'sound'"):
        evaluate(agent, ("sond",), STARTS)
    with pytest.raises(ValueError, match=r"`modalities` must name at least one"):
        evaluate(agent, (), STARTS)
    with pytest.raises(ValueError, match=r"`modality` must be one of 'sound'; got 'image'"):
        evaluate(agent, ("sound",), STARTS, corruption=("image:dead_sensor",))
    with pytest.raises(ValueError, match=r"`corruption` must be one of .*Did you mean 'delay'"):
        evaluate(agent, ("sound",), STARTS, corruption=("sound:dealy:3",))
    with pytest.raises(ValueError, match=r"`probability of modality 'sound'` must lie in \[0, 1\], got 3"):
        evaluate(agent, ("sound",), STARTS, missing=MissingLevel(3))
    with pytest.raises(ValueError, match=r"`episodes` must be a whole number of at least 1, got 0"):
        evaluate(agent, ("sound",), STARTS[:0])
    for count, steps, name in ((0, 5, "episodes"), (5, -1, "steps")):
        with pytest.raises(ValueError, match=rf"`{name}` must be a whole number of at least 1"):
            EvaluationEpisodes.of(WORLD, count, steps, 0)
    with pytest.raises(ValueError, match=r"`batch_envs` must be a whole number of at least 1, got 0"):
        evaluate(agent, ("sound",), STARTS, batch_envs=0)
    with pytest.raises(ValueError, match=r"`actions` must not be NaN"):
        evaluate(ConstantTorque(np.nan), ("sound",), STARTS)


def result(name: str, average: np.ndarray, steps: int = 300, modalities: tuple[str, ...] = ()) -> EpisodeResults:
    starts, lengths = WORLD.start_states(len(average), 1), np.full(len(average), steps)
    return EpisodeResults(name, np.asarray(average) * steps, lengths, starts, 0, steps, modalities)


@pytest.fixture
def references() -> dict[str, EpisodeResults]:
    rng = np.random.default_rng(0)
    return {
        "optimal": result("optimal", rng.normal(-0.45, 0.2, 200)),
        "random": result("random", rng.normal(-6, 1.5, 200)),
    }


def values(records, method, metric):
    (found,) = [record for record in records if (record.method, record.metric) == (method, metric)]
    return found.value, found.low, found.high


def test_summary_holds_averages_gaps_and_shares(references):
    agent = result("agent", references["optimal"].average_reward - 0.03, modalities=("sound",))
    records = summarise([agent], references, WORLD, resamples=500)
    assert list(dict.fromkeys(record.method for record in records)) == ["agent", "optimal", "random"]
    assert {record.subset for record in records} == {"sound", ""}
    value, low, high = values(records, "agent", "average_reward")
    assert value == pytest.approx(agent.average_reward.mean())
    assert low < value < high
    assert values(records, "agent", "return")[1] == pytest.approx(300 * low)
    assert values(records, "agent", "gap") == pytest.approx((0.03, 0.03, 0.03))
    assert values(records, "optimal", "gap")[2] == 0.0
    assert (values(records, "optimal", "share")[0], values(records, "random", "share")[0]) == (1.0, 0.0)
    span = references["optimal"].average_reward.mean() - references["random"].average_reward.mean()
    assert values(records, "agent", "share")[0] == pytest.approx(1 - 0.03 / span)


def test_a_share_without_meaning_is_left_out(references):
    """One step is too short for random torque to be worse than the optimum."""
    swapped = {"optimal": references["random"], "random": references["optimal"]}
    metrics = {record.metric for record in summarise([], swapped, WORLD, resamples=50)}
    assert metrics == {"average_reward", "return", "gap"}


def test_summary_refuses_results_that_do_not_belong_together(references):
    for other in (result("agent", np.zeros(200), steps=100), result("agent", np.zeros(100))):
        with pytest.raises(ValueError, match=r"`results` of 'agent' .* must be of the same episodes"):
            summarise([other], references, WORLD)


def test_agent_without_torque_is_summarised_like_the_zero_reference(monkeypatch):
    monkeypatch.setattr("anysense.envs.pendulum.references.OptimalController", lambda *arguments: _Damped())
    references = reference_results(WORLD, EvaluationEpisodes(7, 300, 0, STARTS))
    assert list(references) == ["optimal", "zero", "random"]
    zero = evaluate(ConstantTorque(0.0), ("sound",), STARTS, 300)
    records = summarise([zero], references, WORLD, resamples=200)
    np.testing.assert_array_equal(zero.returns, references["zero"].returns)
    assert values(records, "agent", "average_reward") == values(records, "zero", "average_reward")
    assert values(records, "agent", "gap")[0] > 0


class _Damped:
    """Good enough to stand in for the optimal controller."""

    def act(self, state):
        theta = (state[:, :1] + np.pi) % (2 * np.pi) - np.pi
        pumping = np.sign(state[:, 1:]) * 2
        return np.where(np.abs(theta) < 0.4, -15 * theta - 4 * state[:, 1:], pumping)


@pytest.mark.parametrize(
    ("starts", "returns", "length", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2), 1, r"`starts` must have the shape \(2, K\); got \(3, 2\)"),
        (np.zeros((0, 2)), np.zeros(0), 1, "`returns` must hold at least one episode, got none"),
        (np.zeros((2, 2)), np.array([0.0, np.nan]), 1, "`returns` must be finite; 1 are not"),
        (np.zeros((2, 2)), np.zeros(2), 0, "`lengths` must be at least 1, got 0"),
    ],
)
def test_impossible_results_are_refused(starts, returns, length, message):
    with pytest.raises(ValueError, match=message):
        EpisodeResults("agent", returns, np.full(len(returns), length), starts, 0, 9)


@pytest.fixture
def saved(tmp_path, references):
    noisy = EpisodeResults(
        "agent", np.random.default_rng(2).normal(size=200), np.full(200, 300), WORLD.start_states(200, 1), 7, 300,
        ("image", "sound"), ("image:delay:2", "sound:dead_sensor"), "image 0.1, sound 0.2 per step",
    )  # fmt: skip
    records = summarise([noisy], references, WORLD, resamples=50)
    save_results(tmp_path / "results", [noisy, *references.values()], records, {"command": "evaluate"})
    return tmp_path / "results", [noisy, *references.values()], records


def test_saved_results_are_read_back_exactly(saved):
    folder, results, records = saved
    assert sorted(path.name for path in folder.iterdir()) == ["episodes.csv", "results.json"]
    loaded = load_results(folder)
    assert loaded.records == records
    assert loaded.details == {"command": "evaluate"}
    for got, expected in zip(loaded.results, results, strict=True):
        assert got.description() == expected.description()
        np.testing.assert_array_equal(got.returns, expected.returns)
        np.testing.assert_array_equal(got.starts, expected.starts)
    lines = (folder / "episodes.csv").read_text().splitlines()
    assert len(lines) == 1 + 600
    assert lines[1].startswith("0,agent,image+sound,image:delay:2 sound:dead_sensor,")


def test_results_that_json_cannot_hold_leave_the_old_files(saved):
    folder, results, _ = saved
    before = [path.read_bytes() for path in sorted(folder.iterdir())]
    for details, error in (({"rate": float("nan")}, ValueError), ({"path": folder}, TypeError)):
        with pytest.raises(error):
            save_results(folder, results, details=details)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == before


def test_kill_in_the_middle_of_writing_leaves_the_old_file(saved, monkeypatch):
    folder, results, _ = saved

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_results(folder, results[:1])
    assert len(load_results(folder).results) == 3
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format_version": 2', '"format_version": 1', "has format version 1; this release of"),
        ('"anysense results"', '"something"', "does not describe the results of an evaluation"),
        ("{", "", "is damaged: not valid JSON"),
        ('"evaluations"', '"evaluation"', "lacks an entry or was altered"),
        ('"steps"', '"step"', "lacks an entry or was altered"),
    ],
)
def test_altered_description_is_refused(saved, old, new, message):
    folder, _, _ = saved
    text = (folder / "results.json").read_text()
    assert old in text
    (folder / "results.json").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_results(folder)


def test_altered_or_missing_episodes_are_refused(saved):
    folder, _, _ = saved
    episodes = folder / "episodes.csv"
    episodes.write_text(episodes.read_text().replace("-0.", "-1.", 1))
    with pytest.raises(
        ValueError, match=r"episodes.csv` does not belong to results.json or was altered; evaluate again"
    ):
        load_results(folder)
    episodes.unlink()
    with pytest.raises(FileNotFoundError, match=r"episodes.csv` is missing; it belongs beside results.json"):
        load_results(folder)
