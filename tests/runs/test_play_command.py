"""`anysense play` from the command line: what acts where, limits, clips, and what is refused before a window opens."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from anysense.agents.pretrained import pretrained_agent
from anysense.runs.cli import main
from anysense.runs.playing import window
from anysense.runs.playing.view import SMALLEST
from anysense.runs.run_folder import RunFolder

pytest.importorskip("pygame")
PLAY = [sys.executable, "-m", "anysense", "play"]
HYPERHOT = "anysense/Hyperhot-v0"


@dataclasses.dataclass
class Settings:
    """Of a training."""

    out: Path
    name: str = "a"
    seed: int = 0


class Blind(gym.Env):
    """Renders nothing."""

    observation_space = gym.spaces.Dict({"place": gym.spaces.Box(-1, 1, (2,), np.float32)})
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return {"place": np.zeros(2, np.float32)}, {}


class Grey(Blind):
    """Renders a picture in grey."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as the base class)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def render(self):
        return np.zeros((4, 4), np.uint8)


class Always(Grey):
    """Renders in colour, whatever it is told, and cannot be told."""

    def __init__(self):
        self.render_mode = "rgb_array"

    def step(self, action):
        return {"place": np.zeros(2, np.float32)}, 1.0, True, False, {}

    def render(self):
        return np.zeros((4, 4, 3), np.uint8)


