"""Names on a hub, and downloads from a small hub on this machine that answers well, badly, or not at all."""

import json
import threading
from pathlib import Path

import pytest

from anysense.agents import Agent, pretrained_agent
from anysense.agents.description import AGENT
from anysense.common.errors import FileFormatError
from anysense.common.hub import calls
from anysense.common.hub.calls import endpoint, within
from anysense.common.hub.download import MOST_WEIGHTS, downloaded, of_hub
from anysense.common.hub.reference import Reference, check_repo, reference_in, reference_of
from anysense.common.json_files import MAX_JSON_BYTES
from anysense.representations import load_representation
from anysense.representations.description import REPRESENTATION

SHIPPED = pretrained_agent("pendulum")
PENDULUM = Reference("me/pendulum")


@pytest.fixture(scope="module")
def files():
    """The agent that comes along, by the names that its files have on a hub."""
    return {name: (SHIPPED / name).read_bytes() for name in AGENT.files}


def test_names():
    assert Reference.parse("hub:me/a.b_c-1") == Reference("me/a.b_c-1", "main")
    assert Reference.parse("hub:me/a@refs/pr/1") == Reference("me/a", "refs/pr/1")
    for text in ("hub:me/pendulum", "hub:me/pendulum@v1.0", f"hub:me/pendulum@{'a1' * 20}"):
        assert str(Reference.parse(text)) == text
        assert reference_in(text) == reference_in(Path(text)) == Reference.parse(text)
    assert Reference.parse(f"hub:me/x@{'a' * 40}").is_commit
    assert not Reference.parse(f"hub:me/x@{'a' * 39}").is_commit
    assert check_repo("alone", without_owner=True) == "alone"  # of whoever asks
    assert reference_in("out/train/001") is None
    assert reference_in(SHIPPED) is None


@pytest.mark.parametrize(
    "wrong",
    ["", "alone", "alone@v1",
     "me/", "/me", "a/b/c", "../x", "me/..", "me/a--b", "me/a.git", "me/-a", "me/a b", "me/" + "a" * 97, "me/a\n",
     "me/a@", "me/a@../b", "me/a@b//c", "me/a@-b", "me/a@b c", "me/a@b@c"],
)  # fmt: skip
def test_names_that_there_cannot_be(wrong):
    with pytest.raises(ValueError, match=r"is not written as hub:OWNER/NAME or hub:OWNER/NAME@REVISION: `re"):
        Reference.parse(f"hub:{wrong}")


def test_folders_of_the_cache_know_what_they_are():
    commit = "0123456789" * 4
    for inside in ("", "/representation"):
        folder = Path(f"cache/models--me--a_b.c/snapshots/{commit}{inside}")
        assert reference_of(folder) == Reference("me/a_b.c", commit)
        assert of_hub(folder) == f"hub:me/a_b.c@{commit}"
    for other in (f"models--me--a/{commit}", f"models--me--a/snapshots/{commit[1:]}", "models--me--a/snapshots"):
        assert reference_of(Path(other)) is None


def test_what_is_downloaded_is_the_agent_and_nothing_else(hub, files):
    commit = hub.add("me/pendulum", {**files, "pytorch_model.bin": b"pickle", "README.md": b"#", "policy.pt": b"p"})
    folder = downloaded(PENDULUM, AGENT)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == set(files)
    assert all((folder / name).read_bytes() == content for name, content in files.items())
    assert of_hub(folder) == f"hub:me/pendulum@{commit}"
    assert not any("bin" in call or ".pt" in call or "README" in call for call in hub.calls)
    assert all(token is None for path, token in hub.tokens if path.startswith("/lfs/"))  # Another host sees no token.
    assert Agent.load("hub:me/pendulum").algorithm == Agent.load(SHIPPED).algorithm
    inside = load_representation(Path("hub:me/pendulum"))
    assert inside.state_dict().keys() == load_representation(SHIPPED / "representation").state_dict().keys()


def test_a_commit_needs_the_hub_once_and_a_branch_goes_on(hub, files, capsys):
    first = hub.add("me/pendulum", files)
    downloaded(PENDULUM, AGENT)
    altered = files["agent.json"].replace(b'"seed": 0', b'"seed": 7')
    second = hub.add("me/pendulum", {**files, "agent.json": altered})
    hub.calls.clear()
    assert of_hub(downloaded(PENDULUM.at(first), AGENT)) == f"hub:me/pendulum@{first}"
    assert hub.calls == []
    assert of_hub(downloaded(PENDULUM, AGENT)) == f"hub:me/pendulum@{second}"
    assert (downloaded(PENDULUM, AGENT) / "agent.json").read_bytes() == altered
    hub.close()
    assert of_hub(downloaded(PENDULUM, AGENT)) == f"hub:me/pendulum@{second}"
    assert f"Taking what came last time, hub:me/pendulum@{second}: " in capsys.readouterr().err
    with pytest.raises(ConnectionError, match=r"me/other`: http.* cannot be reached.* The cache .* does not hold it"):
        downloaded(Reference("me/other"), AGENT)


