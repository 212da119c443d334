"""What commands say about themselves: hints that can be typed as they are, and words about a training."""

import shlex
from pathlib import Path

import pytest

from anysense.runs.commands.classify import read
from anysense.runs.commands.data import use_of
from anysense.runs.evaluation_report import training_in_words

DETAILS = {"trained_with": ["image", "sound"], "algorithm": "sac", "representation": "mvae", "training_steps": 300}


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("digits", "data/digits", "anysense classify"),
        ("digits", "my data", "anysense classify --folder 'my data'"),
        ("mfeat", "data/mfeat", "anysense classify --data mfeat"),
        ("mosei", "data/mosi", "anysense classify --data mosei --folder data/mosi"),
        ("mosei-offline", None, "anysense classify --data mosei-offline"),
    ],
)
def test_a_hint_has_no_option_with_its_usual_value(name, folder, expected):
    hint = use_of(name, folder and Path(folder))
    assert hint == f"Use it: {expected}"
    settings = read(shlex.split(hint)[4:])
    assert settings.data == name
    assert settings.request.folder == (Path(folder) if folder and "--folder" in hint else None)


def test_words_of_a_training_that_went_beyond_what_was_asked():
    words = training_in_words({**DETAILS, "facts": {"seed": 0, "steps": 304}})
    assert words == (
        "trained with image and sound by sac for 300 steps (seed 0, kept after 304: several environments step at a "
        "time, so that it ended beyond 300) on a frozen mvae representation"
    )
    assert "(seed 0, kept after 296) on" in training_in_words({**DETAILS, "facts": {"seed": 0, "steps": 296}})


def test_words_of_standardised_latents():
    facts = {"facts": {"seed": 0, "steps": 300}}
    for standardised, ending in ((True, " representation with standardised latents"), (False, " representation")):
        assert training_in_words({**DETAILS, **facts, "standardised": standardised}).endswith(ending)
