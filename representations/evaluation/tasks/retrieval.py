"""Retrieval between modalities: from any subset of them to any other one, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from anysense.common.machine import usual_torch
from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.task_settings import RETRIEVAL_TOPS, TaskSettings
from anysense.representations.evaluation.tasks.task import Subsets, Task

if TYPE_CHECKING:
    from torch import Tensor

    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Splits
    from anysense.representations.evaluation.retrieval_scores import Latents

__all__ = ["FROM", "TO", "Retrieval"]

FROM, TO = "from ", "to "
"""Beginnings of conditions: of means over subsets of as many modalities, and of what is looked for."""


@dataclass(frozen=True)
class Retrieval(Task):
    """Ranks of the right sample among all test samples, by cosine and by volume; and classes without a classifier."""

    label: str | None = None
    """The modality that is the answer itself, if one is."""
    candidates: int | None = None
    """Number of test samples, for the level of chance; unknown by default."""
    classes: int | None = None
    """Number of classes, for the level of chance; unknown by default."""
    anchor: str | None = None
    """The modality that the report looks for, besides the means over all; none by default."""

    presets: ClassVar[Mapping[str, TaskSettings]] = dict.fromkeys(
        ("smoke", "default", "paper"), TaskSettings(missing_rates=())
    )
    protocol: ClassVar[str] = (
        "Each subset of modalities is a query for the sample's latent of another modality among those of all test "
        "samples; values are means over the modalities that the subset leaves out. By cosine the query is the latent "
        "of the subset, by volume it is the latents of its modalities one by one, which span a volume with each "
        "candidate. Ties count as chance. Zero-shot classes: the best candidate among the mean latents of the classes "
        "(complete training samples) and, where a modality is the label, among the latents of the labels. Class of the "
        "nearest: that of the training sample with the largest sum of cosines, over the modalities of the subset."
    )

    @property
    def columns(self) -> tuple[Column, ...]:
        """Recall and median rank by volume and by cosine, forwards and back; accuracy without a classifier."""
        found = []
        for score in ("volume", "cosine"):
            for back, way in (("", ""), ("back_", ", the subset being looked for")):
                for top in RETRIEVAL_TOPS:
                    chance = None if self.candidates is None else top / self.candidates
                    title = f"recall among the first {top} by {score}{way}"
                    found.append(Column(f"{back}recall_{top}_{score}", title, percent=True, chance=chance))
                title = f"median rank by {score}{way}"
                found.append(Column(f"{back}rank_{score}", title, digits=1, better="lower"))
        chance = None if self.classes is None else 1 / self.classes
        kinds = {"class": "class", **({} if self.label is None else {"label": "label"})}
        for kind, word in kinds.items():
            for score in ("volume", "cosine"):
                found.append(Column(f"{kind}_{score}", f"zero-shot {word} by {score}", percent=True, chance=chance))
        found.append(Column("nearest", "class of the nearest training sample", percent=True, chance=chance))
        return tuple(found)

    @usual_torch()
    def evaluate(
        self, representation: Representation, splits: Splits, settings: TaskSettings, seed: int, subsets: Subsets = None
    ) -> list[Record]:
        """See `Task.evaluate`; there are more records under conditions.

        ``to NAME``: the values of one modality that is looked for. ``from K`` and ``from K to NAME``, of no subset: the
        means over all subsets of K modalities. Complete samples have nothing that could be looked for, but a nearest.
        """
        from anysense.representations.evaluation.encode import encode_subsets
        from anysense.representations.evaluation.retrieval_scores import class_shares, scores

        names = tuple(representation.modalities)
        asked = list(every_subset(names) if subsets is None else subsets)
        wanted = [it for it in asked if len(it) < len(names)]
        latents = encode_subsets(representation, splits.test, dict.fromkeys([*wanted, *((name,) for name in names)]))
        nearest = self._nearest(representation, splits, latents, asked)
        classes, test = self._classes(representation, splits), splits.test.targets
        records: list[Record] = []
        for subset in wanted:
            each = {name: scores(latents, subset, name) for name in names if name not in subset}
            for name, found in each.items():
                records += _records(subset, len(names), found, f"{TO}{name}")
            mean = {key: sum(one[key] for one in each.values()) / len(each) for key in next(iter(each.values()))}
            for kind, candidates in classes.items():
                if test is not None and (kind != "label" or self.label not in subset):
                    mean |= class_shares(latents, subset, test, *candidates, kind)
            records += _records(subset, len(names), mean | nearest.get(subset, {}))
        means = list(_by_size(records, {subset_name(it, len(names)): len(it) for it in wanted}))
        for subset in (it for it in asked if len(it) == len(names)):
            records += _records(subset, len(names), nearest.get(subset, {}))
        return records + means

    def _nearest(
        self, representation: Representation, splits: Splits, latents: Latents, subsets: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], dict[str, float]]:
        """Of each subset how often the nearest training sample has the right class; nothing where there are none."""
        from anysense.representations.evaluation.encode import encode_subsets
        from anysense.representations.evaluation.retrieval_scores import nearest_share

        classes, test = splits.train.targets, splits.test.targets
        if classes is None or test is None or classes.is_floating_point():
            return {}
        known = encode_subsets(representation, splits.train, [(name,) for name in representation.modalities])
        return {subset: nearest_share(latents, known, subset, test, classes) for subset in subsets}

    def _classes(self, representation: Representation, splits: Splits) -> dict[str, tuple[Tensor, Tensor]]:
        """Classes (C,) and what stands for them (C, D): ``class`` mean latents, ``label`` latents of the labels."""
        import torch

        from anysense.representations.evaluation.encode import encode_subsets
        from anysense.representations.evaluation.retrieval_scores import class_means

        train, names = splits.train.targets, tuple(representation.modalities)
        if train is None or train.is_floating_point() or splits.test.targets is None:
            return {}
        found = {"class": class_means(encode_subsets(representation, splits.train, [names])[names], train)}
        if self.label is not None:
            labels = found["class"][0]
            firsts = torch.stack([(train == label).nonzero()[0, 0] for label in labels])
            one = (self.label,)
            found["label"] = labels, encode_subsets(representation, splits.train, [one], indices=firsts)[one]
        return found


def _by_size(records: list[Record], sizes: Mapping[str, int]) -> Iterator[Record]:
    """Means over subsets of as many modalities."""
    values: dict[tuple[str, str], list[float]] = {}
    for record in records:
        condition = " ".join(part for part in (f"{FROM}{sizes[record.subset]}", record.condition) if part)
        values.setdefault((condition, record.metric), []).append(record.value)
    for (condition, key), found in values.items():
        yield Record("", key, sum(found) / len(found), condition)


def _records(subset: tuple[str, ...], complete: int, scores: Mapping[str, float], condition: str = "") -> list[Record]:
    name = subset_name(subset, complete)
    return [Record(name, key, value, condition) for key, value in scores.items()]
