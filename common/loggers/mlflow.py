"""MLflow."""

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anysense.common.loggers.logger import Logger, run_id, title_of

__all__ = ["Mlflow"]

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Seconds and tries of a call, unless the environment says otherwise; by itself MLflow waits up to 20 minutes."""
LONGEST_VALUE = 500
"""Characters of a parameter that every store of MLflow takes."""


class Mlflow(Logger):
    """A run of MLflow: in the store that MLFLOW_TRACKING_URI names, else in one in ``mlflow/`` (SQLite).

    The experiment is called as MLFLOW_EXPERIMENT_NAME says, else ``anysense``.
    """

    name = "mlflow"
    package = "mlflow"

    def __init__(self, folder: Path) -> None:
        mlflow = self.needed()
        for chatty in ("mlflow", "alembic"):  # the tables of a new store
            logging.getLogger(chatty).setLevel(logging.WARNING)
        for variable, value in PATIENCE.items():
            os.environ.setdefault(variable, value)
        own = folder / self.name
        own.mkdir(parents=True, exist_ok=True)
        named = os.environ.get("MLFLOW_TRACKING_URI")
        self._client = mlflow.MlflowClient(named or f"sqlite:///{(own / 'mlflow.db').resolve().as_posix()}")
        self._entities = mlflow.entities
        self._id = run_id(own, lambda: self._new_run(title_of(folder), None if named else own / "artifacts"))
        self._client.update_run(self._id, status="RUNNING")

    def settings(self, values: Mapping[str, Any]) -> None:
        """Parameters by dotted names; a parameter of MLflow never changes, so one that there is already stays."""
        known = self._client.get_run(self._id).data.params
        for name, value in _flat(values):
            if name not in known:
                self._client.log_param(self._id, name, str(value)[:LONGEST_VALUE])

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One batch."""
        now = int(time.time() * 1000)
        metrics = [
            self._entities.Metric(name, value, now, step) for name, value in values.items() if math.isfinite(value)
        ]
        self._client.log_batch(self._id, metrics=metrics)

    def close(self, failed: bool) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._id, "FAILED" if failed else "FINISHED")

    def _new_run(self, title: str, artifacts: Path | None) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "anysense"
        experiment = self._client.get_experiment_by_name(name)
        place = None if artifacts is None else artifacts.resolve().as_uri()
        number = self._client.create_experiment(name, place) if experiment is None else experiment.experiment_id
        return str(self._client.create_run(number, run_name=title).info.run_id)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in nested mappings by its dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
