"""What happens in a game: who acts, with which modalities, step by step. Knows nothing of windows and keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from anysense.common.validation import check_names
from anysense.envs.sensors.model import PRESENT
from anysense.runs.playing.hands import Hand

if TYPE_CHECKING:
    from anysense.agents.exported import Agent

__all__ = ["AGENT", "HAND", "SPEEDS", "Limits", "Session", "Totals"]

HAND, AGENT = "hand", "agent"
SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Times the speed of the world."""
SHOWN_TICKS = 30
"""Ticks that the end of an episode is shown."""


@dataclass(frozen=True)
class Limits:
    """When episodes and the game end.

    Attributes:
        episode_steps: Most steps of an episode; None: only the environment ends it.
        episodes: Episodes after which the game ends; None for no limit.
        steps: Steps after which the game ends; None for no limit.
    """

    episode_steps: int | None = None
    episodes: int | None = None
    steps: int | None = None


@dataclass
class Totals:
    """What the game was in all."""

    episodes: int = 0
    """Episodes that ended."""
    restarted: int = 0
    """Episodes that were left for a new one before they ended."""
    steps: int = 0
    reward: float = 0.0
    by_agent: int = 0
    """Steps that the agent chose."""

    def summary(self) -> str:
        """One line for people."""
        average = f", average reward {self.reward / self.steps:.3f} per step" if self.steps else ""
        by_hand = self.steps - self.by_agent
        restarted = f" ({self.restarted} restarted)" if self.restarted else ""
        return (
            f"{_count(self.episodes, 'episode')} ended{restarted}, {_count(self.steps, 'step')} "
            f"({by_hand} by hand, {self.by_agent} by the agent){average}"
        )


