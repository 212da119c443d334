"""`anysense push` to a small hub on this machine, and commands that take what lies there."""

import dataclasses
import importlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from anysense.agents import pretrained_agent
from anysense.agents.description import AGENT
from anysense.common.files import sha256_of
from anysense.representations.description import REPRESENTATION
from anysense.runs.cli import main
from anysense.runs.from_hub import pinned
from anysense.runs.inputs import recorded_inputs
from anysense.runs.publishing.contents import is_published, without_places
from anysense.runs.run_folder import RunFolder
from tests.hub_server import TOKEN

ROOT = Path(__file__).parents[2]
SHIPPED = pretrained_agent("pendulum")
SHORT = ("--episodes", "2", "--steps", "5")


@dataclasses.dataclass(frozen=True)
class RunSettings:
    run: Path


# huggingface_hub sends large files in a form that its HTTP library is about to give up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def no_references():
    """Solving for the optimal controller takes longer than all else here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anysense.runs.commands.evaluate.reference_results", lambda *arguments: {})
        yield


@pytest.fixture(scope="module")
def run(no_references, tmp_path_factory):
    """An evaluation of the agent that comes along, with something in the place of clips."""
    out = tmp_path_factory.mktemp("out")
    assert main(["evaluate", "--agent", "pendulum", *SHORT, "--out", str(out), "--name", "a"]) == 0
    run = out / "evaluate" / "a"
    (run / "clips").mkdir()
    for name in ("complete.mp4", "image+sound.mp4", "notes.txt", ".hidden.mp4"):
        (run / "clips" / name).write_bytes(name.encode())
    (run / "clips" / "link.mp4").symlink_to(run / "run.json")
    return run


@pytest.fixture
def push(tmp_path, capsys):
    """Pushes something in an empty folder; gives what is printed and the record of the push."""

    def do(*arguments, code=0):
        capsys.readouterr()
        found = main(["push", *map(str, arguments), "--out", str(tmp_path / "push")])
        printed = capsys.readouterr()
        assert found == code, printed.err
        text = " ".join((printed.out + printed.err).split()) if code else printed.out
        records = sorted((tmp_path / "push").glob("*.json"))
        return text, json.loads(records[-1].read_text()) if records else None

    return do


def test_what_is_pushed_and_used_again(run, push, hub, tmp_path):
    printed, record = push(run, "--repo", "pend", "--license", "mit", "--message", "The first")
    files, commit = hub.files("me/pend"), hub.commit("me/pend", "main")
    assert f"anysense evaluate --agent hub:me/pend@{commit}" in printed
    assert (record["repo"], record["commit"], record["endpoint"]) == ("me/pend", commit, hub.url)
    pictures = {f"figures/{name}" for name in ("score.png", "learning-curves.png")}
    clips = {"replay.mp4", "clips/complete.mp4", "clips/image+sound.mp4"}
    results = {"README.md", "results/report.json", "results/report.csv"}
    assert set(files) == {*AGENT.files, *pictures, *clips, *results}
    for name in AGENT.files:
        assert files[name] == (SHIPPED / name).read_bytes()
        assert record["files"][name] == sha256_of(SHIPPED / name)
    assert TOKEN not in json.dumps(record) + printed

    arguments = ["evaluate", "--agent", "hub:me/pend", *SHORT, "--out", str(tmp_path), "--name", "b"]
    assert main(arguments) == 0
    again = tmp_path / "evaluate" / "b"
    assert (again / "results/episodes.csv").read_bytes() == (run / "results/episodes.csv").read_bytes()
    kept = RunFolder.open(again).record
    assert f"--agent hub:me/pend@{commit} " in kept["command_line"]
    assert kept["settings"]["run"] == kept["inputs"]["run"]["hub"] == f"hub:me/pend@{commit}"
    assert kept["inputs"]["run"]["files"] == {name: record["files"][name] for name in AGENT.files}
    assert f"--agent hub:me/pend@{commit} " in (again / "results/report.md").read_text()
    text, _ = push(again, "--repo", "me/copy", "--dry-run")
    assert f"| evaluate.run | hub:me/pend@{commit} |" in text


def test_the_card(run, push, tmp_path, monkeypatch):
    """Without a network, and without the extra."""
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    text, record = push(run, "--repo", "pend", "--license", "cc-by-4.0", "--dry-run")
    assert record is None
    folder = tmp_path / "push" / "OWNER--pend"
    assert f"Folder: {folder} (12 files" in text
    monkeypatch.undo()
    cards = pytest.importorskip("huggingface_hub")
    card = cards.ModelCard.load(folder / "README.md")
    assert (card.data.library_name, card.data.license) == ("anysense", "cc-by-4.0")
    assert {"anysense", "sac", "gmc", "reinforcement-learning"} <= set(card.data.tags)
    report = json.loads((folder / "results/report.json").read_text())
    scores = [one for one in report["records"] if one["metric"] == "average_reward" and one["subset"]]
    found = [one for one in card.data.eval_results if one.metric_type == "average_reward"]
    assert [one.metric_value for one in found] == [one["value"] for one in scores]
    assert [one.metric_args["interval_95"] for one in found] == [[one["low"], one["high"]] for one in scores]
    for part in (
        "| sound |",
        "anysense evaluate --agent hub:OWNER/pend",
        "One training (seed 0)",
        "clips/complete.mp4",
    ):
        assert part in card.text
    assert sha256_of(SHIPPED / "policy.safetensors") in card.text
    places = (str(run), str(SHIPPED), str(Path.home()))
    for path in (folder / "README.md", folder / "results/report.json"):
        assert not any(place in path.read_text() for place in places)


def test_paths_of_this_machine_are_shortened():
    line = "anysense train --out /data/me/out --representation=/data/me/r --name a 'x y'"
    given = {"command_line": line, "settings": {"run": "/data/me/agent", "more": ["C:\\me\\x", "hub:me/x", "out/x", 3]}}
    assert without_places(given) == {
        "command_line": "anysense train --out out --representation=r --name a 'x y'",
        "settings": {"run": "agent", "more": ["x", "hub:me/x", "out/x", 3]},
    }


def test_names_that_are_ours():
    ours = ["README.md", "agent.json", "representation/representation.json", "clips/image+sound.mp4", "figures/a.png"]
    assert all(map(is_published, [*ours, "replay.mp4", "representation.safetensors"]))
    other = ["pytorch_model.bin", "clips/../x.mp4", "clips/a/b.mp4", "figures/a.pt", ".gitattributes", "clips", "a.mp4"]
    assert not any(map(is_published, other))


def test_a_second_push_takes_away_what_is_left_of_the_first(run, push, hub):
    push(run, "--repo", "me/x")
    entry = hub.repos["me/x"]
    hub._commit(entry, "main", {**hub.files("me/x"), "NOTES.txt": b"by hand"})
    push(SHIPPED / "representation", "--repo", "me/x")
    assert set(hub.files("me/x")) == {"README.md", "NOTES.txt", *REPRESENTATION.files}
    before = hub.commit("me/x", "main")
    push(SHIPPED / "representation", "--repo", "me/x")
    assert hub.commit("me/x", "main") == before or hub.files("me/x") == hub.commits[before]
    _, record = push(SHIPPED, "--repo", "me/x", "--revision", "agents/v1")
    assert record["branch"] == "agents/v1"
    assert "agent.json" in hub.files("me/x", "agents/v1")
    assert hub.files("me/x") == hub.commits[before]


def test_private_stays_private(push, hub):
    push(SHIPPED, "--repo", "me/secret", "--private")
    assert hub.repos["me/secret"]["private"]
    push(SHIPPED, "--repo", "me/secret", "--private")
    hub.add("me/open", {})
    hub.calls.clear()
    text, _ = push(SHIPPED, "--repo", "me/open", "--private", code=2)
    assert "`private`: me/open is there already and everybody can see it, so nothing was sent" in text
    assert not any("commit" in call or "lfs" in call for call in hub.calls)


def test_what_arrives_is_looked_at(push, hub):
    """A repository that ignores files, and one whose owner is another."""
    ignored = {"uploadMode": "regular", "shouldIgnore": True}

    def ignore(handler):
        handler.answer(200, {"files": [{"path": name, **ignored} for name in ("README.md", *AGENT.files)]})

    hub.faults = {"/preupload": ignore}
    text, _ = push(SHIPPED, "--repo", "me/x", code=1)
    assert "README.md, agent.json, policy.safetensors" in text
    assert "or are missing. Look whether a .gitignore" in text
    hub.faults = {"/commit/": lambda handler: handler.answer(403, {"error": "no write access"})}
    text, _ = push(SHIPPED, "--repo", "me/x", code=2)
    assert "refused it (no write access). Take a token that may do this" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "`RUN` and `--repo` are needed, for example: anysense push out/evaluate/001 --repo OWNER/NAME"),
        ((SHIPPED, "--repo", "a/b/c"), "`repo` must be OWNER/NAME"),
        ((SHIPPED, "--repo", "me/x", "--revision", "a" * 40), "must be the name of a branch; got a commit"),
        ((SHIPPED, "--repo", "me/x", "--license", "My Own"), "such as mit or cc-by-4.0; got 'My Own'"),
        ((SHIPPED, "--repo", "me/x", "--message", " "), "`message` is empty"),
        ((SHIPPED / "agent.json", "--repo", "me/x"), "agent.json is not a folder; expected a run such as"),
        (
            (SHIPPED.parents[1], "--repo", "me/x"),
            "holds neither an agent nor a representation; expected a finished run",
        ),
        (("hub:me/x", "--repo", "me/y"), "`run` hub:me/x is on a hub already"),
    ],
)
def test_what_cannot_be_pushed(arguments, message, push, hub):
    assert message in push(*arguments, code=2)[0]
    assert not any("commit" in call for call in hub.calls)


def test_without_token_or_network(push, hub, tmp_path, monkeypatch):
    from huggingface_hub import constants

    damaged = shutil.copytree(SHIPPED, tmp_path / "agent")
    (damaged / "policy.safetensors").write_bytes(b"another one")
    assert "policy.safetensors` is truncated or altered" in push(damaged, "--repo", "me/x", code=2)[0]
    assert hub.calls == []
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert (
        "wants a valid token; set HF_TOKEN, or log in with `hf auth login`" in push(SHIPPED, "--repo", "x", code=2)[0]
    )
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "wants a valid token; set HF_TOKEN, or log in" in push(SHIPPED, "--repo", "me/x", code=2)[0]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in push(SHIPPED, "--repo", "me/x", code=1)[0]


def test_a_training_goes_on_with_the_same_representation(hub, tmp_path, refused, capsys):
    files = {name: (SHIPPED / "representation" / name).read_bytes() for name in REPRESENTATION.files}
    commit = hub.add("me/r", files)
    options = ["--preset", "smoke", "--out", str(tmp_path), "--name", "a"]
    budget = ["--total-steps", "32", "--n-envs", "1", "--eval-every", "32", "--eval-episodes", "1", "--eval-steps", "5"]
    assert main(["train", *options, *budget, "--representation", "hub:me/r"]) == 0
    run = tmp_path / "train" / "a"
    record = json.loads((run / "run.json").read_text())
    assert record["inputs"]["representation"]["hub"] == f"hub:me/r@{commit}"
    described = files["representation.json"].replace(b'"anysense_version": "0', b'"anysense_version": "1')
    hub.add("me/r", {**files, "representation.json": described})
    shutil.rmtree(tmp_path / "hub-cache")

    (run / "run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    hub.calls.clear()
    assert main(["train", *options, "--resume"]) == 0, capsys.readouterr().err
    assert any(f"resolve/{commit}/" in call for call in hub.calls)
    message = refused("train", *options, "--resume", "--representation", "hub:me/r")
    assert f"holds something else than what `{run}` was started with (hub:me/r@{commit})" in message
    record["inputs"]["representation"]["files"]["representation.json"] = "0" * 64
    (run / "run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    assert f"representation.json of `hub:me/r@{commit}` has another SHA-256" in refused("train", *options, "--resume")


def test_what_is_on_no_hub_is_recorded_as_before(tmp_path):
    found = recorded_inputs(RunSettings(SHIPPED), ["x"], tmp_path)
    assert set(found["run"]) == {"typed", "path", "relative", "sha256"}


def test_a_name_without_hub_says_how_it_is_written(refused, tmp_path):
    assert "or one on a hub as hub:OWNER/NAME; got 'me/pend'" in refused("evaluate", "--agent", "me/pend")


def test_in_a_fresh_process(hub, shell, tmp_path):
    """As it is typed: address and cache come from the environment."""
    hub.add("me/pend", {name: (SHIPPED / name).read_bytes() for name in AGENT.files})
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    code = "from anysense.agents import Agent; print(Agent.load('hub:me/pend').facts['steps'])"
    assert "35008" in shell(tmp_path, "-c", code, environment=environment)


def test_the_guide(hub, push, run, tmp_path):
    """Its Python runs, its commands are understood, and what it pushes is there."""
    page = (ROOT / "docs/hub.md").read_text().replace("OWNER/NAME", "me/pend")
    hub.add("me/pend", {name: (SHIPPED / name).read_bytes() for name in AGENT.files})
    hub.repos["me/pend"]["branches"]["v1"] = hub.commit("me/pend", "main")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["agent"].algorithm == "sac"
    lines = [line.split()[1:] for line in re.findall(r"^anysense .*--.*$", page, re.MULTILINE)]
    assert [words[0] for words in lines] == ["evaluate", "play", "train", "pretrain", "evaluate", "push"]
    for command, *arguments in lines[:5]:
        module = importlib.import_module(f"anysense.runs.commands.{command}")
        assert module.read(pinned(arguments)) != module.read([])
    push(run, *lines[5][2:])
    assert (tmp_path / "push/OWNER--pendulum/README.md").is_file()
