"""Golden values of the published rules, and what the corrected rules change."""

import hashlib

import numpy as np
import pytest

from anysense.envs.hyperhot import acoustics
from anysense.envs.hyperhot.drawing import draw, screen
from anysense.envs.hyperhot.game import Games
from anysense.envs.hyperhot.rules import DEFAULT_RECEIVERS, Rules

NOOP, LEFT, RIGHT, SHOOT, SHOOT_LEFT = range(5)
PUBLISHED = Rules(legacy=True, time_limit=450, first_candidate=True)
ACTIONS = [NOOP] * 10 + [SHOOT] + [LEFT] * 5 + [SHOOT_LEFT] * 3 + [RIGHT] * 3 + [NOOP] * 4
GOLDEN = {
    0: (70, None, [32, 64, 96, 128], {}, 236, [40762, 35526, 31617, -83792], [1192, 1192, 3127, 3224]),
    1: (70, None, [33, 65, 97, 129], {}, 236, [-31080, 18362, 102303, 70976], [1181, 1202, 3118, 3224]),
    6: (70, None, [38, 70, 102, 134], {0: (37, 54)}, 242, [-4239, -21885, 13104, 144547], [1723, 1483, 4286, 4273]),
    10: (70, None, [42, 74, 106, 138], {0: (37, 78)}, 242, [-65061, 4977, 72752, -18252], [2149, 1655, 5220, 5053]),
    11: (70, (70, 174), [43, 75, 107, 139], {0: (37, 84)}, 248, [86902, 28723, 220398, 397830],
         [6883, 4611, 27729, 27495]),
    12: (65, (70, 168), [44, 76, 108, 140], {0: (37, 90), 1: (75, 54)}, 254, [78967, 29681, 297988, 287524],
         [7173, 4884, 25441, 28172]),
    19: (30, (70, 126), [51, 83, 115, 147], {0: (37, 132), 1: (75, 96), 2: (113, 60)}, 260,
         [141577, 42693, 1650, 334547], [7685, 4045, 16741, 20255]),
    22: (45, None, [48, 80, 112, 144], {0: (37, 150), 2: (113, 78)}, 248, [60113, -34872, 436718, -100657],
         [7071, 3412, 17616, 16786]),
    26: (45, None, [44, 76, 108, 140], {0: (37, 174), 1: (79, 66), 2: (113, 102)}, 254,
         [112249, -41196, -1086949, 428723], [11276, 4897, 30869, 26085]),
}  # fmt: skip
"""By step: ship, its bullet, enemies, their shots, ones of the picture, sum and largest sample of each receiver."""
AMPLITUDES = {
    (11, "left_bottom"): [0.012477, 0.009607, 0.006593, 0.004129, 0.037515, 0, 0, 0, 0.139755],
    (11, "right_ship"): [0.024000, 0.027208, 0.025891, 0.020821, 0.064476, 0, 0, 0, 0.676710],
    (19, "left_bottom"): [0.011830, 0.008831, 0.005910, 0.003630, 0.115525, 0.032993, 0.009141, 0, 0.064986],
    (19, "right_ship"): [0.027132, 0.023681, 0.017665, 0.011616, 0.270903, 0.095407, 0.028094, 0, 0.199863],
}


def started(rules, ship_x, direction=1, shots=0):
    games = Games.new(rules, 1)
    games.restart(np.arange(1), np.array([[ship_x, direction, shots]], float))
    return games


def play(games, actions):
    """Ship, bullet, reward and end after each step."""
    for action in actions:
        rewards, over = games.step(np.array([action]))
        bullet = (int(games.bullet_x[0]), int(games.bullet_y[0])) if games.bullet[0] else None
        yield int(games.ship_x[0]), bullet, float(rewards[0]), bool(over[0])


def test_published_game_step_by_step():
    games = started(PUBLISHED, 70)
    assert screen(games, 0).astype(int).sum() == 410368
    steps = [(70, None, 0.0, False), *play(games, [])]
    for step in range(27):
        if step:
            steps = list(play(games, [ACTIONS[step - 1]]))
        ship, bullet, reward, over = steps[0]
        assert (reward, over) == ((-1.0, True) if step == 26 else (0.0, False))
        if step in GOLDEN:
            shots = {enemy: (games.shot_x[0, enemy], games.shot_y[0, enemy]) for enemy in np.flatnonzero(games.shot[0])}
            samples = np.rint(acoustics.published_waveform(games, DEFAULT_RECEIVERS)[0] * 32767).astype(int)
            pixels = int((draw(games, "published") > 0).sum())
            found = (ship, bullet, games.enemy_x[0].tolist(), shots, pixels)
            assert found == GOLDEN[step][:5]
            assert samples.sum(axis=1).tolist() == GOLDEN[step][5]
            assert abs(samples).max(axis=1).tolist() == GOLDEN[step][6]
        for receiver in ("left_bottom", "right_ship"):
            if (step, receiver) in AMPLITUDES:
                heard = acoustics.amplitudes(games, [receiver])[0, 0]
                np.testing.assert_allclose(heard, AMPLITUDES[step, receiver], atol=6e-7)