class Session:
    """A game: an environment, who acts in it and what is perceived.

    Args:
        env: The environment; it renders frames.
        modalities: Names of all modalities.
        hand: What keys do.
        agent: Who can act beside the hand; None for nobody.
        given: Modalities that are on at the start; all by default.
        seed: Seed of the first episode; the others follow from it.
        limits: When episodes and the game end.

    Raises:
        ValueError: A modality is unknown, or none is given.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        modalities: Sequence[str],
        hand: Hand,
        agent: Agent | None = None,
        given: Sequence[str] | None = None,
        seed: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.env, self.hand, self.agent, self.limits = env, hand, agent, limits or Limits()
        self.modalities = tuple(modalities)
        self.given = check_names("modalities", self.modalities if given is None else given, self.modalities)
        self.acting = HAND if agent is None else AGENT
        self.paused = self.finished = self.muted = False
        self.speed = 1.0
        self.message = ""
        """What was refused or changed last."""
        self.ending = ""
        """How the episode ended, while that is shown."""
        self.totals = Totals()
        self._begin(seed)

    @property
    def average_reward(self) -> float:
        """Of the steps of this episode."""
        return self.episode_return / max(self.step, 1)

    @property
    def present(self) -> tuple[str, ...]:
        """Modalities that are on, and that the environment does not mark as absent now."""
        absent = self._absent()
        return tuple(name for name in self.given if name not in absent)

    @property
    def perceived(self) -> dict[str, Any]:
        """What the agent gets of the present observation: the modalities that are on, and what it needs beside them."""
        passed = () if self.agent is None else self.agent.encoder.passthrough.names
        found = {name: self.observation[name] for name in (*self.given, *passed)}
        if PRESENT in self.observation:
            flags = self._flags()
            found[PRESENT] = np.array([flags.get(name, 1) for name in sorted(found)], np.int8)
        return found

    def toggle_modality(self, number: int) -> None:
        """Switch a modality, counted from 0, on or off; the last one that is on stays on."""
        if number >= len(self.modalities):
            self.message = f"There is no modality {number + 1}."
            return
        name = self.modalities[number]
        if self.given == (name,):
            self.message = f"{name} stays on: at least one modality must be on."
            return
        on = {*self.given} ^ {name}
        self.given = tuple(known for known in self.modalities if known in on)
        self.message = f"{name} is {'on' if name in on else 'off'}."
        self._look()

    def set_acting(self, who: str) -> None:
        """Let the hand or the agent act."""
        if who == AGENT and self.agent is None:
            self.message = "There is no agent: start `anysense play AGENT` with one."
            return
        self.acting, self.message = who, "The agent acts." if who == AGENT else "You act."
        self.hand.rest()

    def toggle_acting(self) -> None:
        """Let the other one act."""
        self.set_acting(AGENT if self.acting == HAND else HAND)

    def toggle_pause(self) -> None:
        """Stop time, or let it go on."""
        self.paused = not self.paused
        self.message = ""

    def toggle_sound(self) -> None:
        """Mute, or not."""
        self.muted = not self.muted
        self.message = f"The sound is {'off' if self.muted else 'on'}."

    def change_speed(self, by: int) -> None:
        """Go to the next faster (1) or slower (-1) speed."""
        place = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]
        self.message = f"Speed x {self.speed:g}."

    def restart(self) -> None:
        """Start a new episode; the old one does not count as ended."""
        self.message = "A new episode."
        self.totals.restarted += not self.ending
        self._begin(None)

    def single_step(self, held: Collection[str]) -> None:
        """One step while paused; pauses if it was not."""
        self.paused = True
        if self.ending:
            self._begin(None)
        elif not self.finished:
            self._advance(held)

    def tick(self, held: Collection[str]) -> bool:
        """What happens in one tick of the clock while keys are held; whether the world has moved on."""
        if self.paused or self.finished:
            return False
        if self.ending:
            self._shown += 1
            if self._shown >= SHOWN_TICKS:
                self.finished = self.totals.episodes == self.limits.episodes
                if not self.finished:
                    self._begin(None)
            return False
        self._advance(held)
        return True

    def _begin(self, seed: int | None) -> None:
        self.observation, self.info = self.env.reset(seed=seed)
        self.step, self.episode_return, self.reward = 0, 0.0, 0.0
        self.action: Any = None
        self.ending, self._shown = "", 0
        self.hand.rest()
        self._look()

    def _advance(self, held: Collection[str]) -> None:
        by_agent = self.acting == AGENT and self.agent is not None
        action = self.agent.act(self.perceived) if by_agent and self.agent is not None else self.hand.action(held)
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.action, self.reward = action, float(reward)
        self.step, self.episode_return = self.step + 1, self.episode_return + self.reward
        totals = self.totals
        totals.steps, totals.reward = totals.steps + 1, totals.reward + self.reward
        totals.by_agent += by_agent
        self._look()
        late = self.limits.episode_steps is not None and self.step >= self.limits.episode_steps
        if terminated or truncated or late:
            totals.episodes += 1
            self.ending = f"Episode over{'' if terminated else ': time is up'} - return {self.episode_return:.2f}"
        self.finished = self.finished or totals.steps == self.limits.steps

    def _look(self) -> None:
        """Encode what is perceived."""
        self.latent: npt.NDArray[np.float32] | None = None
        if self.agent is not None:
            batch = {name: np.asarray(value)[None] for name, value in self.perceived.items()}
            self.latent = self.agent.encoder.encode_arrays(batch)[0]

    def _flags(self) -> dict[str, int]:
        """What the environment says of each entry: 1 present, 0 absent."""
        if PRESENT not in self.observation:
            return {}
        names = sorted(name for name in self.observation if name != PRESENT)
        return dict(zip(names, map(int, self.observation[PRESENT]), strict=True))

    def _absent(self) -> set[str]:
        return {name for name, flag in self._flags().items() if not flag}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def facts(session: Session) -> Mapping[str, str]:
    """The numbers of a game for people, by what they are called."""
    action = "-" if session.action is None else session.hand.named(session.action)
    limit = "" if session.limits.episode_steps is None else f" of {session.limits.episode_steps}"
    return {
        "episode": f"{session.totals.episodes + session.totals.restarted + (not session.ending)}",
        "step": f"{session.step}{limit}",
        "action": action,
        "reward": f"{session.reward:.3f}",
        "average reward": f"{session.average_reward:.3f}",
        "return": f"{session.episode_return:.2f}",
    }
