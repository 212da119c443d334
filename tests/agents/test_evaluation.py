"""Evaluation by modality against single environments, loops and the physics."""

import gymnasium as gym
import numpy as np
import pytest

import anysense.envs
from anysense.agents.evaluation import MissingLevel, evaluate, every_subset, start_states
from anysense.agents.results import EpisodeResults, load_results, save_results
from anysense.agents.summary import Row, summarise
from anysense.envs.pendulum.references import ZeroController, reference_returns, simulate
from anysense.envs.sensors.corruption import Corruption

STARTS = start_states(7, seed=11)


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
    starts = start_states(400, seed=0)
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
    states = start_states(4000, seed=5)
    np.testing.assert_array_equal(states, start_states(4000, seed=5))
    np.testing.assert_array_equal(states[:10], start_states(10, seed=5))
    assert (states != start_states(4000, seed=6)).all()
    assert (np.abs(states) <= (np.pi, 1)).all()
    np.testing.assert_allclose(states.std(axis=0), (np.pi / np.sqrt(3), 1 / np.sqrt(3)), rtol=0.03)


def test_every_subset_is_listed_from_complete_to_single():
    assert every_subset(("image", "sound")) == [("image", "sound"), ("image",), ("sound",)]
    assert len(every_subset(("a", "b", "c"))) == 7
    assert every_subset(["sound"]) == [("sound",)]


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
    with pytest.raises(ValueError, match=r"`probability` of modality 'sound' must lie in \[0, 1\], got 3"):
        evaluate(agent, ("sound",), STARTS, missing=MissingLevel(3))
    with pytest.raises(ValueError, match=r"`state` must have shape \(N, 2\)"):
        evaluate(agent, ("sound",), STARTS[0])
    with pytest.raises(ValueError, match=r"`returns` must hold at least one episode, got none"):
        evaluate(agent, ("sound",), STARTS[:0])
    with pytest.raises(ValueError, match=r"`steps` must be a whole number of at least 1, got 0"):
        evaluate(agent, ("sound",), STARTS, 0)
    with pytest.raises(ValueError, match=r"`batch_envs` must be a whole number of at least 1, got 0"):
        evaluate(agent, ("sound",), STARTS, batch_envs=0)
    with pytest.raises(
        ValueError, match=r"`env_kwargs` must not hold 'modalities', which `evaluate` sets itself; got \('image',\)"
    ):
        evaluate(agent, ("sound",), STARTS, env_kwargs={"modalities": ("image",)})
    with pytest.raises(ValueError, match=r"`env_kwargs` must be one of .*got 'physic'. Did you mean 'physics'"):
        evaluate(agent, ("sound",), STARTS, env_kwargs={"physic": "gymnasium"})
    with pytest.raises(ValueError, match=r"`action` must not be NaN"):
        evaluate(ConstantTorque(np.nan), ("sound",), STARTS)
    with pytest.raises(ValueError, match=r"`count` must be a whole number of at least 1, got 0"):
        start_states(0, 1)


def result(name: str, average: np.ndarray, steps: int = 300, modalities: tuple[str, ...] = ()) -> EpisodeResults:
    starts = start_states(len(average), seed=1)
    return EpisodeResults(name, modalities, (), "", 0, steps, starts, np.asarray(average) * steps)


@pytest.fixture
def references() -> dict[str, EpisodeResults]:
    rng = np.random.default_rng(0)
    return {
        "optimal": result("optimal", rng.normal(-0.45, 0.2, 200)),
        "random": result("random", rng.normal(-6, 1.5, 200)),
    }


