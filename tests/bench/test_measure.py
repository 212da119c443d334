import time

import pytest

from bench.measure import Figure, alternate, ratio, speed


def test_sides_take_turns():
    calls = []

    def side(name):
        def work():
            calls.append(name)
            time.sleep(0.001)
            return 7

        return work

    rates = alternate({"a": side("a"), "b": side("b")}, repeats=3, seconds=1e-6)
    assert calls == ["a", "b"] * 4  # one uncounted piece of work each, then three rounds
    assert all(len(values) == 3 and min(values) > 0 and max(values) < 7000 for values in rates.values())


def test_medians_ratios_and_targets():
    assert ratio("r", [10, 40, 30], [1, 2, 10], target=10).repeats == [10, 20, 3]
    assert ratio("r", [10, 40, 30], [1, 2, 10], target=10).reached is True
    assert speed("s", [1, 2], "steps", target=2).reached is False
    assert Figure("m", "MB", [5.0], target=6.0, at_least=False).reached is True
    assert Figure("m", "MB", [5.0]).reached is None
    with pytest.raises(ValueError, match="zip"):
        ratio("r", [1], [1, 2])
