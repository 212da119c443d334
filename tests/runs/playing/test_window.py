"""The window under SDL's drivers without devices: keys that are typed, what is drawn, what is heard."""

import numpy as np
import pytest

from anysense.agents.exported import Agent
from anysense.agents.pretrained import pretrained_agent, pretrained_names
from anysense.envs import world
from anysense.representations.modality import modalities_from_space
from anysense.runs.playing.hands import hand_of
from anysense.runs.playing.keys import bindings, find_binding
from anysense.runs.playing.session import Limits, Session
from anysense.runs.playing.sound import at_pace, stereo
from anysense.runs.playing.view import View
from anysense.runs.playing.window import Window

pygame = pytest.importorskip("pygame")
KEYS = {
    **{name: getattr(pygame, f"K_{name.upper()}") for name in ("left", "right", "up", "space", "escape", "f1")},
    **{name: getattr(pygame, f"K_{name}") for name in "hamprq12"},
    **{".": pygame.K_PERIOD, "+": pygame.K_KP_PLUS, "-": pygame.K_MINUS, "?": pygame.K_SLASH},
}


@pytest.fixture(autouse=True)
def _no_devices(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    yield
    pygame.quit()


@pytest.fixture(scope="module")
def agent():
    return Agent.load(pretrained_agent(pretrained_names()[0]))


def press(key, release=True):
    typed = key if len(key) == 1 else ""
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=KEYS[key], unicode=typed))
    if release:
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=KEYS[key]))


class Script:
    """Types keys after certain steps of a game, and keeps what is seen and heard."""

    def __init__(self, keys):
        self.keys, self.pictures, self.sounds = keys, [], []

    def add(self, picture, audio):
        for key in self.keys.get(len(self.pictures), ()):
            press(key.strip("!"), release=not key.endswith("!"))
        self.pictures.append(picture)
        self.sounds.append(audio)


def game(keys, steps=6, agent=None, env_id=None):
    known = world() if env_id is None else world(env_id)
    env = known.make(render_mode="rgb_array")
    hand = hand_of(known.action_space, known.guide.actions, known.guide.steering)
    session = Session(env, known.modalities, hand, agent, None, 5, Limits(300, steps=steps))
    actions, step = [], env.step

    def stepping(action):
        actions.append(np.array(action))
        return step(action)

    env.step = stepping
    bound = bindings(known.modalities, hand)
    view = View(session, modalities_from_space(known.observation_space), known.guide.labels, bound, (known.id, "SAC"))
    script = Script(keys)
    Window(session, view, bound, 1000, script).run()
    return session, script, np.ravel(actions).tolist(), view


def test_arrows_drive_while_they_are_held():
    _, script, actions, _ = game({1: ["right!"], 3: ["left"]})
    assert actions == pytest.approx([0, -0.4, -0.8, 0, -0.4, -0.8])  # both keys at once are none
    assert len(script.pictures) == 7


def test_a_short_tap_is_one_step():
    assert game({1: ["left"]}, steps=4)[2] == pytest.approx([0, 0.4, 0, 0])


def test_keys_do_what_they_say(agent):
    session, _, _, view = game({0: ["h"], 1: ["2", "m", "+"], 2: ["a", "?"], 3: ["p", ".", ".", "p", "r"]}, 7, agent)
    assert (session.given, session.muted, session.speed) == (("image",), True, 2.0)
    assert (session.totals.steps, session.totals.by_agent, session.acting) == (7, 5, "agent")
    assert session.step < 7  # started anew on the way
    assert view.help


@pytest.mark.parametrize("key", ["q", "escape"])
def test_quitting(key):
    assert game({2: ["f1", key], 3: [key]}, steps=50)[0].totals.steps == 3  # the first one only closes the help


def test_closing_the_window():
    class Closed(dict):
        def get(self, step, default=()):
            if step == 2:
                pygame.event.post(pygame.event.Event(pygame.QUIT))
            return default

    assert game(Closed(), steps=50)[0].totals.steps == 2


def test_steps_that_come_too_late_are_told():
    class Late(dict):
        def get(self, step, default=()):
            pygame.time.wait(100)
            return default

    assert game(Late(), steps=14)[3].slow.endswith(" of 1000 steps/s")