def test_summary_holds_averages_gaps_and_shares(references):
    agent = result("agent", references["optimal"].average_reward - 0.03, modalities=("sound",))
    rows = summarise([agent], references, resamples=500)
    assert [row.name for row in rows] == ["agent", "optimal", "random"]
    row = rows[0]
    assert (row.modalities, row.episodes, row.steps) == (("sound",), 200, 300)
    assert row.average_reward.value == pytest.approx(agent.average_reward.mean())
    assert row.deviation == pytest.approx(agent.average_reward.std(ddof=0))
    assert row.average_reward.low < row.average_reward.value < row.average_reward.high
    assert row.episode_return.low == pytest.approx(300 * row.average_reward.low)
    assert (row.gap.value, row.gap.low, row.gap.high) == pytest.approx((0.03, 0.03, 0.03))
    assert rows[1].gap.high == 0.0
    assert (rows[1].share.value, rows[2].share.value) == (1.0, 0.0)
    span = references["optimal"].average_reward.mean() - references["random"].average_reward.mean()
    assert row.share.value == pytest.approx(1 - 0.03 / span)
    assert Row.from_json(row.to_json()) == row


def test_summary_refuses_results_that_do_not_belong_together(references):
    with pytest.raises(
        ValueError, match=r"`references` must hold 'random', got \['optimal'\]; use `reference_returns`"
    ):
        summarise([], {"optimal": references["optimal"]})
    for other in (result("agent", np.zeros(200), steps=100), result("agent", np.zeros(100))):
        with pytest.raises(
            ValueError, match=r"`results` of 'agent' .* must have the same start states in the same order"
        ):
            summarise([other], references)
    with pytest.raises(ValueError, match=r"`content` is no row of a summary .*'episode_return'"):
        Row.from_json({"average_reward": {"value": 0, "low": 0, "high": 0}})


def test_agent_without_torque_is_summarised_like_the_zero_reference():
    references = reference_returns(STARTS, steps=300, optimal=_Damped())
    zero = evaluate(ConstantTorque(0.0), ("sound",), STARTS, 300)
    rows = summarise([zero], references, resamples=200)
    np.testing.assert_array_equal(zero.returns, references["zero"].returns)
    assert rows[0].average_reward == rows[2].average_reward
    assert rows[0].gap.value > 0


class _Damped:
    """Good enough to stand in for the optimal controller."""

    def act(self, state):
        theta = (state[:, :1] + np.pi) % (2 * np.pi) - np.pi
        pumping = np.sign(state[:, 1:]) * 2
        return np.where(np.abs(theta) < 0.4, -15 * theta - 4 * state[:, 1:], pumping)


@pytest.mark.parametrize(
    ("starts", "returns", "steps", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2), 1, r"shapes \(N, 2\) and \(N,\), got \(3, 2\) and \(2,\)"),
        (np.zeros((0, 2)), np.zeros(0), 1, "`returns` must hold at least one episode, got none"),
        (np.zeros((2, 2)), np.array([0.0, np.nan]), 1, "`returns` must be finite, got 1 that are not"),
        (np.zeros((2, 2)), np.zeros(2), 0, "`steps` must be at least 1, got 0"),
    ],
)
def test_impossible_results_are_refused(starts, returns, steps, message):
    with pytest.raises(ValueError, match=message):
        EpisodeResults("agent", (), (), "", 0, steps, starts, returns)


@pytest.fixture
def saved(tmp_path, references):
    noisy = EpisodeResults(
        "agent", ("image", "sound"), ("image:delay:2", "sound:dead_sensor"), "image 0.1, sound 0.2 per step", 7, 300,
        start_states(200, 1), np.random.default_rng(2).normal(size=200),
    )  # fmt: skip
    rows = [row.to_json() for row in summarise([noisy], references, resamples=50)]
    save_results(tmp_path / "results", [noisy, *references.values()], rows, {"command": "evaluate"})
    return tmp_path / "results", [noisy, *references.values()], rows


def test_saved_results_are_read_back_exactly(saved):
    folder, results, rows = saved
    assert sorted(path.name for path in folder.iterdir()) == ["episodes.csv", "results.json"]
    loaded = load_results(folder)
    assert loaded.summary == rows
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
        ('"format_version": 1', '"format_version": 2', "has format version 2, this program reads 1"),
        ('"anysense results"', '"something"', "is no file of results; expected `format` 'anysense results'"),
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
        ValueError, match=r"episodes.csv does not belong to results.json or was altered; evaluate again"
    ):
        load_results(folder)
    episodes.unlink()
    with pytest.raises(FileNotFoundError, match=r"episodes.csv is missing; expected a folder with results.json and"):
        load_results(folder)
