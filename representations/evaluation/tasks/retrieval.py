"""Retrieval between modalities: from any subset of them to any other one, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from anysense.representations.evaluation.records import Column, Record, subset_name
from anysense.representations.evaluation.subsets import every_subset
from anysense.representations.evaluation.task_settings import RETRIEVAL_TOPS, TaskSettings
from anysense.representations.evaluation.tasks.task import Subsets, Task

if TYPE_CHECKING:
    from anysense.representations.contract import Representation
    from anysense.representations.data.samples import Splits

__all__ = ["FROM", "Retrieval"]

FROM = "from "
"""Beginning of the condition of means over subsets of as many modalities."""


@dataclass(frozen=True)
class Retrieval(Task):
    """Ranks of the right sample among all test samples, by cosine and by volume; and classes without a classifier."""

    label: str | None = None
    """The modality that is the answer itself, if one is."""
    candidates: int | None = None
    """Number of test samples, for the level of chance; unknown by default."""
    classes: int | None = None
    """Number of classes, for the level of chance; unknown by default."""

    presets: ClassVar[Mapping[str, TaskSettings]] = dict.fromkeys(
        ("smoke", "default", "paper"), TaskSettings(missing_rates=())
    )
    protocol: ClassVar[str] = (
        "Each subset of modalities is a query for the sample's latent of another modality among those of all test "
        "samples; values are means over the modalities that the subset leaves out. By cosine the query is the latent "
        "of the subset, by volume it is the latents of its modalities one by one, which span a volume with each "
        "candidate. Ties count as chance. Zero-shot classes: the nearest mean latent of a class of complete training "
        "samples."
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
        return (
            *found,
            *(Column(f"class_{it}", f"zero-shot class by {it}", True, chance=chance) for it in ("volume", "cosine")),
        )

    def evaluate(
        self, representation: Representation, splits: Splits, settings: TaskSettings, seed: int, subsets: Subsets = None
    ) -> list[Record]:
        """See `Task.evaluate`; there are more records under conditions.

        ``to NAME``: the values of one modality that is looked for. ``from K``, of no subset: the means over all subsets
        of K modalities.
        """
        from anysense.representations.evaluation.encode import encode_subsets
        from anysense.representations.evaluation.retrieval_scores import class_means, class_shares, scores

        names = tuple(representation.modalities)
        wanted = [it for it in (every_subset(names) if subsets is None else subsets) if len(it) < len(names)]
        singles = [(name,) for name in names]
        latents = encode_subsets(representation, splits.test, dict.fromkeys([*wanted, *singles]))
        train, test = splits.train.targets, splits.test.targets
        means = None
        if train is not None and test is not None and not train.is_floating_point():
            means = class_means(encode_subsets(representation, splits.train, [names])[names], train)
        records: list[Record] = []
        for subset in wanted:
            each = {name: scores(latents, subset, name) for name in names if name not in subset}
            for name, found in each.items():
                records += _records(subset, len(names), found, f"to {name}")
            mean = {key: sum(one[key] for one in each.values()) / len(each) for key in next(iter(each.values()))}
            if means is not None and test is not None:
                mean |= class_shares(latents, subset, test, *means)
            records += _records(subset, len(names), mean)
        return records + list(_by_size(records, {subset_name(it, len(names)): len(it) for it in wanted}))


def _by_size(records: list[Record], sizes: Mapping[str, int]) -> Iterator[Record]:
    """Means over subsets of as many modalities."""
    values: dict[tuple[int, str], list[float]] = {}
    for record in records:
        if not record.condition:
            values.setdefault((sizes[record.subset], record.metric), []).append(record.value)
    for (size, key), found in values.items():
        yield Record("", key, sum(found) / len(found), f"{FROM}{size}")


def _records(subset: tuple[str, ...], complete: int, scores: Mapping[str, float], condition: str = "") -> list[Record]:
    name = subset_name(subset, complete)
    return [Record(name, key, value, condition) for key, value in scores.items()]
