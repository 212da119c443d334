"""Agents that come with the package: a folder each, with the record of the run that trained it.

``NAME/run.json`` is that record, ``NAME/metrics.csv`` its learning curve, ``NAME/agent`` what `Agent.load` takes.
"""

from pathlib import Path

from anysense.common.validation import check_choice

__all__ = ["pretrained_agent", "pretrained_names"]

PLACE = Path(__file__).parent


def pretrained_names() -> tuple[str, ...]:
    """Names of the agents that come along."""
    return tuple(sorted(path.name for path in PLACE.iterdir() if (path / "agent" / "agent.json").is_file()))


def pretrained_agent(name: str) -> Path:
    """Folder of an agent that comes along, for `Agent.load`; ValueError if there is none of that name."""
    return PLACE / check_choice("agent", name, pretrained_names()) / "agent"
