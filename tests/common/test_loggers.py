"""Loggers: what they keep, that they go on with the same run, and that none of them ends the work."""

import csv
import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anysense.common.loggers.catalogue import LOGGERS, SteadyLogger, steady
from anysense.common.loggers.logger import Logger

SETTINGS = {"settings": {"epochs": 3, "patience": None}, "method": {"name": "gmc"}}


class FakeWandb(ModuleType):
    """The calls of Weights & Biases that are made, and what they got."""

    def __init__(self, account):
        super().__init__("wandb")
        self.account, self.runs = account, []
        self.Settings = SimpleNamespace
        self.asks, self.in_use = True, set()

    def setup(self, settings):
        self.asks = settings.show_info

    def teardown(self):
        self.in_use.clear()

    def init(self, **options):
        assert not self.asks, "a question at a terminal would stop the training"
        if options["id"] in self.in_use:
            raise RuntimeError(f"run ID {options['id']} is in use")
        logs = Path(options["dir"], "wandb", f"run-{len(self.runs)}-{options['id']}", "logs")
        logs.mkdir(parents=True, exist_ok=True)
        (logs / "debug-core.log").unlink(missing_ok=True)
        (logs / "debug-core.log").symlink_to("/dev/null")
        if not self.account and options.get("mode") != "offline":
            self.in_use.add(options["id"])
            raise RuntimeError("No API key configured.")
        run = SimpleNamespace(options=options, rows=[], config={}, ended=None, axis=None)
        run.config = SimpleNamespace(
            values={}, update=lambda values, allow_val_change: run.config.values.update(values)
        )
        run.define_metric = lambda name, step_metric: setattr(run, "axis", (name, step_metric))
        run.log = run.rows.append
        run.finish = lambda exit_code: setattr(run, "ended", exit_code)
        self.runs.append(run)
        return run


class FakeMlflow(ModuleType):
    """The calls of MLflow that are made; stores by their address."""

    def __init__(self):
        super().__init__("mlflow")
        self.stores = {}
        self.entities = SimpleNamespace(Metric=lambda name, value, time, step: (name, value, step))
        self.MlflowClient = lambda address: self.stores.setdefault(address, FakeStore())


class FakeStore:
    def __init__(self):
        self.experiments, self.runs = {}, {}

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=name) if name in self.experiments else None

    def create_experiment(self, name, artifacts):
        self.experiments[name] = artifacts
        return name

    def create_run(self, experiment, run_name):
        number = f"run{len(self.runs)}"
        self.runs[number] = SimpleNamespace(name=run_name, experiment=experiment, params={}, metrics=[], status=[])
        return SimpleNamespace(info=SimpleNamespace(run_id=number))

    def get_run(self, number):
        return SimpleNamespace(data=self.runs[number])

    def update_run(self, number, status):
        self.runs[number].status.append(status)

    def log_param(self, number, name, value):
        assert name not in self.runs[number].params, "parameters never change"
        self.runs[number].params[name] = value

    def log_batch(self, number, metrics):
        self.runs[number].metrics += metrics

    def set_terminated(self, number, status):
        self.runs[number].status.append(status)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def wandb(monkeypatch):
    fake = FakeWandb(account=False)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def mlflow(monkeypatch):
    fake = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return fake


def trained(name, folder, steps=(0, 1), fault=None):
    """What a training does with its logger."""
    with steady(name, folder) as log:
        log.settings(SETTINGS)
        for step in steps:
            log.numbers({"train/total": 0.5 * step}, step)
        if fault is not None:
            raise fault


def assert_no_links(folder):
    """A run whose links lead out of its folder is refused by --resume."""
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


def test_the_names():
    assert LOGGERS.names()[:4] == ("tensorboard", "csv", "wandb", "mlflow")
    for name in LOGGERS.names():
        assert LOGGERS.get(name).name == name


def test_tensorboard(tmp_path):
    trained("tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/total")] == [(0, 0.0), (1, 0.5)]
    (text,) = events.Tensors("settings/text_summary")
    assert b'"epochs": 3' in text.tensor_proto.string_val[0]


def test_csv_goes_on_without_the_steps_that_are_done_again(tmp_path):
    trained("csv", tmp_path, range(4))
    with (tmp_path / "csv" / "numbers.csv").open("a") as file:
        file.write("4,train/to")  # as a kill leaves it
    trained("csv", tmp_path, (2, 3, 4))
    with (tmp_path / "csv" / "numbers.csv").open(newline="") as file:
        rows = [(int(row["step"]), row["name"], float(row["value"])) for row in csv.DictReader(file)]
    assert rows == [(step, "train/total", 0.5 * step) for step in range(5)]
    assert json.loads((tmp_path / "csv" / "settings.json").read_text()) == SETTINGS


def test_wandb_without_an_account_is_offline_and_one_run(tmp_path, wandb, capsys):
    folder = tmp_path / "pretrain" / "001"
    trained("wandb", folder)
    with pytest.raises(KeyboardInterrupt):
        trained("wandb", folder, (1, 2), KeyboardInterrupt())
    first, second = wandb.runs
    assert first.options["mode"] == "offline"
    assert first.options["id"] == second.options["id"]
    assert len(first.options["id"]) == 8
    assert (first.options["resume"], first.options["project"]) == ("allow", "anysense")
    assert first.options["dir"] == str(folder)
    assert first.options["name"].endswith("pretrain/001")
    assert first.config.values == SETTINGS
    assert first.axis == ("*", "step")
    assert first.rows == [{"train/total": 0.0, "step": 0}, {"train/total": 0.5, "step": 1}]
    assert (first.ended, second.ended) == (0, 1)
    message = f"wandb sync {folder}/wandb/offline-run-* (No API key configured)."
    assert message in capsys.readouterr().err
    assert_no_links(folder)


