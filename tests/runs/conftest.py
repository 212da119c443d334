import pytest

from anysense.runs.cli import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """An `out` folder with one tiny pretraining and one tiny training on it, both named `a`."""
    out = tmp_path_factory.mktemp("out")
    common = ["--preset", "smoke", "--out", str(out), "--name", "a"]
    assert main(["pretrain", *common, "--samples", "300"]) == 0
    assert main(["train", *common]) == 0
    return out


@pytest.fixture(scope="session")
def evaluated(trained):
    """The same with an evaluation, also named `a`."""
    common = ["--preset", "smoke", "--out", str(trained), "--name", "a"]
    assert main(["evaluate", *common, "--corruption", "image:gaussian_noise:0.1", "--dropout", "0.3"]) == 0
    return trained
