import importlib.util
import json

import pytest
import torch
from torch.nn.functional import normalize

from anysense.envs.pendulum.env import MultimodalPendulumEnv
from anysense.representations.contract import modalities_from_space
from anysense.representations.registry import build, make_settings
from bench import env as bench_env
from bench.command import PARTS, main
from bench.reference import PlainGMC, plain_loss, plain_training


@pytest.mark.parametrize("part", PARTS)
def test_each_part_writes_figures(part, tmp_path, capsys):
    if part == "env" and importlib.util.find_spec("pygame") is None:
        pytest.skip("Gymnasium's pendulum needs pygame to be drawn")
    assert main([part, "--preset", "smoke", "--out", str(tmp_path), "--name", "a"]) == 0
    assert "figure" in capsys.readouterr().out
    folder = tmp_path / "bench" / part / "a"
    result = json.loads((folder / "results" / "bench.json").read_text())
    assert result["part"] == part
    assert result["figures"]
    assert all(figure["median"] > 0 and len(figure["repeats"]) == 1 for figure in result["figures"])
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


def test_unknown_part(capsys):
    assert main(["encod"]) == 2
    assert (
        "`bench` must be one of 'env', 'encode', 'pretrain', 'train', 'dca', 'mhd', 'mosei'; got 'encod'. "
        "Did you mean 'encode'?" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--repeats", "0", "`repeats` expected 1 or more"), ("--seconds", "0", "`seconds` expected more than 0")],
)
def test_bad_values(option, value, message, tmp_path, capsys):
    assert main(["env", option, value, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_missing_pygame_names_the_install_line(monkeypatch):
    monkeypatch.setattr(bench_env.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'anysense\[window\]'"):
        bench_env.bench_env(1, 0.01, 0, 1, 1)


def test_both_sides_have_the_published_architecture():
    space = MultimodalPendulumEnv().observation_space
    ours = build("gmc", modalities_from_space(space), make_settings("gmc", "paper"))
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in (PlainGMC(), ours)]
    assert sizes == [1_933_386, 1_933_386]


def test_reference_loss_is_the_two_view_cross_entropy():
    seen, heard, both = normalize(torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(0)), dim=-1)
    expected = 0.0
    for modality in (seen, heard):
        stacked = torch.cat([both, modality])
        logits = (stacked @ stacked.T / 0.3).fill_diagonal_(-torch.inf)
        expected += torch.nn.functional.cross_entropy(logits, (torch.arange(12) + 6) % 12)
    torch.testing.assert_close(plain_loss(seen, heard, both, 0.3), expected)


def test_reference_learns_and_is_the_same_for_the_same_seed():
    image, sound = torch.full((8, 2, 60, 60), 0.5), torch.full((8, 2, 3, 2), 0.5)
    state = torch.random.get_rng_state()
    steps = plain_training(image, sound, batch_size=5, temperature=0.3, learning_rate=1e-3, seed=0)
    assert [next(steps) for _ in range(3)] == [5, 3, 5]
    assert torch.equal(state, torch.random.get_rng_state())
