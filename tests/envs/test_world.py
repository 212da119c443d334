"""Any Gymnasium id is a world; wrong ones are refused with the cause; files import nothing by themselves."""

import json
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.testing import assert_array_equal

from anysense.envs import DEFAULT_WORLD, PRESENT, WORLDS, World, stored_world, world
from anysense.envs.pendulum.vector import MultimodalPendulumVectorEnv
from anysense.envs.pendulum.world import PendulumWorld
from anysense.envs.selection import SelectModalities, VectorSelectModalities

MODES = list(AutoresetMode)


class Rover(gym.Env[Any, Any]):
    """A camera, a lidar and an IMU; says by itself what is present; ends after some steps."""

    def __init__(self, steps: int = 7, noise: float = 0.5, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (3, 8, 8), np.uint8),
                "lidar": spaces.Box(0, np.inf, (20,), np.float32),
                "imu": spaces.Box(-9, 9, (6,), np.float32),
                "present": spaces.MultiBinary(3),
            }
        )
        self.action_space = spaces.Discrete(4)
        self.steps, self.noise, self.render_mode = steps, noise, render_mode

    def _observe(self) -> dict[str, Any]:
        return {
            "camera": self.np_random.integers(0, 256, (3, 8, 8), np.uint8),
            "lidar": self.np_random.uniform(0, 9, 20).astype(np.float32),
            "imu": (self.noise * self.np_random.uniform(-9, 9, 6)).astype(np.float32),
            "present": np.array([1, 0, 1], np.int8),
        }

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.done = 0
        return self._observe(), {"state": np.zeros(2)}

    def step(self, action: Any) -> Any:
        self.done += 1
        return self._observe(), 1.0, self.done >= self.steps, False, {"state": np.full(2, self.done)}


