"""Put the agent of a finished demo into the package, with the record and the learning curve of its training.

``python -m bench.ship out/demo/001 pendulum`` fills ``agents/pretrained/pendulum``.
"""

import shutil
import sys
from pathlib import Path

from anysense.agents.exported import Agent
from anysense.agents.pretrained import PLACE
from anysense.common.files import replace_folder
from anysense.runs.run_folder import RunFolder

__all__ = ["main"]

MOST_BYTES = 3_000_000


def main(run: Path, name: str) -> None:
    """Copy what belongs to the agent; ValueError if the run is not finished, or the agent is too large."""
    record = RunFolder.open(run).record
    if record["status"] != "finished":
        raise ValueError(f"`{run}` is {record['status']}; finish it first.")
    agent = run / "train" / "agent"
    with replace_folder(PLACE / name) as new:
        shutil.copy(run / "run.json", new)
        shutil.copy(run / "train" / "metrics.csv", new)
        Agent.load(agent).save(new / "agent", half=True)
        size = sum(path.stat().st_size for path in new.rglob("*") if path.is_file())
        if size > MOST_BYTES:
            raise ValueError(f"`{agent}` takes {size:,} bytes; at most {MOST_BYTES:,} go into the package.")
    print(f"{PLACE / name}: {size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
