"""The table of all campaigns, made of their records."""

from pathlib import Path


def write_table(out: Path) -> Path:
    """TODO."""
    return out
