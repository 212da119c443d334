"""The optimal controller against loops, closed forms and simpler controllers."""

from pathlib import Path

import numpy as np
import pytest

from anysense.envs import world
from anysense.envs.pendulum import dynamic_programming, optimal
from anysense.envs.pendulum.dynamic_programming import BellmanOperator, solve, torque_candidates
from anysense.envs.pendulum.optimal import OptimalController
from anysense.envs.pendulum.physics import LENGTH, MASS, PHYSICS, advance, reward, wrap_angle
from anysense.envs.pendulum.references import RandomController, ZeroController, reference_returns, simulate
from anysense.envs.pendulum.state_mesh import StateMesh
from tests.oracles.pendulum_plans import best_return

CORNERS = (np.pi * (np.arange(50) + 0.5) / 25 - np.pi, (np.arange(20) + 0.5) / 10 - 1)
LATTICE = np.stack(np.meshgrid(*CORNERS, indexing="ij"), axis=-1).reshape(-1, 2)
"""1 000 start states spread evenly, so that averages have no sampling error to speak of."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def controller(cache: Path) -> OptimalController:
    return OptimalController(doublings=2, cache=cache)


@pytest.fixture(scope="module")
def weak_controller(cache: Path) -> OptimalController:
    return OptimalController(1.0, doublings=2, cache=cache)


class EnergySwingUp:
    """Hand-made: pump energy in the direction of motion, then hold with a PD law near the top."""

    def __init__(self, max_torque: float) -> None:
        self.max_torque = max_torque

    def act(self, state):
        theta, omega = wrap_angle(state[:, 0]), state[:, 1]
        inertia = MASS * LENGTH**2 / 3
        energy = inertia * omega**2 / 2 + 5 * (np.cos(theta) - 1)
        pumping = np.where(energy < 0, 1.0, -1.0) * np.where(omega >= 0, 1.0, -1.0) * self.max_torque
        torque = np.where(np.abs(theta) + 0.2 * np.abs(omega) < 0.4, -15 * theta - 4 * omega, pumping)
        return np.clip(torque, -self.max_torque, self.max_torque)[:, None]


def loop_interpolate(mesh: StateMesh, values: np.ndarray, theta: float, omega: float) -> float:
    """Bilinear on a regular mesh of speeds from 0 up; below, the mirrored state has the same value."""
    if omega < 0:
        theta, omega = -theta, -omega
    column, row = ((theta + np.pi) % (2 * np.pi)) / (2 * np.pi) * mesh.angles, omega / 8 * mesh.speeds
    table, total = values.reshape(mesh.angles, mesh.speeds + 1), 0.0
    for i in range(mesh.angles):
        distance = abs(column - i)
        near = max(0.0, 1 - min(distance, mesh.angles - distance))
        total += near * sum(max(0.0, 1 - abs(row - j)) * table[i, j] for j in range(mesh.speeds + 1))
    return total


@pytest.mark.parametrize("order", PHYSICS)
def test_bellman_operator_equals_plain_loops(order):
    mesh, max_torque = StateMesh.regular(8, 3), 1.7
    theta, omega = mesh.nodes()
    operator = BellmanOperator(mesh, theta, omega, max_torque, order, torques=5)
    values = np.random.default_rng(1).normal(size=len(theta)).astype(np.float32)
    values.reshape(8, 4)[:, 0] = values.reshape(8, 4)[-np.arange(8) % 8, 0]  # at rest, mirrored states are the same
    improved, choice = operator.improve(values)

    def loop_sums(node):
        sums = []
        for torque in torque_candidates(max_torque, 5):
            after = advance(theta[node], omega[node], torque, order)
            sums.append(float(reward(theta[node], omega[node], torque)) + loop_interpolate(mesh, values, *after))
        return sums

    expected = [loop_sums(node) for node in range(len(theta))]
    np.testing.assert_allclose(improved, np.max(expected, axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        operator.evaluate(values, choice, 1), np.take_along_axis(np.array(expected), choice[:, None], 1)[:, 0],
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_interpolation_is_exact_at_nodes_and_for_functions_linear_in_each_cell():
    mesh = StateMesh.regular(12, 4)
    for _ in range(3):
        leaves = mesh.leaves()
        mesh = mesh.split(np.sort(leaves[::3]))
    theta, omega = mesh.nodes()
    bilinear = (np.abs(theta) * (1 + omega)).astype(np.float32)
    np.testing.assert_allclose(mesh.interpolate(bilinear, mesh.locate(theta + 4 * np.pi, omega)), bilinear, atol=1e-4)
    states = np.random.default_rng(0).uniform((-9, 0), (9, 8), (500, 2))
    found = mesh.interpolate(bilinear, mesh.locate(*states.T))
    np.testing.assert_allclose(found, np.abs(wrap_angle(states[:, 0])) * (1 + states[:, 1]), atol=1e-4)
    mirrored = mesh.interpolate(bilinear, mesh.locate(*-states.T))
    np.testing.assert_allclose(mirrored, found, atol=1e-4)
    again = StateMesh.rebuilt(mesh.angles, mesh.speeds, mesh.splits)
    np.testing.assert_array_equal(again.rows, mesh.rows)
    np.testing.assert_array_equal(again.columns, mesh.columns)


def test_solution_equals_backward_induction_from_zero():
    mesh, solved = solve(0, 2.0, "gymnasium", lambda level, change: None)
    operator, values = BellmanOperator(mesh, *mesh.nodes(), 2.0, "gymnasium"), np.zeros(len(mesh.rows), np.float32)
    for _ in range(300):
        values, _ = operator.improve(values)
    np.testing.assert_allclose(solved, values, rtol=1e-3, atol=0.05)


def test_values_are_best_at_upright_rest(controller):
    theta, omega = controller.mesh.nodes()
    best = controller.values.argmax()
    assert (theta[best], omega[best]) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert controller.values.max() == pytest.approx(0.0, abs=1e-6)


@pytest.fixture(scope="module")
def reference() -> OptimalController:
    return OptimalController()


class TestReference:
    """The controller as everybody uses it, against plans that were searched without any table of values."""

    def test_it_reaches_what_it_promises_from_the_thousand_starts(self, reference):
        """At most 1 of 1 000 starts may miss its own value by more than 0.01 per step."""
        starts = world().start_states(1000, 0)
        reached = simulate(reference, starts) / 300
        assert (reference.value(starts) / 300 - reached > 0.01).sum() <= 1
        assert reached.mean() >= -0.4578

    @pytest.mark.parametrize("start", [(-3.0806, -0.5799), (3.0, 0.3), (-2.2, -0.9)])
    def test_no_plan_is_better_by_more_than_a_hundredth_per_step(self, reference, start):
        reached = simulate(reference, np.array([start]))[0]
        assert reached / 300 > best_return(start) / 300 - 0.01

    def test_the_start_that_was_missed(self, reference):
        """It once reached -351.75 where -293.21 is possible."""
        assert simulate(reference, np.array([[-3.0806, -0.5799]]))[0] > -293.5


def test_bellman_residual_is_small_between_the_nodes(controller):
    states = np.random.default_rng(3).uniform((-np.pi, -7), (np.pi, 7), (400, 2))
    sums = []
    for torque in np.linspace(-2, 2, 81):
        after = np.stack(advance(*states.T, torque), axis=1)
        sums.append(reward(*states.T, torque) + controller.value(after))
    residual = np.max(sums, axis=0) - controller.value(states)
    assert np.abs(residual).mean() < 0.002 * np.abs(controller.value(states)).mean()


def test_values_predict_what_the_controller_reaches(controller):
    states = np.random.default_rng(4).uniform((-np.pi, -4), (np.pi, 4), (500, 2))
    assert simulate(controller, states).mean() == pytest.approx(controller.value(states).mean(), rel=0.01)


def test_balancing_agrees_with_the_linear_quadratic_regulator(controller):
    transition, control = np.array([[1.0375, 0.05], [0.75, 1.0]]), np.array([[0.0075], [0.15]])
    cost = riccati = np.diag([1.0, 0.1])
    for _ in range(1000):
        gain = np.linalg.solve(0.001 + control.T @ riccati @ control, control.T @ riccati @ transition)
        riccati = cost + transition.T @ riccati @ (transition - control @ gain)
    states = np.random.default_rng(5).uniform((-0.1, -0.2), (0.1, 0.2), (300, 2))
    torques = -(states @ gain.T)
    inside = np.abs(torques[:, 0]) < 1.5
    assert inside.sum() > 150
    assert np.abs(controller.act(states) - torques)[inside].mean() < 0.15
    values = -np.einsum("ni,ij,nj->n", states, riccati, states)
    reached = simulate(controller, states[inside], 200)
    assert 1.2 * values[inside].sum() < reached.sum() < 0.97 * values[inside].sum()


def test_torques_keep_the_limit_and_the_symmetry(weak_controller):
    states = np.random.default_rng(6).uniform((-3, -8), (3, 8), (500, 2))
    torques = weak_controller.act(states)
    assert torques.shape == (500, 1)
    assert torques.dtype == np.float64
    assert np.abs(torques).max() == 1.0
    agreeing = np.abs(weak_controller.act(-states) + torques) < 1e-9
    assert agreeing.mean() > 0.97  # ties on the switching line may go either way
    np.testing.assert_allclose(weak_controller.act(states + np.array([2 * np.pi, 0])), torques, atol=0.03)


def test_controller_beats_all_others_from_the_same_starts(controller, weak_controller):
    rewards = {
        name: simulate(acting, LATTICE).mean() / 300
        for name, acting in {
            "strong": controller,
            "weak": weak_controller,
            "strong by hand": EnergySwingUp(2.0),
            "weak by hand": EnergySwingUp(1.0),
            "zero": ZeroController(),
            "random": RandomController(seed=1),
        }.items()
    }
    assert rewards["strong"] == pytest.approx(-0.460, abs=0.006)
    assert rewards["weak"] == pytest.approx(-0.800, abs=0.012)
    assert rewards["strong"] - 0.01 > rewards["strong by hand"] > -0.8
    assert rewards["weak"] - 0.01 > rewards["weak by hand"] > -1.5
    # Published reference points, each the mean of 100 random starts: standard errors 0.17 and 0.16.
    assert rewards["zero"] == pytest.approx(-6.49, abs=0.5)
    assert rewards["random"] == pytest.approx(-6.07, abs=0.5)


def test_optimal_is_best_start_by_start_up_to_the_grid(controller):
    starts = LATTICE[::7]
    by_hand = simulate(EnergySwingUp(2.0), starts) / 300
    assert (simulate(controller, starts) / 300 - by_hand).min() > -0.02


def test_orders_of_integration_give_different_values_only_where_speed_is_limited(controller, cache):
    other = OptimalController(physics="gym-0.19", doublings=2, cache=cache)
    assert simulate(other, LATTICE[::20], physics="gym-0.19").mean() / 300 == pytest.approx(-0.46, abs=0.02)
    slow = np.random.default_rng(7).uniform((-0.15, -0.4), (0.15, 0.4), (200, 2))
    np.testing.assert_allclose(other.value(slow), controller.value(slow), atol=1e-3)
    fast = np.random.default_rng(8).uniform((-3, 6), (3, 8), (200, 2))
    assert np.abs(other.value(fast) - controller.value(fast)).max() > 0.1


def test_very_weak_torque_still_ends_and_is_no_worse_than_none(cache):
    weak = OptimalController(0.05, doublings=0, cache=cache)
    assert simulate(weak, LATTICE[::20]).mean() >= simulate(ZeroController(), LATTICE[::20]).mean()


def test_references_are_named_and_reproducible(controller):
    first = reference_returns(LATTICE[:9], steps=20, seed=3, optimal=controller)
    again = reference_returns(LATTICE[:9], steps=20, seed=3, optimal=controller)
    assert list(first) == ["optimal", "zero", "random"]
    for name, returns in first.items():
        np.testing.assert_array_equal(returns, again[name])
    other = reference_returns(LATTICE[:9], 20, seed=4, optimal=controller)
    assert (first["random"] != other["random"]).any()
    with pytest.raises(ValueError, match=r"`reference_option` must be one of 'max_torque'; got 'torque'"):
        world().references(LATTICE[:2], 3, 0, {"torque": 1}, None)


def test_simulation_equals_a_loop_over_single_states_and_reports_progress():
    class Constant:
        def act(self, state):
            return np.full((len(state), 1), 3.0)  # clipped to 2

    calls = []
    returns = simulate(
        Constant(), LATTICE[:5], 30, "gym-0.19", progress=lambda done, total: calls.append((done, total))
    )
    for start, total in zip(LATTICE[:5], returns, strict=True):
        theta, omega, expected = *start, 0.0
        for _ in range(30):
            expected += float(reward(theta, omega, 2.0))
            theta, omega = advance(theta, omega, 2.0, "gym-0.19")
        assert total == pytest.approx(expected)
    assert calls == [(step, 30) for step in range(1, 31)]


def test_random_torques_are_uniform_within_the_limit():
    torques = RandomController(0.5, seed=0).act(np.zeros((20_000, 2)))
    assert np.abs(torques).max() <= 0.5
    assert np.abs(np.quantile(torques, [0.25, 0.5, 0.75]) - [-0.25, 0, 0.25]).max() < 0.02


def refuse_to_solve(*arguments):
    raise AssertionError("solved although a table was cached")


def test_solved_table_is_read_from_the_cache(tmp_path, monkeypatch):
    first = OptimalController(doublings=0, cache=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    monkeypatch.setattr(optimal, "solve", refuse_to_solve)
    np.testing.assert_array_equal(OptimalController(doublings=0, cache=tmp_path).values, first.values)
    with pytest.raises(AssertionError):
        OptimalController(1.5, doublings=0, cache=tmp_path)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [cut, flip, lambda content: b"", lambda content: b"no table", lambda content: content[5:]]
)
def test_damaged_table_is_solved_anew(tmp_path, damage, monkeypatch):
    first = OptimalController(doublings=0, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(OptimalController(doublings=0, cache=tmp_path).values, first.values)
    monkeypatch.setattr(optimal, "solve", refuse_to_solve)
    OptimalController(doublings=0, cache=tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"values": np.zeros((3, 3), np.float32)},
        {"values": np.full(2600, np.nan, np.float32)},
        {"values": np.zeros(2600)},
        {"values": np.array([None])},
        {"settings": np.array("of another version")},
    ],
)
def test_table_with_other_content_is_solved_anew(tmp_path, content):
    first = OptimalController(doublings=0, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    with np.load(path, allow_pickle=False) as table:
        entries = dict(table)
    np.savez(path, **(entries | content))
    np.testing.assert_array_equal(OptimalController(doublings=0, cache=tmp_path).values, first.values)


@pytest.mark.parametrize("splits", [np.array([10**6]), np.array([[0]]), np.array([0.5]), np.array([None]), None])
def test_table_with_other_splits_is_solved_anew(tmp_path, splits, monkeypatch):
    for module in (optimal, dynamic_programming):
        monkeypatch.setattr(module, "REGULAR_DOUBLINGS", 0)
    first = OptimalController(doublings=1, cache=tmp_path)
    assert len(first.mesh.splits[0]) > 100
    (path,) = tmp_path.iterdir()
    with np.load(path, allow_pickle=False) as table:
        entries = dict(table)
    np.savez(path, **{name: value for name, value in (entries | {"arr_0": splits}).items() if value is not None})
    np.testing.assert_array_equal(OptimalController(doublings=1, cache=tmp_path).values, first.values)


def test_a_folder_in_the_place_of_the_table_gives_one_warning(tmp_path):
    first = OptimalController(doublings=0, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()
    with pytest.warns(RuntimeWarning, match="could not be kept") as caught:
        again = OptimalController(doublings=0, cache=tmp_path)
    assert len(caught) == 1
    np.testing.assert_array_equal(again.values, first.values)


def test_cache_that_cannot_be_written_gives_a_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="could not be kept in .*ANYSENSE_CACHE"):
        acting = OptimalController(doublings=0, cache=tmp_path / "file" / "folder")
    assert acting.act([[0.0, 0.0]]).shape == (1, 1)


@pytest.mark.parametrize("torque", [0.0, -1.0, 2.1, float("nan"), "strong"])
def test_torque_limit_out_of_range_is_refused(torque, tmp_path):
    for build in (lambda: OptimalController(torque, cache=tmp_path), lambda: RandomController(torque)):
        with pytest.raises(ValueError, match=r"`max_torque` must be above 0 and at most 2.0 N m.*got"):
            build()


def test_wrong_arguments_are_refused(controller, tmp_path):
    with pytest.raises(
        ValueError, match=r"`physics` must be one of 'gymnasium', 'gym-0.19'; got 'gym-0.18'.*'gym-0.19'"
    ):
        OptimalController(physics="gym-0.18", cache=tmp_path)
    with pytest.raises(ValueError, match=r"`doublings` must be a whole number from 0 to 11, got 12"):
        OptimalController(doublings=12, cache=tmp_path)
    with pytest.raises(ValueError, match=r"`state` must have shape \(N, 2\).*got shape \(2,\)"):
        controller.act([0.0, 1.0])
    with pytest.raises(ValueError, match=r"`steps` must be a whole number of at least 1, got 0"):
        simulate(controller, LATTICE, 0)
    with pytest.raises(ValueError, match=r"`physics` must be one of"):
        simulate(controller, LATTICE, 3, "gym")


def test_a_cached_table_that_unpacks_to_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, mesh = tmp_path / "table.npz", StateMesh.regular(*dynamic_programming.COARSEST)
    optimal._write_table(path, "settings", mesh, np.zeros(mesh.rows.shape, np.float32))
    assert optimal._read_table(path, "settings", 0) is not None
    monkeypatch.setattr(optimal, "MOST_BYTES", path.stat().st_size // 2)
    assert optimal._read_table(path, "settings", 0) is None
