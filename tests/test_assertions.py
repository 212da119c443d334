"""Every test can fail by what it asserts."""

import ast
from pathlib import Path

TREES = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.rglob("*.py")]


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def asserts(function, helpers):
    """Whether a function asserts, expects an error or a warning, or calls something that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"raises", "warns", "fail", *helpers} or called.startswith("assert_"):
                return True
    return False


def without_assertion(trees):
    """Names of tests that assert nothing, neither themselves nor by helpers of any file."""
    every = [one for tree in trees for one in functions(tree)]
    helpers, before = set(), None
    while helpers != before:
        before = set(helpers)
        helpers |= {one.name for one in every if not one.name.startswith("test_") and asserts(one, before)}
    return [one.name for one in every if one.name.startswith("test_") and not asserts(one, helpers)]


def test_every_test_asserts_something():
    assert without_assertion(TREES) == []


def test_what_asserts_nothing_is_found():
    source = """
def helper(): assert 1
def through(): helper()
def test_a(): assert 1
def test_b(): through()
def test_c(): print(1)
def test_d():
    with pytest.raises(ValueError): int("x")
def test_e(): np.testing.assert_array_equal(1, 1)
"""
    assert without_assertion([ast.parse(source)]) == ["test_c"]
