"""Every part of the bench runs, and says what is wrong with its options."""

import json

import pytest
import torch

from anysense.representations.data import Samples
from anysense.representations.data.readers.mhd import MHD_MODALITIES
from bench import env, mhd
from bench.__main__ import PARTS, main


def digits(count: int) -> Samples:
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.rand(count, *it.shape, generator=generator) for name, it in MHD_MODALITIES.items()}
    values["label"] = torch.eye(10)[torch.arange(count) % 10]
    return Samples(MHD_MODALITIES, values, torch.arange(count) % 10)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_writes_figures(part, tmp_path, capsys, monkeypatch):
    if part == "env":
        pytest.importorskip("pygame")
    if part == "launch":
        pytest.importorskip("ray")
    monkeypatch.setattr(mhd, "load_mhd_offline", lambda *sizes: (digits(sizes[0]), digits(sizes[1])))
    assert main([part, "--preset", "smoke", "--out", str(tmp_path)]) == 0
    assert "figure" in capsys.readouterr().out
    result = json.loads((tmp_path / f"{part}.json").read_text())
    assert (result["part"], result["settings"]["repeats"]) == (part, 1)
    assert result["figures"]
    assert all(figure["median"] > 0 and len(figure["repeats"]) == 1 for figure in result["figures"])


def test_help_lists_the_parts(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {part} " in text for part in PARTS)
    assert main(["env", "--help"]) == 0
    assert "--sound-envs" in capsys.readouterr().out


def test_unknown_part(capsys):
    assert main(["encod"]) == 2
    parts = ", ".join(f"'{part}'" for part in PARTS)
    expected = f"`bench` must be one of {parts}; got 'encod'. Did you mean 'encode'?"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--repeats", "0", "`repeats` must be a whole number of at least 1"),
        ("--seconds", "0", "`seconds` must be more than 0"),
        ("--device", "tpu", "`device` must be 'auto', or what this machine has"),
    ],
)
def test_bad_options(option, value, message, tmp_path, capsys):
    assert main(["encode", option, value, "--out", str(tmp_path)]) == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_missing_pygame_names_the_install_line(monkeypatch):
    monkeypatch.setattr(env.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'anysense\[window\]'"):
        env.Part().measure()
