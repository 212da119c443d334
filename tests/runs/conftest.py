import itertools

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


@pytest.fixture(scope="session")
def classified(tmp_path_factory):
    """An `out` folder with a tiny comparison of two methods on `mhd-offline`, named `a`."""
    out = tmp_path_factory.mktemp("out")
    options = ["--preset", "smoke", "--methods", "gmc,mfm", "--jobs", "1", "--out", str(out), "--name", "a"]
    assert main(["classify", *options, "--docs", str(out / "docs" / "digits")]) == 0
    return out


@pytest.fixture
def read_table():
    """A function that reads the first Markdown table below a heading: cells by row and column."""

    def read(text, heading):
        below = itertools.dropwhile(lambda line: not line.startswith("|"), text[text.index(heading) :].splitlines())
        lines = [line.strip("|").split("|") for line in itertools.takewhile(lambda line: line.startswith("|"), below)]
        (_, *columns), _, *rows = [[cell.strip() for cell in line] for line in lines]
        return {name: dict(zip(columns, values, strict=True)) for name, *values in rows}

    return read
