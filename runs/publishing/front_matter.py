"""The head of a model card: what the hub sorts and finds models by, as YAML."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["front_matter", "model_index"]


def front_matter(values: Mapping[str, Any]) -> str:
    """The values between two lines of dashes; texts and numbers stand as in JSON, which YAML contains."""
    return "\n".join(["---", *_lines(values, 0), "---"]) + "\n"


def model_index(name: str, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results in the form that the hub reads; values that are not finite are left out."""
    kept = [
        {**one, "metrics": [metric for metric in one["metrics"] if math.isfinite(metric["value"])]} for one in results
    ]
    return [{"name": name, "results": [one for one in kept if one["metrics"]]}]


def _lines(value: Any, depth: int) -> Iterator[str]:
    """A mapping or a list, one entry after the other; an entry of a list begins behind its dash."""
    before = "  " * depth
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(entry, Mapping | list) and entry:
                yield f"{before}{key}:"
                yield from _lines(entry, depth + 1)
            else:
                yield f"{before}{key}: {_scalar(entry)}"
        return
    for entry in value:
        if isinstance(entry, Mapping | list) and entry:
            first, *rest = _lines(entry, depth + 1)
            yield f"{before}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{before}- {_scalar(entry)}"


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
