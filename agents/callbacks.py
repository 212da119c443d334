"""What happens between the steps of a training: evaluation, checkpoints, learning curve, times, progress."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from anysense.agents.environments import TrainingEnvironment
from anysense.common.files import write_csv
from anysense.common.progress import TrainingDisplay

__all__ = ["CurvePoint", "TrainingCallback"]

SECONDS_BETWEEN_UPDATES = 0.5
STEPS_BETWEEN_LOGS = 1_000


@dataclass(frozen=True)
class CurvePoint:
    """One row of the learning curve.

    Attributes:
        steps: Environment steps so far.
        wall_seconds: Wall time of the training so far, evaluations included.
        env_seconds: Of these, in the environments.
        encode_seconds: In encoding observations once (within the policy it counts as acting or learning).
        learn_seconds: In gradient steps.
        evaluate_seconds: In evaluations and checkpoints.
        score: Score of the world over the evaluation episodes: average reward per step, or return.
        best: Whether no earlier evaluation was better.
    """

    steps: int
    wall_seconds: float
    env_seconds: float
    encode_seconds: float
    learn_seconds: float
    evaluate_seconds: float
    score: float
    best: bool


class TrainingCallback(BaseCallback):
    """Evaluates, keeps the best agent, saves checkpoints and shows progress, always between two trainings.

    At the start of a rollout nothing is half done: the last transitions are stored and the last gradient step is taken,
    so a checkpoint made there continues exactly.

    ``on_trained`` is called after each training. ``evaluate`` returns the score of the agent as it is now, every
    ``eval_every`` steps. After it ``on_best`` is called if no score was better, the learning curve is written to
    ``curve_path``, ``save`` is called with the state of this callback, then ``on_evaluation``.
    """

    def __init__(
        self,
        environment: TrainingEnvironment,
        evaluate: Callable[[], float],
        on_best: Callable[[CurvePoint], None],
        save: Callable[[Mapping[str, Any]], None],
        on_trained: Callable[[], None],
        curve_path: Path,
        eval_every: int,
        display: TrainingDisplay,
        on_evaluation: Callable[[CurvePoint], None] | None = None,
    ) -> None:
        super().__init__()
        self.environment = environment
        self.evaluate = evaluate
        self.on_best = on_best
        self.save = save
        self.on_trained = on_trained
        self.curve_path = curve_path
        self.eval_every = eval_every
        self.display = display
        self.on_evaluation = on_evaluation
        self.curve: list[CurvePoint] = []
        self.earlier: dict[str, float] = {}
        self.learn_seconds = self.evaluate_seconds = 0.0
        self._started = perf_counter()
        self._start_steps = self._logged = 0
        self._learning_since: float | None = None
        self._shown = 0.0

    @property
    def best(self) -> CurvePoint | None:
        """The best point so far; the earliest of equals."""
        return max(self.curve, key=lambda point: point.score, default=None)

    def seconds(self) -> dict[str, float]:
        """Wall time so far, in all and by stage, over all continuations."""
        current = {
            "wall": perf_counter() - self._started,
            "env": self.environment.signal.seconds,
            "encode": self.environment.encode_seconds,
            "learn": self.learn_seconds,
            "evaluate": self.evaluate_seconds,
        }
        return {stage: value + self.earlier.get(stage, 0.0) for stage, value in current.items()}

    def state_dict(self) -> dict[str, Any]:
        """Learning curve and times, as plain values."""
        return {"curve": [asdict(point) for point in self.curve], "seconds": self.seconds()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the learning curve and times of an earlier part of the training."""
        self.curve = [CurvePoint(**point) for point in state["curve"]]
        self.earlier = dict(state["seconds"])
        self._write_curve()

    def _on_training_start(self) -> None:
        self._started = perf_counter()
        self._start_steps = self.num_timesteps = self.model.num_timesteps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._learning_since = perf_counter()

    def _on_rollout_start(self) -> None:
        self._end_learning()
        last = self.curve[-1].steps if self.curve else 0
        if self.model.num_timesteps // self.eval_every > last // self.eval_every:
            self._measure()
        elif self.model.num_timesteps - self._logged >= STEPS_BETWEEN_LOGS:
            self._log()
        if perf_counter() - self._shown > SECONDS_BETWEEN_UPDATES:
            self._show()

    def _on_training_end(self) -> None:
        self._end_learning()
        if not self.curve or self.curve[-1].steps != self.model.num_timesteps:
            self._measure()
        self._show()

    def _end_learning(self) -> None:
        if self._learning_since is not None:
            self.on_trained()
            self.learn_seconds += perf_counter() - self._learning_since
            self._learning_since = None

    def _measure(self) -> None:
        """Evaluate, write down, keep the best, save."""
        start = perf_counter()
        score = self.evaluate()
        best = self.best is None or score > self.best.score
        self.evaluate_seconds += perf_counter() - start
        seconds = {f"{stage}_seconds": round(value, 3) for stage, value in self.seconds().items()}
        point = CurvePoint(steps=self.model.num_timesteps, score=score, best=best, **seconds)
        self.curve.append(point)
        start = perf_counter()
        if best:
            self.on_best(point)
        self._write_curve()
        self.logger.record("eval/score", score)
        self._log()
        self.save(self.state_dict())
        self.evaluate_seconds += perf_counter() - start
        if self.on_evaluation is not None:
            self.on_evaluation(point)

    def _write_curve(self) -> None:
        write_csv(self.curve_path, [field.name for field in fields(CurvePoint)], map(asdict, self.curve))

    def _log(self) -> None:
        """Losses, returns and times to TensorBoard."""
        self._logged = self.model.num_timesteps
        for stage, value in self.seconds().items():
            self.logger.record(f"time/{stage}_seconds", value)
        self.model.dump_logs()

    def _show(self) -> None:
        """Steps, their rate since the start or the continuation, times of the stages, and the last score."""
        self._shown = perf_counter()
        wall = max(self._shown - self._started, 1e-9)
        rate = (self.model.num_timesteps - self._start_steps) / wall
        stages = self.seconds()
        whole = stages.pop("wall")
        stages["other"] = max(whole - sum(stages.values()), 0.0)
        self.display(self.model.num_timesteps, rate, stages, self.curve[-1].score if self.curve else None)