def test_space_pauses_where_it_does_not_drive_and_shoots_where_it_does():
    assert game({1: ["space", ".", "space"]}, steps=4)[0].totals.steps == 4
    assert game({1: ["space"]}, 3, env_id="anysense/Hyperhot-v0")[2] == [0, 3, 0]


def test_an_arrow_while_the_agent_acts_says_how_to_drive(agent):
    session, _, actions, _ = game({1: ["left"]}, 3, agent)
    assert session.message == "The agent acts. H: you act."
    assert session.totals.by_agent == len(actions) == 3


def test_the_picture_shows_what_is_on_and_not_what_is_off():
    _, script, _, _ = game({1: ["1"], 3: ["1", "2"]}, steps=5)
    assert script.pictures[0].shape == (800, 1280, 3)
    image, sound = (slice(190, 380), slice(830, 1220)), (slice(470, 715), slice(830, 1260))
    perceived = [(picture[image].std() > 8, picture[sound].std() > 8) for picture in script.pictures]
    assert perceived == [(True, True)] * 2 + [(False, True)] * 2 + [(True, False)] * 2
    assert script.pictures[-1][sound].std(axis=(0, 1)).max() == 0
    assert (script.pictures[2][image] == script.pictures[-1][500, 900]).all()  # the same plain box


def test_what_was_switched_while_paused_is_drawn_at_once():
    session, _, _, view = game({}, steps=3)
    region = (slice(190, 380), slice(830, 1220))
    before = view.draw(1280, 800)
    session.toggle_modality(0)
    off = view.draw(1280, 800)
    session.toggle_modality(0)
    session.message = ""
    assert off[region].std(axis=(0, 1)).max() == 0
    np.testing.assert_array_equal(view.draw(1280, 800), before)


def test_signs_help_and_other_sizes():
    session, _, _, view = game({}, steps=3)
    plain = view.draw(1280, 800)
    assert view.draw(960, 600).shape == (600, 960, 3)
    for change in ("message", "ending"):
        setattr(session, change, "Something")
        assert (view.draw(1280, 800) != plain).any(axis=-1).sum() > 500
        setattr(session, change, "")
    view.help = True
    assert (view.draw(1280, 800) != plain).any(axis=-1).mean() > 0.5
    view.help = False
    np.testing.assert_array_equal(view.draw(1280, 800), plain)


def test_the_sound_of_each_step_is_heard(monkeypatch):
    blocks, make = [], pygame.mixer.Sound
    monkeypatch.setattr(pygame.mixer, "Sound", lambda buffer: blocks.append(len(buffer)) or make(buffer=buffer))
    _, script, _, _ = game({1: ["m"], 3: ["m", "-"]}, steps=4)
    assert len(script.sounds) == 5
    assert all(audio.shape == (2, 800) for audio in script.sounds)
    assert blocks == [64, 64, 128]  # 16 samples of 1 ms; nothing while muted; twice as long at half the speed
    assert pygame.mixer.get_init() is None


def test_sound_at_another_pace_is_the_same_curve():
    tone = np.stack([np.sin(np.arange(800) / 40), np.cos(np.arange(800) / 40)]).astype(np.float32)
    slow = at_pace(tone, 800, 2.0)
    assert slow.shape == (2, 1600)
    np.testing.assert_allclose(
        slow[:, 2:-2], np.stack([np.sin(p := (np.arange(1600) - 0.5) / 80), np.cos(p)])[:, 2:-2], atol=1e-3
    )
    np.testing.assert_array_equal(at_pace(tone, 800, 1.0), tone)
    np.testing.assert_array_equal(stereo(tone[:1]), tone[[0, 0]])
    np.testing.assert_allclose(stereo(tone[[0, 1, 1]]), np.repeat(tone[[0, 1, 1]].mean(axis=0)[None], 2, 0), rtol=1e-6)


def test_a_key_is_found_by_what_it_types_or_by_its_name():
    hand = hand_of(world().action_space)
    bound = bindings(("image", "sound"), hand)
    labels = {typed: find_binding(bound, key, typed).label for key, typed in (("=", "+"), ("q", "Q"), ("[2]", ""))}
    assert labels == {"+": "+", "Q": "Esc / Q", "": "2"}
    assert find_binding(bound, "left", "") is None
    assert find_binding(bound, "3", "3") is None
