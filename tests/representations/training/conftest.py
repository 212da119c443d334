import pytest

from anysense.envs.world import world
from anysense.representations.data import Transitions, collect
from anysense.representations.training import (
    PretrainResult,
    pretrain,
)
from tests.representations.training.quick_runs import QUICK, new_representation


@pytest.fixture(scope="session")
def data() -> tuple[Transitions, Transitions]:
    return collect(world(), 300).split(0.25, seed=0)


@pytest.fixture(scope="session")
def whole(data, tmp_path_factory) -> PretrainResult:
    """An uninterrupted run with the quick settings."""
    return pretrain(new_representation(), *data, QUICK, tmp_path_factory.mktemp("whole"))