@pytest.fixture(autouse=True)
def _no_devices(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    monkeypatch.setattr(window, "SIZE", SMALLEST)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An `out` folder with a finished training, named `a`, whose agent is the pendulum's."""
    out = tmp_path_factory.mktemp("out")
    run = RunFolder.create(Settings(out), "train", [])
    with run.working():
        shutil.copytree(pretrained_agent("pendulum"), run.path / "agent")
    return out


@pytest.fixture
def worlds():
    for name, kind in (("Blind-v0", Blind), ("Grey-v0", Grey), ("Always-v0", Always)):
        gym.register(name, kind)
    yield
    for name in ("Blind-v0", "Grey-v0", "Always-v0"):
        gym.registry.pop(name)


def test_where_there_is_no_training(tmp_path, capsys):
    options = ["--out", str(tmp_path), "--steps", "3", "--seed", "1", "--fps", "1000"]
    assert main(["play", *options]) == 0
    printed = capsys.readouterr()
    assert "the agent pendulum that comes along acts." in printed.err
    assert printed.out.startswith("0 episodes ended, 3 steps (0 by hand, 3 by the agent), average reward -")
    assert main(["play", *options, "--env-option", "sound=mel"]) == 0  # which that agent does not know
    printed = capsys.readouterr()
    assert "you act by hand." in printed.err
    assert printed.out.startswith("0 episodes ended, 3 steps (3 by hand, 0 by the agent), average reward -")
    assert list(tmp_path.iterdir()) == []


def test_the_newest_training_acts_and_only_where_it_fits(trained, capsys):
    options = ["--out", str(trained), "--steps", "3", "--fps", "1000"]
    assert main(["play", *options, "--modalities", "sound"]) == 0
    printed = capsys.readouterr()
    assert "Taking the newest agent" in printed.err
    assert "3 steps (0 by hand, 3 by the agent)" in printed.out
    assert main(["play", str(trained / "train" / "a"), *options, "--hand"]) == 0
    assert "(3 by hand, 0 by the agent)" in capsys.readouterr().out
    assert main(["play", "--env", HYPERHOT, *options]) == 0
    printed = capsys.readouterr()
    assert f"in {HYPERHOT} you act by hand" in printed.err
    assert "(3 by hand, 0 by the agent)" in printed.out


def test_what_is_refused_before_a_window_opens(refused, trained, worlds, tmp_path):
    agent, nothing = str(trained / "train" / "a"), ["--out", str(tmp_path)]
    assert f"in {HYPERHOT} `image` has shape" in refused("play", agent, "--env", HYPERHOT)
    assert "`modalities` must be one of 'image', 'sound'; got 'smell'" in refused(
        "play", agent, "--modalities", "smell"
    )
    assert "holds no agent" in refused("play", tmp_path)
    assert "Give one of the two" in refused("play", agent, "--agent", "pendulum")
    assert "renders no frames that a window could show" in refused("play", *nothing, "--env", "Blind-v0")
    assert "uint8 (4, 4) instead of uint8 (H, W, 3)" in refused("play", *nothing, "--env", "Grey-v0")
    assert "must end in .mp4 or .gif or .wav" in refused("play", *nothing, "--record", "a.mov")
    assert "make it first" in refused("play", *nothing, "--record", tmp_path / "nowhere" / "a.mp4")
    assert "`fps` must be from 1 to 1000" in refused("play", "--fps", "0")
    assert "`steps` must be at least 1" in refused("play", "--steps", "0")


def test_an_environment_that_always_renders_is_shown_until_its_episodes_are_over(worlds, tmp_path, capsys):
    options = ["--env", "Always-v0", "--out", str(tmp_path), "--fps", "1000", "--episodes", "2"]
    assert main(["play", *options]) == 0
    printed = capsys.readouterr()
    assert "No sound: the environment makes none." in printed.err
    assert printed.out == "2 episodes ended, 2 steps (2 by hand, 0 by the agent), average reward 1.000 per step\n"


def test_a_clip_shows_the_game(tmp_path, capsys):
    av = pytest.importorskip("av")
    path = tmp_path / "game.mp4"
    options = ["--out", str(tmp_path / "out"), "--env", HYPERHOT, "--fps", "1000", "--seed", "2"]
    assert main(["play", *options, "--steps", "5", "--record", str(path)]) == 0
    assert f"Clip: {path}" in capsys.readouterr().out
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == 6
    assert frames[0].shape == (*SMALLEST[::-1], 3)
    assert main(["play", *options, "--record", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_missing_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main(["play", "--out", str(tmp_path), "--steps", "1"]) == 2
    printed = capsys.readouterr()
    assert "needs pygame, which is not installed: pip install 'anysense[window]'" in printed.err
    assert "steps" not in printed.out


def test_without_a_screen(tmp_path, capfd, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert main(["play", "--out", str(tmp_path), "--steps", "1"]) == 1
    printed = capfd.readouterr()
    message = " ".join(printed.err.split())
    assert "XDG_RUNTIME_DIR" not in message  # which a library would print
    assert "Error: No window can be opened: " in message
    assert "xvfb-run anysense play" in message
    assert printed.out == ""


def test_without_a_sound_device(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    assert main(["play", "--out", str(tmp_path), "--steps", "3", "--fps", "1000"]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("No sound: there is no audio device") == 1
    assert "3 steps" in printed.out


def test_ctrl_c_ends_it(tmp_path):
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # which a parent may ignore
    program = f"{listening}; import sys; from anysense.runs.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "play", "--fps", "5", "--record", "a.wav"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "the agent pendulum that comes along acts" in process.stderr.readline()
        time.sleep(1)  # Whether it has begun by then or not, it ends in the same way.
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err


@pytest.fixture
def display(monkeypatch):
    """A virtual display, named in the environment."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install xvfb xdotool")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1024x768x24"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    try:
        os.close(writing)
        with os.fdopen(reading) as file:
            monkeypatch.setenv("DISPLAY", f":{file.readline().strip()}")
        monkeypatch.delenv("SDL_VIDEODRIVER")
        yield
    finally:
        server.kill()
        server.wait(30)


def xdotool(*arguments):
    """Its exit status."""
    return subprocess.run(["xdotool", *arguments], stdout=subprocess.DEVNULL, timeout=30, check=False).returncode


def test_on_a_real_display_keys_switch_drive_and_quit(tmp_path, display):
    # By class: xdotool cannot read the title that SDL gives the window in the locale C.UTF-8.
    search = ("search", "--onlyvisible", "--class", "^anysense$")
    with subprocess.Popen(
        [*PLAY, "--agent", "pendulum", "--fps", "5"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            end = time.monotonic() + 60
            while xdotool(*search) != 0 and process.poll() is None and time.monotonic() < end:
                time.sleep(0.2)
            xdotool(
                *search, "windowfocus", "key", "h", "1", "Left", "period", "q"
            )  # 1 if the window goes before q is up
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()  # It has ended by now, unless something went wrong.
    assert process.returncode == 0
    assert "0 episodes ended" in out
    assert "(0 by hand" not in out