class Odd(gym.Env[Any, Any]):
    """An environment with the given observation space."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = space, spaces.Discrete(2)


BOX = spaces.Box(0, 1, (3,), np.float32)
ODD = {
    "Flat": (BOX, r"observation space of .*Flat-v0 must be a `gymnasium.spaces.Dict` with a `Box` .*; got Box.*Wrap"),
    "OnlyPresent": (spaces.Dict({"present": spaces.MultiBinary(1)}), r"with a `Box` for each modality"),
    "Nested": (spaces.Dict({"a": BOX, "b": spaces.Dict({"c": BOX})}), r"entry 'b' .*got Dict.* an entry of its own"),
    "Pair": (spaces.Dict({"a": spaces.Tuple((BOX, BOX))}), r"entry 'a' .* must be a `gymnasium.spaces.Box`; got Tuple"),
    "Text": (
        spaces.Dict({"a": BOX, "says": spaces.Text(9)}),
        r"entry 'says' .*got Text.*leave it out, or turn it into",
    ),
    "Number": (spaces.Dict({"a": BOX, "n": spaces.Discrete(3)}), r"entry 'n' .*got Discrete\(3\)"),
}


@pytest.fixture(autouse=True)
def _registered() -> Any:
    before = dict(gym.registry)
    gym.register("tests/Rover-v0", f"{__name__}:Rover" if __name__ in sys.modules else Rover, max_episode_steps=5)
    for name, (space, _) in ODD.items():
        gym.register(f"tests/{name}-v0", Odd, kwargs={"space": space})
    yield
    gym.registry.clear()
    gym.registry.update(before)


def run(venv: Any, steps: int, seed: int = 3) -> list[Any]:
    """Everything that a vector environment returns."""
    venv.action_space.seed(0)
    answers = [venv.reset(seed=seed)]
    for _ in range(steps):
        answers.append(venv.step(venv.action_space.sample()))
        done = answers[-1][2] | answers[-1][3]
        if venv.metadata["autoreset_mode"] is AutoresetMode.DISABLED and done.any():
            answers.append(venv.reset(options={"reset_mask": done}))
    return answers


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, tuple | list) or (isinstance(one, np.ndarray) and one.dtype == object):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert_array_equal(one, other)


class TestAnyGymnasiumId:
    def test_what_gymnasium_tells(self) -> None:
        rover = world("tests/Rover-v0", {"noise": 0.1})
        assert type(rover) is World
        assert rover.modalities == ("camera", "imu", "lidar")
        assert rover.action_space == spaces.Discrete(4)
        assert rover.episode_steps == 5
        assert (rover.benchmark, rover.score, rover.policies, rover.frame_stack) == (
            "generic",
            "return",
            ("random",),
            None,
        )
        assert rover.start_states(3, 0) is None
        assert rover.references(np.zeros((1, 2)), 3, 0, {}, None) == {}
        assert [(part.samples, part.steps) for part in rover.collection("random", 12)] == [(12, 5)]

    def test_options_reach_the_environment(self) -> None:
        assert world("tests/Rover-v0", {"noise": 0.0}).make().unwrapped.noise == 0.0
        venv = world("tests/Rover-v0", {"noise": 0.0}).make_vec(2, episode_steps=None)
        assert not venv.reset(seed=0)[0]["imu"].any()

    @pytest.mark.parametrize("modalities", [("lidar",), ("lidar", "camera"), ("camera", "imu", "lidar")])
    def test_a_single_environment_keeps_the_chosen_modalities(self, modalities: Any) -> None:
        rover = world("tests/Rover-v0")
        env, plain = rover.make(modalities), rover.make()
        assert set(env.observation_space.spaces) == {*modalities, PRESENT}
        pairs = [(env.reset(seed=1)[0], plain.reset(seed=1)[0]), (env.step(0)[0], plain.step(0)[0])]
        for kept, whole in pairs:
            assert env.observation_space.contains(kept)
            assert_same({name: kept[name] for name in modalities}, {name: whole[name] for name in modalities})
            told = dict(zip(("camera", "imu", "lidar"), (1, 0, 1), strict=True))
            assert_array_equal(kept[PRESENT], [told[name] for name in sorted(modalities)])
        assert str(env.spec.make()) == str(env)

    @pytest.mark.parametrize("mode", MODES)
    def test_a_vector_keeps_them_too_in_each_autoreset_mode(self, mode: AutoresetMode) -> None:
        rover = world("tests/Rover-v0")
        venv = rover.make_vec(3, ("imu", "lidar"), episode_steps=4, autoreset_mode=mode)
        plain = rover.make_vec(3, episode_steps=4, autoreset_mode=mode)
        assert venv.metadata["autoreset_mode"] is mode
        assert venv.num_envs == 3
        finals = 0
        for kept, whole in zip(run(venv, 10), run(plain, 10), strict=True):
            assert venv.observation_space.contains(kept[0])
            assert set(kept[0]) == {"imu", "lidar", PRESENT}
            assert_same({name: kept[0][name] for name in ("imu", "lidar")}, {k: whole[0][k] for k in ("imu", "lidar")})
            assert_same(kept[1:-1], whole[1:-1])
            for one, other in zip(kept[-1].get("final_obs", ()), whole[-1].get("final_obs", ()), strict=True):
                if one is not None:
                    assert venv.single_observation_space.contains(one)
                    assert_array_equal(one["imu"], other["imu"])
                    finals += 1
        assert finals == (6 if mode is AutoresetMode.SAME_STEP else 0)

    @pytest.mark.parametrize(("limit", "length", "truncated"), [(4, 4, True), (None, 7, False), (50, 7, False)])
    def test_the_time_limit_is_the_one_that_is_asked_for(self, limit: Any, length: int, truncated: bool) -> None:
        venv = world("tests/Rover-v0").make_vec(2, episode_steps=limit)
        answers = run(venv, length)[1:]
        assert not any((answer[2] | answer[3]).any() for answer in answers[:-1])
        assert answers[-1][3].all() == truncated
        assert answers[-1][2].all() != truncated

    def test_a_registered_vector_form_is_used_and_its_modalities_selected(self) -> None:
        generic, known = World(DEFAULT_WORLD), PendulumWorld(DEFAULT_WORLD)
        ours, native = (one.make_vec(3, ("sound",), episode_steps=4) for one in (generic, known))
        assert isinstance(ours, VectorSelectModalities)
        assert isinstance(ours.unwrapped, MultimodalPendulumVectorEnv)
        assert isinstance(native, MultimodalPendulumVectorEnv)
        for mine, theirs in zip(run(ours, 9), run(native, 9), strict=True):
            assert_same(mine, theirs)
        state, going_on = ours.state_dict(), run(ours, 0)
        assert_same(ours.load_state_dict(state), native.load_state_dict(state))
        assert set(going_on[0][0]) == {"sound"}
        assert generic.make_vec(1, episode_steps=None).max_episode_steps is None

    def test_a_vector_form_that_cannot_do_what_is_asked_for_is_left_aside(self) -> None:
        def simple(num_envs: int = 1) -> Any:
            raise AssertionError

        gym.register("tests/Simple-v0", Rover, vector_entry_point=simple)
        venv = world("tests/Simple-v0").make_vec(2, episode_steps=3)
        assert venv.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP

    def test_final_observations_as_one_batch_are_selected_too(self) -> None:
        venv = world("tests/Rover-v0").make_vec(2, episode_steps=1)
        true_step = venv.step

        def batched(actions: Any) -> Any:
            *answer, info = true_step(actions)
            final = {name: np.stack([one[name] for one in info["final_obs"]]) for name in info["final_obs"][0]}
            return (*answer, {**info, "final_obs": final})

        venv.step = batched  # type: ignore[method-assign]
        chosen = VectorSelectModalities(venv, ("imu",))
        chosen.reset(seed=0)
        final = chosen.step(chosen.action_space.sample())[4]["final_obs"]
        assert {name: array.shape for name, array in final.items()} == {"imu": (2, 6), "present": (2, 1)}


class TestPendulum:
    def test_it_is_found_by_its_id(self) -> None:
        assert type(world()) is PendulumWorld
        assert type(world(f"anysense.envs:{DEFAULT_WORLD}")) is PendulumWorld
        assert world().modalities == ("image", "sound")
        assert (world().episode_steps, world().frame_stack) == (300, 2)
        assert world(options={"frame_stack": 3}).frame_stack == 3
        env = world(options={"receivers": ("left_top",)}).make(("sound",))
        assert env.observation_space == spaces.Dict({"sound": env.observation_space["sound"]})
        assert env.observation_space["sound"].shape == (2, 1, 2)

    def test_start_states_grow_with_their_number(self) -> None:
        states = world().start_states(5, 0)
        assert states is not None
        assert_array_equal(states[:2], world().start_states(2, 0))
        venv = world().make_vec(5, episode_steps=None)
        assert_array_equal(venv.reset(options=world().start_options(states))[1]["state"], states)
        assert_array_equal(world().probe_targets(np.array([[np.pi / 2, 3.0]])).round(12), [[0, 1, 3]])

    @pytest.mark.parametrize("policy", ["coverage", "random", "mixed"])
    def test_collection_records_what_is_asked_for(self, policy: str) -> None:
        parts = world().collection(policy, 1001)
        assert sum(part.samples for part in parts) == 1001
        drawn = [part.start(np.random.default_rng(0), 400) for part in parts if part.start is not None]
        everywhere = [options["state"] for options in drawn if options]
        assert len(drawn) == len(parts)
        assert len(everywhere) == (policy != "random")
        for states in everywhere:
            assert np.abs(states).max(axis=0) == pytest.approx([np.pi, 8], rel=0.02)

    def test_preset_options_are_options(self) -> None:
        assert world(options=PendulumWorld.option_presets["paper"]).make().unwrapped.settings.physics == "gym-0.19"


class TestOptions:
    def test_they_become_what_json_gives_back(self) -> None:
        made = world(options={"receivers": ("left_top", "right_top")})
        assert made.options == {"receivers": ["left_top", "right_top"]}
        assert stored_world(json.loads(json.dumps(made.to_json()))) == made
        assert world(**made.to_json()) == made
        assert made != world()

    @pytest.mark.parametrize(
        ("env_id", "options", "error", "message"),
        [
            (
                DEFAULT_WORLD,
                {"frames": 2},
                ValueError,
                "`env-option` must be one of 'receivers', .*; got 'frames'. Did you",
            ),
            (DEFAULT_WORLD, {"senses": ("image",)}, ValueError, "'senses' of .*: it is called `modalities` now"),
            ("tests/Rover-v0", {"senses": ("image",)}, ValueError, "'senses' of .*: it is called `modalities` now"),
            ("tests/Rover-v0", {"render_mode": "human"}, ValueError, "'render_mode' of tests/Rover-v0 cannot be given"),
            ("tests/Rover-v0", {"wrappers": []}, ValueError, "'wrappers' of .* cannot be given: Gymnasium takes it"),
            ("tests/Rover-v0", {"noise": np.zeros(2)}, TypeError, r"JSON can hold \(Object of type ndarray"),
            ("tests/Rover-v0", {"noise": float("nan")}, TypeError, "JSON can hold"),
        ],
    )
    def test_wrong_ones_are_refused_at_once(self, env_id: str, options: Any, error: Any, message: str) -> None:
        with pytest.raises(error, match=message):
            world(env_id, options)

    @pytest.mark.parametrize("form", ["single", "vector"])
    def test_an_option_that_the_environment_does_not_have_is_named(self, form: str) -> None:
        rover = world("tests/Rover-v0", {"noize": 1.0})
        message = r"`option of tests/Rover-v0` must be one of 'steps', 'noise'; got 'noize'. Did you mean 'noise'"
        with pytest.raises(ValueError, match=message):
            rover.make() if form == "single" else rover.make_vec(2, episode_steps=3)


class TestErrors:
    @pytest.mark.parametrize(
        ("env_id", "message"),
        [
            ("tests/Rovr-v0", r"`env` 'tests/Rovr-v0' is not registered with Gymnasium. Did you mean 'tests/Rover-v0'"),
            ("tests/Rover", r"'tests/Rover' is not registered .*with the version of the environment"),
            ("xyz", r"'xyz' is not registered with Gymnasium. Write module:Name-v0"),
            (
                "no_such_module:Rover-v0",
                r"cannot be imported: there is no module 'no_such_module'; install its package",
            ),
            ("json.nothing:Rover-v0", r"'json.nothing' cannot be imported: there is no module 'json.nothing'"),
            ("json:Rover-v9", r"'json:Rover-v9' is not registered"),
        ],
    )
    def test_unknown_ids(self, env_id: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            world(env_id)
        with pytest.raises(ValueError, match=message):
            World(env_id).make()

    @pytest.mark.parametrize("name", ODD)
    def test_observations_that_are_no_modalities(self, name: str) -> None:
        odd = world(f"tests/{name}-v0")
        with pytest.raises(TypeError, match=ODD[name][1]):
            odd.modalities  # noqa: B018
        with pytest.raises(TypeError, match=ODD[name][1]):
            odd.make_vec(2, episode_steps=3)

    @pytest.mark.parametrize(
        ("modalities", "error", "message"),
        [
            (
                ("lidr",),
                ValueError,
                "`modalities` must be one of 'camera', 'imu', 'lidar'; got 'lidr'. Did you mean 'lidar'",
            ),
            ((), ValueError, "`modalities` must name at least one"),
            ("imu", TypeError, r"write \('imu',\)"),
            (("imu", "imu"), ValueError, "'imu' twice"),
        ],
    )
    def test_wrong_modalities(self, modalities: Any, error: Any, message: str) -> None:
        rover = world("tests/Rover-v0")
        for make in (
            lambda: rover.make(modalities),
            lambda: rover.make_vec(2, modalities, episode_steps=3),
            lambda: SelectModalities(rover.make(), modalities),
        ):
            with pytest.raises(error, match=message):
                make()

    def test_what_an_environment_needs_is_named(self) -> None:
        def needy(**_: Any) -> Any:
            raise gym.error.DependencyNotInstalled("Box2D is not installed.")

        gym.register("tests/Needy-v0", needy)
        gym.register("tests/Lost-v0", "no_such_module:Env")
        gym.register("tests/Empty-v0", Odd, kwargs={"space": spaces.Dict({})})
        gym.register("tests/VectorOnly-v0", vector_entry_point="no_such_module:Env")
        with pytest.raises(ValueError, match=r"'tests/Needy-v0' cannot be made: Box2D is not installed. Install what"):
            world("tests/Needy-v0").make()
        with pytest.raises(ValueError, match=r"'tests/Lost-v0' cannot be made: No module named 'no_such_module'"):
            world("tests/Lost-v0").make_vec(2, episode_steps=3)
        with pytest.raises(ValueError, match=r"'tests/Empty-v0' cannot be made: An empty Dict observation space"):
            world("tests/Empty-v0").make()
        with pytest.raises(ValueError, match=r"'tests/VectorOnly-v0' cannot be made: .*entry_point is not specified"):
            world("tests/VectorOnly-v0").make()

    def test_errors_of_the_environment_itself_keep_their_words(self) -> None:
        def failing(**_: Any) -> Any:
            raise ValueError("`steps` is odd")

        gym.register("tests/Failing-v0", failing)
        with pytest.raises(ValueError, match=r"^`steps` is odd"):
            world("tests/Failing-v0").make()


WORLD_OF_A_PLUGIN = """
import gymnasium
from anysense.envs import World
class RoverWorld(World):
    benchmark = "rover"
