"""What a representation is pretrained on: collected in its world, or read from a file."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anysense.common.machine import in_bytes, memory
from anysense.common.progress import counter, say, stage
from anysense.envs.world import World
from anysense.representations.pretrain_settings import CollectSettings
from anysense.runs.policies import actor_of
from anysense.runs.worlds import before_writing

if TYPE_CHECKING:
    from anysense.representations.data import Samples, Transitions
    from anysense.representations.modality import Modality

__all__ = ["NO_PROBE", "check_collecting", "collected", "of_something", "read_data"]

LEAST_SAMPLES = 2
"""Fewest transitions of a collection: the parts for training and validation share no trajectory."""
_TRIED = 8
NO_PROBE = ("none",)
"""What stands for no read-outs."""


def check_collecting(
    settings: CollectSettings, known: World, probe: Sequence[str], modalities: "Mapping[str, Modality]"
) -> None:
    """Find out before anything is written whether observations can be collected: a few are.

    Raises:
        ValueError: The settings are wrong, the world cannot do what they ask for, its environment is broken, or the
            observations need more memory than there is.
    """
    from anysense.representations.data import collect, collection_bytes

    if settings.samples < LEAST_SAMPLES:
        raise ValueError(
            f"`samples` must be {LEAST_SAMPLES} or more, one to train on and one to validate on; got "
            f"{settings.samples}."
        )
    actor = actor_of(settings.policy, known)
    size = collection_bytes(known, settings.samples, "random" if actor else settings.policy, modalities)
    if size > (memory() or size):
        raise ValueError(
            f"`samples` {settings.samples} of {known.id} need {in_bytes(size)} of memory, this machine has "
            f"{in_bytes(memory())}; collect fewer, or shrink large images with `--image-size 84 --grey`."
        )
    with before_writing():
        few = min(_TRIED, settings.samples)
        collect(known, few, settings.policy, modalities=modalities, actor=actor, probed=_arrays(probe))


def collected(
    settings: CollectSettings,
    known: World,
    probe: Sequence[str],
    modalities: "Mapping[str, Modality]",
    seed: int,
    keep: Path | None,
) -> "Transitions":
    """Collect transitions, and write them into the file ``keep`` unless it is None."""
    from anysense.representations.data import collect, collection_bytes

    actor, samples, policy = actor_of(settings.policy, known), settings.samples, settings.policy
    size = in_bytes(collection_bytes(known, samples, "random" if actor else policy, modalities))
    say(f"{samples} samples take {size} of memory{', and at most as much on disk' if keep else ''}")
    with stage(f"Collecting {samples} samples ({policy})"), counter("collecting") as progress:
        found = collect(known, samples, policy, seed, progress, modalities, actor, _arrays(probe))
    if keep is not None:
        found.save(keep)
    return dataclasses.replace(found, states=None) if tuple(probe) == NO_PROBE else found


def of_something(data: "Transitions | Samples") -> "Transitions | Samples":
    """The samples with at least one modality; a sensor may say that it has nothing.

    Raises:
        ValueError: There are none.
    """
    present = data.present(range(len(data)))
    if present is None or bool(present.any(dim=0).all()):
        return data
    rows = present.any(dim=0).nonzero().flatten()
    if not len(rows):
        raise ValueError("no sample has any modality: the environment's `present` is always 0.")
    return data.select(rows)


def read_data(
    path: Path, known: World, probe: Sequence[str], modalities: "Mapping[str, Modality]"
) -> "Transitions | Samples":
    """Read transitions of the world, or a recording of one's own with the same modalities.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, comes from another world, or holds no array that is to be read out.
    """
    from anysense.representations.data import Transitions
    from anysense.representations.data.own import read_recorded

    found = read_recorded(path, modalities)
    names = _arrays(probe)
    held = found.probed if isinstance(found, Transitions) else {}
    if isinstance(found, Transitions):
        if found.world != known.to_json():
            raise ValueError(
                f"`data` {path} was collected in {found.world}, asked for was {known.to_json()}. Give the same "
                "`--env` and options, or other data."
            )
        _check_shapes(found, path, modalities)
        held = dict(held) | ({} if found.states is None else {"state": found.states})
        missing = [name for name in names if name not in held]
        if not missing:
            states = None if tuple(probe) == NO_PROBE else found.states
            chosen = {name: held[name] for name in names} if probe else found.probed
            return dataclasses.replace(found, states=states, probed=chosen)
    elif not names:
        return found
    raise ValueError(
        f"`probe` {' '.join(names)}: `data` {path} holds {', '.join(held) or 'no such arrays'}. Collect them with the "
        "same `--probe`, or read out none with `--probe none`."
    )


def _arrays(probe: Sequence[str]) -> tuple[str, ...]:
    return () if tuple(probe) == NO_PROBE else tuple(probe)


def _check_shapes(data: "Transitions", path: Path, modalities: "Mapping[str, Modality]") -> None:
    for name, modality in modalities.items():
        shape = tuple(data.observation([0], [name])[name].shape[1:])
        if shape not in (modality.shape, modality.prepared.shape):
            raise ValueError(
                f"`data` {path} holds {name!r} of shape {shape}, asked for was {modality.prepared.shape}. Give the "
                "`--image-size` and `--grey` that it was collected with, or other data."
            )
