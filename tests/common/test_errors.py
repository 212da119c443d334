import pytest

from anysense.common.errors import unknown_name
from anysense.common.validation import (
    check_choice,
    check_names,
    check_path,
    check_positive_integer,
    check_probability,
    check_range,
    check_seed,
)


def test_unknown_name_lists_the_valid_ones_and_the_nearest():
    message = unknown_name("preset", "papre", ["smoke", "Paper"])
    assert message == "`preset` must be one of 'smoke', 'Paper'; got 'papre'. Did you mean 'Paper'?"
    assert unknown_name("preset", "zzz", ["smoke"]) == "`preset` must be one of 'smoke'; got 'zzz'."
    assert unknown_name("preset", 3, []) == "`preset` must be one of (none); got 3."


def test_good_values_come_back():
    assert check_choice("a", "x", {"x": 1}) == "x"
    assert check_names("a", ["y", "x"], ("x", "y")) == ("y", "x")
    assert check_positive_integer("a", 3) == 3
    assert check_range("a", 2, 0) == 2.0
    assert check_range("a", 1, 0, 1, ends="(]") == 1.0
    assert check_probability("a", 1) == 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: check_choice("a", "xx", ["xy", "b"]), ValueError, "`a` must be one of 'xy', 'b'; got 'xx'. Did you"),
        (lambda: check_choice("a", 1, ["x"]), ValueError, "`a` must be one of 'x'; got 1"),
        (lambda: check_names("a", "x", ["x"]), TypeError, r"got the string 'x'; write \('x',\)"),
        (lambda: check_names("a", [1], ["x"]), TypeError, r"must be a sequence of names, got \[1\]"),
        (lambda: check_names("a", [], ["x"]), ValueError, "must name at least one of 'x'; got none"),
        (lambda: check_names("a", ["x", "x"], ["x"]), ValueError, "must name each entry once; got 'x' twice"),
        *((lambda v=v: check_positive_integer("a", v), ValueError, "whole number") for v in (0, -1, 1.5, True, "1")),
        *((lambda v=v: check_probability("a", v), ValueError, r"in \[0, 1\]") for v in (-0.1, 1.1, float("nan"), "1")),
        *((lambda v=v: check_range("a", v, 0, 1, ends="()"), ValueError, r"in \(0, 1\)") for v in (0, 1.0, True)),
        *((lambda v=v: check_seed("a", v), ValueError, "from 0 to 4294967295") for v in (-1, 2**32, 1.5, "x", None)),
        (lambda: check_path("a", 5), TypeError, "`a` must be a path, got 5"),
        *((lambda v=v: check_range("a", v, 0), ValueError, "at least 0") for v in (-1, float("inf"), None, [])),
    ],
)
def test_bad_values_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