gymnasium.register("plug/Rover-v0", "tests_rover:Rover", max_episode_steps=9)
"""


class TestPlugins:
    def test_a_world_of_an_installed_package_is_found_by_its_id(self, install: Any) -> None:
        install("rover", {"anysense.worlds": {"plug/Rover-v0": "rover:RoverWorld"}}, {"rover": WORLD_OF_A_PLUGIN})
        assert WORLDS.names() == (DEFAULT_WORLD, "anysense/Hyperhot-v0", "plug/Rover-v0")
        assert "rover" not in sys.modules
        rover = stored_world({"id": "plug/Rover-v0", "options": {}})
        assert (rover.benchmark, rover.episode_steps) == ("rover", 9)

    def test_files_import_modules_of_plugins_alone(self, install: Any) -> None:
        points = {"anysense.worlds": {"plug/Rover-v0": "rover:RoverWorld"}}
        install("rover", points, {"rover": WORLD_OF_A_PLUGIN, "other": "raise AssertionError('imported')"})
        assert stored_world({"id": "rover:plug/Rover-v0", "options": {}}).benchmark == "rover"
        for module in ("other", "no_such_module", "antigravity", "rover.deep"):
            with pytest.raises(
                ValueError, match=rf"whose module '{module}' is neither imported .*`--env {module}:plug/"
            ):
                stored_world({"id": f"{module}:plug/Rover-v0", "options": {}})
            assert module not in sys.modules
        install("old", {"gymnasium.envs": {"__root__": "old:register"}}, {"old": "import rover"})
        assert stored_world({"id": "old:plug/Rover-v0", "options": {}}).benchmark == "rover"

    def test_a_module_that_is_imported_may_be_named(self) -> None:
        assert stored_world({"id": f"json:{DEFAULT_WORLD}", "options": {}}).modalities == ("image", "sound")

    def test_a_plugin_that_fails_is_named(self, install: Any) -> None:
        install("rover", {"anysense.worlds": {"plug/Broken-v0": "rover:RoverWorld"}}, {"rover": "1 / 0"})
        with pytest.raises(ImportError, match=r"the world 'plug/Broken-v0' of rover cannot be imported"):
            world("plug/Broken-v0")
        assert world().modalities == ("image", "sound")

    def test_a_module_that_fails_is_named(self, install: Any) -> None:
        install("rover", {}, {"rover": "import nowhere"})
        with pytest.raises(
            ValueError, match=r"'rover' cannot be imported: ModuleNotFoundError: No module named 'nowhere'"
        ):
            world("rover:plug/Rover-v0")

    @pytest.mark.parametrize(
        "values",
        [
            None,
            [],
            {},
            {"id": DEFAULT_WORLD},
            {"id": DEFAULT_WORLD, "options": {}, "more": 1},
            {"id": 3, "options": {}},
            {"id": "", "options": {}},
            {"id": "a b", "options": {}},
            {"id": "os;x:y", "options": {}},
            {"id": "../x:y", "options": {}},
            {"id": DEFAULT_WORLD, "options": []},
            {"id": DEFAULT_WORLD, "options": {"a-b": 1}},
        ],
    )
    def test_damaged_values_are_refused(self, values: Any) -> None:
        with pytest.raises(ValueError, match="`world`"):
            stored_world(values)


FRESH = f"""
import sys
assert "anysense.envs" not in sys.modules
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

def main():
    import anysense.envs  # in this process alone
    for method in ("forkserver", "spawn"):
        options = dict(vec_env_cls=SubprocVecEnv, vec_env_kwargs={{"start_method": method}})
        venv = make_vec_env("anysense.envs:{DEFAULT_WORLD}", 1, env_kwargs={{"modalities": ("sound",)}}, **options)
        print(method, venv.reset()["sound"].shape)
        venv.close()

if __name__ == "__main__":
    main()
"""


def test_processes_of_stable_baselines_make_it_by_its_module_and_id(tmp_path: Any) -> None:
    """They import nothing, and Gymnasium from 1.0 on has no entry points by which it would find environments."""
    assert not hasattr(gym.envs.registration, "load_plugin_envs")  # it would make the id alone enough
    (tmp_path / "fresh.py").write_text(FRESH)
    done = subprocess.run([sys.executable, "fresh.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "forkserver (1, 2, 3, 2)\nspawn (1, 2, 3, 2)\n", done.stderr