def test_offline_asks_nobody(hub, files, monkeypatch):
    from huggingface_hub import constants

    hub.add("me/pendulum", files)
    folder = downloaded(PENDULUM, AGENT)
    hub.calls.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert downloaded(PENDULUM, AGENT) == folder
    with pytest.raises(ConnectionError, match=r"HF_HUB_OFFLINE is set, .* unset it to ask. The cache"):
        downloaded(PENDULUM.at("v2"), AGENT)
    assert hub.calls == []


def test_a_damaged_cache_is_made_good(hub, files):
    commit = hub.add("me/pendulum", files)
    weights = downloaded(PENDULUM, AGENT) / "policy.safetensors"
    weights.resolve().write_bytes(b"x" * len(files["policy.safetensors"]))
    for revision in (commit, "main"):
        folder = downloaded(PENDULUM.at(revision), AGENT)
        assert (folder / "policy.safetensors").read_bytes() == files["policy.safetensors"]


def test_repositories_without_an_agent(hub, files):
    with pytest.raises(FileNotFoundError, match=r"`hub:me/pendulum`: http.* has no such repository, .* HF_TOKEN"):
        downloaded(PENDULUM, AGENT)
    hub.add("me/pendulum", {f"pytorch_model-{part}.bin": b"" for part in range(8)})
    with pytest.raises(
        FileNotFoundError, match=r"expected agent.json, there are pytorch_model-0.bin.* and 2 more. Pick"
    ):
        downloaded(PENDULUM, AGENT)
    with pytest.raises(FileNotFoundError, match=r"holds no representation of anysense: expected representation.json"):
        downloaded(PENDULUM, REPRESENTATION)
    hub.add("me/pendulum", {name: it for name, it in files.items() if name != "policy.safetensors"})
    with pytest.raises(FileNotFoundError, match=r"has agent.json, but no policy.safetensors. Take another revision"):
        downloaded(PENDULUM, AGENT)
    with pytest.raises(FileNotFoundError, match=r"@v9`: http.* has the repository, but no such revision"):
        downloaded(PENDULUM.at("v9"), AGENT)


def test_private_repositories_need_the_token(hub, files, monkeypatch):
    hub.add("me/pendulum", files, private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(FileNotFoundError, match=r"shows it to others only.* `hf auth login`"):
        downloaded(PENDULUM, AGENT)


def test_a_file_that_is_not_what_its_record_says(hub, files):
    other = files["policy.safetensors"][:-4] + b"evil"
    hub.add("me/pendulum", {**files, "policy.safetensors": other})
    with pytest.raises(
        FileFormatError, match=r"is not what its own record says: .policy.safetensors. is truncated or a"
    ):
        downloaded(PENDULUM, AGENT)
    assert not (Path(calls.cache_of()) / "models--me--pendulum/refs/main").exists()
    described = json.loads(files["representation/representation.json"]) | {"weights_sha256": "0" * 64}
    hub.add("me/pendulum", {**files, "representation/representation.json": json.dumps(described).encode()})
    with pytest.raises(FileFormatError, match=r"representation/representation.safetensors. is truncated or altered"):
        downloaded(PENDULUM, AGENT)


def listing(hub, change):
    """A fault: the list of files says something else."""

    def fault(handler):
        content = handler.listing("me/pendulum", hub.commit("me/pendulum", "main"))
        change(content)
        handler.answer(200, content)

    hub.faults["GET /api/models"] = fault


@pytest.mark.parametrize(
    ("name", "size", "most"),
    [
        ("agent.json", MAX_JSON_BYTES + 1, MAX_JSON_BYTES),
        ("policy.safetensors", 1 << 50, MOST_WEIGHTS),
        ("agent.json", -1, 0),
    ],
)
def test_sizes_are_bounded_before_anything_comes(hub, files, name, size, most):
    hub.add("me/pendulum", files)
    listing(hub, lambda it: [one.update(size=size) for one in it["siblings"] if one["rfilename"] == name])
    with pytest.raises(FileFormatError, match=rf"{name} has {size:,} bytes; expected at most .*{most:,}?"):
        downloaded(PENDULUM, AGENT)
    assert not any("resolve" in call for call in hub.calls)


def test_more_than_there_is_room_for(hub, files, monkeypatch):
    hub.add("me/pendulum", files)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match=r"Cannot write into the cache .*2 MB are needed.*set HF_HOME to another folder"):
        downloaded(PENDULUM, AGENT)


