"""The moving picture of the README: the agent that comes with the package swings up on sound alone.

Make it with `python -m bench.acting docs/img/in-the-dark.gif`.
"""

import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from anysense.agents.exported import Agent
from anysense.agents.pretrained import pretrained_agent
from anysense.envs.audio.recording import RecordVideoWithSound
from anysense.runs.panel import WithPanel

__all__ = ["record"]

HANGING = (np.pi - 0.3, 0.0)
GIVEN = "sound"


def record(path: Path, steps: int = 90) -> Path:
    """Record one episode from hanging and give the path of the GIF."""
    agent = Agent.load(pretrained_agent("pendulum"))
    with closing(agent.world.make(render_mode="rgb_array")) as env:
        shown = WithPanel(env, agent.modalities, (GIVEN,), "It only hears", agent.world.guide.labels)
        recorded = RecordVideoWithSound(shown, path.parent, name=path.stem, formats=("gif",))
        observation, _ = recorded.reset(seed=0, options={"state": np.array(HANGING)})
        for _ in range(steps):
            observation, *_ = recorded.step(agent.act({GIVEN: observation[GIVEN]}))
        recorded.finish()
    return path


if __name__ == "__main__":
    print(record(Path(sys.argv[1])))
