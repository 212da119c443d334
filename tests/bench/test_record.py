import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.record import api, compare, environment, networks
from bench.record.digests import array_digest, exact, multiset_digest
from bench.record.networks import observation, record_one


def test_digests_tell_bits_shapes_and_dtypes_apart() -> None:
    values = np.array([[0.0, 1.0]])
    others = [-values, values + np.array([[5e-324, 0.0]]), values.T, values[0], values.astype(np.float32)]
    assert array_digest(values) == array_digest(torch.from_numpy(values))
    assert len({array_digest(array) for array in (values, *others)}) == 6


def test_digest_of_many_tensors_ignores_their_order() -> None:
    first, second = torch.zeros(2), torch.ones(3)
    assert multiset_digest([first, second]) == multiset_digest([second, first])
    assert multiset_digest([first, first, second]) != multiset_digest([first, second, second])


def test_exact_values_survive_json() -> None:
    value = {"a": (0.1 + 0.2, 1, None), "b": math.nan}
    assert json.loads(json.dumps(exact(value))) == {"a": ["0.30000000000000004", 1, None], "b": "nan"}
    with pytest.raises(TypeError, match="plain values"):
        exact({"a": torch.zeros(1)})


BEFORE = {"data": {"kept": "1", "list": [1, 2], "probes": {"r2": "1.0"}}, "networks": {"gone": {"a": "1", "b": "2"}}}
AFTER = {"data": {"kept": "1", "list": [1, 3, 4], "probes": {"r2": "1.5"}}, "networks": {}}


def test_every_value_is_paired() -> None:
    found = {path: (old, new) for path, old, new in compare.pairs(BEFORE, AFTER)}
    none = compare.MISSING
    assert found == {
        "data/kept": ("1", "1"),
        "data/list/0": (1, 1),
        "data/list/1": (2, 3),
        "data/list/2": (none, 4),
        "data/probes/r2": ("1.0", "1.5"),
        "networks/gone/a": ("1", none),
        "networks/gone/b": ("2", none),
    }


def test_differences_are_unexpected_unless_a_pattern_allows_them() -> None:
    found = compare.compared(BEFORE, AFTER, "*", {"*/probes/*": "probes"})
    assert found.compared == {"data": 5, "networks": 2}
    assert found.allowed == {"probes": [(pytest.approx(1 / 3), "data/probes/r2")]}
    assert {group: len(lines) for group, lines in found.unexpected.items()} == {
        "data/list/1": 1,
        "data/list/2": 1,
        "networks/gone/a": 1,
        "networks/gone/b": 1,
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("1.0", "1.0", 0.0), ("-2.0", "2.0", 2.0), ("nan", "nan", 0.0), ("nan", "1.0", math.inf), ("a", "b", math.inf)],
)
def test_distance_is_relative(before: Any, after: Any, expected: float) -> None:
    assert compare.distance(before, after) == expected


def test_exit_code_and_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, content in zip(paths, (BEFORE, AFTER), strict=True):
        path.write_text(json.dumps(content))
    before, after = map(str, paths)
    assert compare.main([before, before]) == 0
    assert "0 differ unexpectedly" in capsys.readouterr().out
    assert compare.main([before, after]) == 1
    assert "networks/gone/a: 1 -> (missing)" in capsys.readouterr().out
    assert compare.main([before, after, "--except", "data/list/*", "--only", "data/*"]) == 0
    assert "numbers by at most 3.3e-01 (data/probes/r2)" in capsys.readouterr().out
    assert compare.main([before, str(tmp_path / "none.json")]) == 2


def test_records_of_networks_repeat_and_see_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "ROWS", 4)
    batch = observation("generic")

    def recorded(change: float) -> dict[str, Any]:
        representation = api.build("gmc", "generic", "smoke", 0)
        with torch.no_grad():
            first = next(representation.parameters()).view(-1)
            first[0] = torch.nextafter(first[0], first[0] + change)
        return record_one(representation, batch)

    assert recorded(0.0) == recorded(0.0)
    different = {path for path, old, new in compare.pairs(recorded(0.0), recorded(1.0)) if old != new}
    assert "weights/parameters/digest" in different
    assert all(path.endswith(("digest", "total")) or path.startswith(("latents", "losses")) for path in different)


def test_records_of_the_environment_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "STEPS", 12)
    monkeypatch.setattr(environment, "EPISODE_STEPS", 5)
    monkeypatch.setattr(environment, "WORLDS", {"default": {}})
    assert environment.record() == environment.record()