@pytest.mark.parametrize(("ship_x", "won_at"), [(95, 22), (92, 23), (86, None)])
def test_published_win_comes_one_step_after_the_hit(ship_x, won_at):
    games = started(Rules(1, legacy=True, first_candidate=True), ship_x)
    outcomes = list(play(games, [SHOOT, *[LEFT] * 6, *[NOOP] * 17]))
    won = next((step for step, (*_, reward, _) in enumerate(outcomes, 1) if reward == 10), None)
    assert won == won_at


@pytest.mark.parametrize(
    ("ship_x", "actions", "places"),
    [
        (12, [LEFT] * 3, [12, 12, 12]),
        (130, [RIGHT] * 6, [135, 140, 145, 145, 145, 145]),
        (80, [LEFT, SHOOT, SHOOT, NOOP, SHOOT], [75, 70, 65, 65, 65]),
    ],
)
def test_published_ship(ship_x, actions, places):
    assert [step[0] for step in play(started(PUBLISHED, ship_x), actions)] == places


def test_published_period_of_misses_and_time_limit():
    games = started(Rules(1, legacy=True, pacifist=True, time_limit=450), 30)
    steps = list(play(games, [SHOOT] * 100))
    assert [number for number, step in enumerate(steps, 1) if step[1] == (30, 174)] == [1, 32, 63, 94]
    still = started(Rules(1, legacy=True, pacifist=True, time_limit=450), 30)
    ends = [(number, step[2]) for number, step in enumerate(play(still, [NOOP] * 450), 1) if step[3]]
    assert ends == [(450, -1.0)]


def test_shots_of_undisturbed_enemies():
    for enemies, expected in ((4, [6, 12, 18, 24, 36, 42, 48, 54, 66]), (1, [6, 36, 66])):
        games = started(Rules(enemies, legacy=True, first_candidate=True), 145)
        games.ship_x[:] = 1_000  # out of reach
        steps = []
        for step in range(1, 67):
            before = games.shot.copy()
            games.step(np.array([NOOP]))
            steps += [step] if (games.shot & ~before).any() else []
        assert steps == expected


def test_corrected_ship_stops_when_it_shoots_and_stays_on_the_screen():
    places = [step[0] for step in play(started(Rules(), 80), [LEFT, SHOOT, SHOOT, NOOP])]
    assert places == [75, 75, 75, 75]
    assert [step[0] for step in play(started(Rules(), 14), [LEFT] * 2)] == [12, 12]
    assert [step[0] for step in play(started(Rules(), 146), [RIGHT] * 2)] == [148, 148]


def test_corrected_win_comes_with_the_hit_and_a_miss_frees_the_next_shot_at_once():
    outcomes = list(play(started(Rules(1, pacifist=True), 95), [SHOOT, *[NOOP] * 20]))
    assert [step[2:] for step in outcomes[-2:]] == [(0.0, False), (10.0, True)]
    steps = list(play(started(Rules(1, pacifist=True), 30), [SHOOT] * 64))
    assert [number for number, step in enumerate(steps, 1) if step[1] == (30, 174)] == [1, 31, 61]


@pytest.mark.parametrize(("across", "meet"), [(0, True), (8, True), (9, False)])
def test_corrected_bullets_that_meet_vanish(across, meet):
    games = started(Rules(pacifist=True), 80)
    games.bullet[:], games.bullet_x[:], games.bullet_y[:] = True, 80, 120
    games.shot[0, 0], games.shot_x[0, 0], games.shot_y[0, 0] = True, 80 + across, 114
    games.step(np.array([NOOP]))  # 114 and 120: they have passed each other
    assert (games.bullet[0], games.shot[0, 0]) == (not meet, not meet)


def test_notes_have_the_published_clock():
    """Sums of the first three blocks of each note, and where it first turns, from the description of the game."""
    golden = {0: ([35, 19, -33], 61), 2: ([1, -1, 1], 48), 4: ([5, 3, 7], 41), 8: ([33, -27, 23], 34)}
    games = started(Rules(pacifist=True), 80)
    games.shot[0, 0], games.bullet[0] = True, True
    for source, (sums, turn) in golden.items():
        found = []
        for step in range(3):
            games.step_count[:] = step
            alone = games.taken(np.arange(1))
            kinds = np.concatenate([alone.alive[0], alone.shot[0], alone.bullet])
            assert kinds[source]
            alone.alive &= source in (0, 2) and np.arange(4) == source
            alone.shot &= source == 4
            alone.bullet &= source == 8
            wave = np.sign(acoustics.waveform(alone, ["bottom"])[0, 0])
            found.append(int(wave.sum()))
            if step == 0:
                assert int(np.argmin(wave)) == turn
        assert found == sums


def test_who_shoots_depends_on_the_start_alone():
    def shooters(shots, count):
        games = Games.new(Rules(), count)
        games.restart(np.arange(count), np.tile([12.0, 1.0, shots], (count, 1)))
        found = []
        for _ in range(60):
            games.step(np.zeros(count, int))
            found.append(games.shot[-1].tobytes())
        return hashlib.sha256(b"".join(found)).hexdigest()

    assert shooters(5, 1) == shooters(5, 3)
    assert len({shooters(number, 1) for number in range(8)}) > 3  # of the 24 orders of four enemies
