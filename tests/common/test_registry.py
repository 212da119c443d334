"""Entries that are built in, registered, or come from installed packages."""

import subprocess
import sys

import pytest

from anysense.common.registry import Registry

GROUP = "anysense.tests"


def check(entry):
    if not isinstance(entry, type):
        raise TypeError(f"a thing must be a class; got {entry!r}.")


@pytest.fixture
def things():
    return Registry("thing", GROUP, {"path": "pathlib:Path", "registry": "anysense.common.registry:Registry"}, check)


def test_built_in_entries_come_first_and_are_imported_when_asked_for(things):
    assert things.names() == ("path", "registry")
    assert things.get("registry") is Registry
    assert "path" in things
    assert "nothing" not in things
    unknown = Registry("thing", GROUP, {"lost": "no_such_module:Thing"})
    assert unknown.names() == ("lost",)
    with pytest.raises(ModuleNotFoundError):
        unknown.get("lost")


def test_a_package_that_is_installed_meanwhile_is_found(things, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    assert things.names() == ("path", "registry")
    (tmp_path / "ant-1.0.dist-info").mkdir()
    (tmp_path / "ant-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ant\nVersion: 1.0\n")
    (tmp_path / "ant-1.0.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\nlegs = ant:Legs\n")
    assert things.names() == ("path", "registry", "legs")


def test_an_unknown_name_lists_all(things):
    with pytest.raises(ValueError, match=r"`thing` must be one of 'path', 'registry'; got 'pth'. Did you mean 'path'"):
        things.get("pth")
    with pytest.raises(ValueError, match=r"`--thing` must be one of"):
        things.get("pth", "--thing")


def test_registered_entries(things):
    things.register("mine", int)
    assert things.names()[-1] == "mine"
    assert things.get("mine") is int
    things.register("mine", float)
    assert things.get("mine") is float
    with pytest.raises(ValueError, match="`name` 'path' is taken by a built-in thing; choose another name"):
        things.register("path", int)
    with pytest.raises(TypeError, match="a thing must be a class; got 3"):
        things.register("three", 3)


def test_entries_of_installed_packages(things, install):
    install("zebra", {GROUP: {"stripes": "zebra:Stripes"}}, {"zebra": "class Stripes: pass"})
    install("ant", {GROUP: {"legs": "ant:Legs"}}, {"ant": "class Legs: pass"})
    assert things.names() == ("path", "registry", "legs", "stripes")
    assert "legs" in things
    assert "ant" not in sys.modules
    assert things.get("legs").__name__ == "Legs"
    with pytest.raises(ValueError, match="'legs' is taken by another package's thing"):
        things.register("legs", int)


def test_a_package_cannot_take_the_place_of_a_built_in_entry(things, install):
    install("thief", {GROUP: {"path": "thief:Path"}}, {"thief": "class Path: pass"})
    assert things.get("path").__module__.startswith("pathlib")


def test_two_packages_with_one_name_are_an_error_that_names_both(things, install):
    install("ant", {GROUP: {"legs": "ant:Legs"}}, {"ant": "class Legs: pass"})
    install("bee", {GROUP: {"legs": "bee:Legs"}}, {"bee": "class Legs: pass"})
    assert things.names() == ("path", "registry", "legs")
    with pytest.raises(
        ValueError, match=r"`thing` 'legs' is offered by several installed packages: .*(ant.*bee|bee.*ant)"
    ):
        things.get("legs")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named_and_stops_nothing_else(things, install, source, cause):
    install("ant", {GROUP: {"legs": "ant:Legs"}}, {"ant": source})
    assert things.names() == ("path", "registry", "legs")
    assert things.get("registry") is Registry
    with pytest.raises(
        ImportError, match=rf"the thing 'legs' of ant cannot be imported from 'ant:Legs': {cause}.*Repair"
    ):
        things.get("legs")


def test_an_entry_that_is_not_valid_is_named(things, install):
    install("ant", {GROUP: {"legs": "ant:Legs"}}, {"ant": "Legs = 6"})
    with pytest.raises(ValueError, match=r"the thing 'legs' of ant is not valid: a thing must be a class; got 6"):
        things.get("legs")


def test_other_processes_see_what_is_installed(install):
    folder = install("ant", {GROUP: {"legs": "ant:Legs"}}, {"ant": "class Legs: pass"})
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from anysense.common.registry import Registry\n"
        f"print(Registry('thing', {GROUP!r}, {{}}).get('legs').__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Legs\n"
