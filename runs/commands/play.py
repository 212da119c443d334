"""`anysense play`: a window in which a person or an agent acts, and modalities are switched on and off."""

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from anysense.agents.pretrained import pretrained_names
from anysense.common.validation import check_names, check_seed
from anysense.envs.world import DEFAULT_WORLD, World
from anysense.runs.from_hub import pinned
from anysense.runs.settings import TracebackSettings, check_positive, parse
from anysense.runs.worlds import before_writing, environments, named_world, parsed

if TYPE_CHECKING:
    import gymnasium as gym

    from anysense.agents.exported import Agent
    from anysense.representations.modality import Modality
    from anysense.runs.playing.film import Film

__all__ = ["PlaySettings", "main", "read"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlaySettings(TracebackSettings):
    """Drive a world by hand in a window, or watch an agent act; switch its modalities on and off, see and hear it.

    Without a path the agent of the newest finished training acts, or else one that comes with the package; in another
    environment than theirs you do. The window tells its keys: arrows drive, 1, 2, ... switch modalities, H and A change
    who acts, F1 lists all.
    """

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a training run or of an exported agent."""
    agent: str | None = None
    """Instead of a folder: an agent that comes with the package, or hub:OWNER/NAME for one on a hub."""
    env: str | None = None
    """Gymnasium id of the environment; that of the agent if not given, or the pendulum."""
    env_option: tuple[str, ...] = ()
    """Options of the environment as key=value; with an agent those that differ from its training."""
    out: Path = Path("out")
    """Folder that holds all runs."""
    modalities: tuple[str, ...] = ()
    """Modalities that are on at the start; all if not given."""
    hand: bool = False
    """You act at the start, even if there is an agent."""
    seed: int | None = None
    """Seed of the first episode, from which the others follow; another one each time if not given."""
    episodes: int | None = None
    """End after so many episodes."""
    steps: int | None = None
    """End after so many steps of all episodes together."""
    fps: float | None = None
    """Steps per second; what the environment says if not given, else 30."""
    sound: bool = True
    """Let the sound of the environment be heard; M in the window changes it."""
    record: Path | None = None
    """Also write what is seen and heard into this file, which ends in .mp4, .gif or .wav."""

    def __post_init__(self) -> None:
        if self.seed is not None:
            check_seed("seed", self.seed)
        check_positive(self, "episodes", "steps")
        if self.fps is not None and not 1 <= self.fps <= 1000:
            raise ValueError(f"`fps` must be from 1 to 1000; got {self.fps:g}.")


def main(arguments: Sequence[str]) -> None:
    """Play until the window is closed, and say how it went."""
    settings = read(pinned(arguments))
    agent, known = _players(settings)
    with before_writing():
        from anysense.runs.playing.stage import shown_world

        env = shown_world(known)
    with closing(env):
        _play(settings, agent, known, env)


def read(arguments: Sequence[str]) -> PlaySettings:
    """Settings from the command line."""
    names = {"run": "AGENT", "agent": pretrained_names(), "env": environments()}
    return parse(PlaySettings(), arguments, "play", names)


def _players(settings: PlaySettings) -> tuple["Agent | None", World]:
    """Who can act beside the person, and the world."""
    from anysense.runs.agents import load_agent, say_if_lopsided
    from anysense.runs.playing.finding import check_agent, find_player

    env = DEFAULT_WORLD if settings.env is None and settings.env_option else settings.env
    path = find_player(settings.run, settings.agent, settings.out, env, settings.hand)
    if path is None:
        return None, named_world(settings.env or DEFAULT_WORLD, parsed(settings.env_option))
    agent = load_agent(path, settings.env, settings.env_option, "cpu")
    check_agent(agent, agent.world)
    say_if_lopsided(agent)
    return agent, agent.world


def _modalities(agent: "Agent | None", known: World) -> "dict[str, Modality]":
    from anysense.representations.modality import modalities_from_space

    return modalities_from_space(known.observation_space, known.modalities) if agent is None else agent.modalities


def _play(settings: PlaySettings, agent: "Agent | None", known: World, env: "gym.Env[Any, Any]") -> None:
    from anysense.runs.playing.hands import hand_of
    from anysense.runs.playing.keys import bindings
    from anysense.runs.playing.session import Limits, Session
    from anysense.runs.playing.stage import action_names
    from anysense.runs.playing.view import View
    from anysense.runs.playing.window import Window

    modalities = _modalities(agent, known)
    given = check_names("modalities", settings.modalities, modalities) if settings.modalities else tuple(modalities)
    hand = hand_of(known.action_space, action_names(known, env), known.guide.steering)
    limits = Limits(known.episode_steps, settings.episodes, settings.steps)
    with before_writing():
        session = Session(env, tuple(modalities), hand, agent, given, settings.seed, limits)
    session.muted = not settings.sound
    if settings.hand:
        session.set_acting("hand")
    bound = bindings(session.modalities, hand)
    view = View(
        session, modalities, known.guide.labels, bound, (known.id, "" if agent is None else agent.algorithm.upper())
    )
    fps = settings.fps or (env.metadata or {}).get("render_fps") or 30
    film = _film(settings.record, session, fps)
    window = Window(session, view, bound, fps, film)
    try:
        window.run()
    finally:
        print(session.totals.summary())
        for path in () if film is None else film.finish():
            print(f"Clip: {path}")


def _film(path: Path | None, session: Any, fps: float) -> "Film | None":
    from anysense.runs.playing.film import Film, check_film
    from anysense.runs.playing.sound import heard, sample_rate

    if path is None:
        return None
    check_film(path)
    audio = heard(session.env, session.observation, session.info)
    return Film(path, fps, sample_rate(session.env, audio, fps))