@pytest.mark.parametrize("place", ["/proc/nothing", "a-file/cache"])
def test_a_cache_that_cannot_be_made(place, hub, files, tmp_path, monkeypatch):
    hub.add("me/pendulum", files)
    (tmp_path / "a-file").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / place))
    with pytest.raises(PermissionError, match=r"Cannot write into the cache .*\((No such|Not a|File exists).*HF_HOME"):
        downloaded(PENDULUM, AGENT)


def test_an_empty_address_is_none(hub, files, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "")
    assert endpoint() == "https://huggingface.co"
    template = "/{repo_id}/resolve/{revision}/{filename}"  # as the library makes it of an empty one
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("anysense.common.hub.calls.HUGGING_FACE", hub.url)
    hub.add("me/pendulum", files)
    assert (downloaded(PENDULUM, AGENT) / "agent.json").read_bytes() == files["agent.json"]


def test_content_that_is_not_what_the_hub_lists(hub, files):
    """Of the right size, longer than listed, and as the answer of a proxy that says so in HTML."""
    hub.add("me/pendulum", files)
    content = files["policy.safetensors"]
    for wrong, message in (
        (content[:-1] + b"x", "what came as policy.safetensors is not the file that the hub lists"),
        (content + b"more" * 100, "cannot be reached, or gave no answer of a hub"),
        (content + b"more" * (1 << 20), "brings more than the 73,320 bytes that the hub lists"),
        (b"<html>", "cannot be reached, or gave no answer of a hub"),
    ):
        hub.faults = {"GET /lfs": lambda handler, wrong=wrong: handler.answer(200, wrong)}
        with pytest.raises((FileFormatError, ConnectionError), match=message):
            downloaded(PENDULUM, AGENT)
        assert not list(Path(calls.cache_of()).rglob("policy.safetensors"))
    hub.faults = {}
    assert (downloaded(PENDULUM, AGENT) / "policy.safetensors").read_bytes() == content


def test_a_stream_without_end_is_ended(hub, files):
    """The header of the file says another size than the list, and the answer has no length at all."""
    hub.add("me/pendulum", files)
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        block = b"\0" * (1 << 20)
        try:
            for _ in range(200):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
                sent.append(len(block))
        except OSError:
            pass
        handler.close_connection = True

    hub.faults = {"GET /lfs": endless}
    with pytest.raises(FileFormatError, match=r"brings more than the 7.* bytes that the hub lists; it was ended"):
        downloaded(PENDULUM, AGENT)
    assert sum(sent) < 100 << 20


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((500, b"oops"), ConnectionError, "failed with status 500"),
        ((429, b"slow down"), ConnectionError, r"failed with status 429.*try again later"),
        ((200, b"<html>welcome</html>"), ConnectionError, "gave no answer of a hub"),
        ((200, b'{"sha": "abc"}'), ConnectionError, "gave no answer of a hub"),
        ((200, b"[]"), ConnectionError, "gave no answer of a hub"),
        (
            (403, b'{"error": "not yours"}'),
            PermissionError,
            r"refused it \(not yours\). Take a token that may do this: read",
        ),
        ((418, b'{"error": "a teapot"}'), ValueError, "refused it with status 418"),
    ],
)
def test_answers_that_are_none(hub, answer, error, message):
    hub.add("me/pendulum", {})
    hub.faults = {"GET /api/models": lambda handler: handler.answer(*answer)}
    with pytest.raises(error, match=rf"`hub:me/pendulum`: {hub.url} .*{message}"):
        downloaded(PENDULUM, AGENT)


def test_no_call_lasts_for_ever(hub, files, monkeypatch):
    hub.add("me/pendulum", files)
    ended = threading.Event()
    hub.faults = {"GET /lfs": lambda handler: ended.wait(20)}
    monkeypatch.setattr(calls, "SECONDS", 0.3)
    monkeypatch.setattr(calls, "LEAST_SPEED", 1e9)
    with pytest.raises(ConnectionError, match=r"it was not done within 0 seconds"):
        downloaded(PENDULUM, AGENT)
    ended.set()
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError, match="inside"):
        within(5, lambda: {}["inside"])


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"`hub:me/pendulum` needs huggingface_hub.*pip install 'anysense\[hub\]'"
    ):
        Agent.load("hub:me/pendulum")