def test_wandb_does_what_its_variables_say(tmp_path, wandb, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    wandb.account = True
    trained("wandb", tmp_path)
    assert wandb.runs[0].options["project"] == "mine"
    assert "mode" not in wandb.runs[0].options
    wandb.account = False
    monkeypatch.setenv("WANDB_MODE", "online")
    trained("wandb", tmp_path)
    assert_no_links(tmp_path)
    assert len(wandb.runs) == 1  # whoever asks for online gets a warning, not another place
    message = "Warning: nothing more is logged by --logger wandb (No API key configured). All else goes on.\n"
    assert capsys.readouterr().err == message


def test_wandb_waits_for_its_service_as_long_as_the_variables_say(tmp_path, wandb, monkeypatch, capsys):
    wandb.account = True
    with steady("wandb", tmp_path):
        settings = wandb.runs[0].options["settings"]
        assert (settings.init_timeout, settings.finish_timeout) == (30, 60)

        def finish(exit_code):
            assert settings.finish_timeout_raises
            raise TimeoutError("Timed out finishing run.")

        wandb.runs[0].finish = finish
    assert f"not all was sent in time; to send the rest later: wandb sync {tmp_path}/wandb/" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "5")
    trained("wandb", tmp_path)
    assert not hasattr(wandb.runs[1].options["settings"], "finish_timeout")


def test_mlflow_keeps_one_run_in_the_folder(tmp_path, mlflow):
    trained("mlflow", tmp_path)
    with pytest.raises(ValueError, match="fault"):
        trained("mlflow", tmp_path, (1, 2), ValueError("fault"))
    ((address, store),) = mlflow.stores.items()
    assert address == f"sqlite:///{tmp_path.as_posix()}/mlflow/mlflow.db"
    assert store.experiments == {"anysense": (tmp_path / "mlflow" / "artifacts").as_uri()}
    (run,) = store.runs.values()
    assert run.params == {"settings.epochs": "3", "settings.patience": "None", "method.name": "gmc"}
    assert run.metrics == [("train/total", 0.5 * step, step) for step in (0, 1, 1, 2)]
    assert run.status == ["RUNNING", "FINISHED", "RUNNING", "FAILED"]


def test_mlflow_takes_the_store_that_a_variable_names(tmp_path, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    trained("mlflow", tmp_path)
    assert mlflow.stores["http://localhost:5000"].experiments == {"mine": None}
    assert (os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"], os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) == ("7", "2")


class Broken(Logger):
    name = "broken"

    def __init__(self, folder):
        if folder.name == "never":
            raise OSError("no service\nat all.")
        self.calls = 0

    def settings(self, values):
        self.calls += 1

    def numbers(self, values, step):
        self.calls += 1
        if self.calls > 2:
            raise RuntimeError("the connection was lost")

    def close(self, failed):
        raise RuntimeError("never called after a failure")


@pytest.mark.parametrize(("place", "reason"), [("never", "no service at all"), ("later", "the connection was lost")])
def test_a_logger_that_fails_is_one_warning(tmp_path, monkeypatch, capsys, place, reason):
    monkeypatch.setattr(LOGGERS, "_registered", {"broken": Broken})
    trained("broken", tmp_path / place, range(5))
    expected = f"Warning: nothing more is logged by --logger broken ({reason}). All else goes on.\n"
    assert capsys.readouterr().err == expected


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
        with pytest.raises(ModuleNotFoundError, match=rf"`--logger {name}` needs {name}.*'anysense\[{name}\]'"):
            trained(name, tmp_path)


def test_only_loggers_are_registered():
    with pytest.raises(TypeError, match="must be a subclass of `Logger`"):
        LOGGERS.register("mine", SteadyLogger)
    with pytest.raises(ValueError, match="Did you mean 'mlflow'"):
        LOGGERS.get("mlfow")


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_the_real_packages(name, tmp_path, monkeypatch):
    package = pytest.importorskip(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    trained(name, tmp_path)
    trained(name, tmp_path, (1, 2))
    number = json.loads((tmp_path / name / "logger.json").read_text())["run"]
    assert_no_links(tmp_path)
    if name == "wandb":
        assert {path.name[-8:] for path in (tmp_path / "wandb").glob("offline-run-*")} == {number}
        assert list((tmp_path / "wandb").glob(f"offline-run-*/run-{number}.wandb"))
    else:
        client = package.MlflowClient(f"sqlite:///{tmp_path}/mlflow/mlflow.db")
        history = client.get_metric_history(number, "train/total")
        assert sorted((metric.step, metric.value) for metric in history) == [(0, 0.0), (1, 0.5), (1, 0.5), (2, 1.0)]
        run = client.get_run(number)
        assert run.data.params["settings.epochs"] == "3"
        assert run.info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore")  # theirs
def test_the_real_wandb_goes_on_offline_where_its_service_cannot_be_reached(tmp_path, monkeypatch, capsys):
    pytest.importorskip("wandb").teardown()
    for name, value in {"BASE_URL": "http://127.0.0.1:9", "API_KEY": "0" * 40, "INIT_TIMEOUT": "1"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    trained("wandb", tmp_path)
    message = capsys.readouterr().err
    assert "Weights & Biases: written offline, to be sent later" in message
    assert "Warning: nothing more is logged" not in message
    assert list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert_no_links(tmp_path)
