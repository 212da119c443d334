"""Reports and clips that the tests of pages show: names and labels that a browser must not take for code."""

import numpy as np

from anysense.envs.audio.clips import Clip as Film
from anysense.envs.world import world
from anysense.representations.evaluation.records import Record
from anysense.runs.charts import draw_learning_curves
from anysense.runs.comparisons.contents import Report, Section
from anysense.runs.comparisons.protocol import Protocol
from anysense.runs.evaluation_figures import draw_evaluation, draw_robustness
from anysense.runs.evaluation_report import evaluation_table
from anysense.runs.figures import look_of, new_figure
from anysense.runs.tables import Table

EVIL = "<script>window.ran = true</script>"
FRAMES, FPS, RATE = 12, 10, 16_000
SUBSETS = ("complete", "image", "sound")


def run_record(name):
    return {
        "command": "evaluate",
        "command_line": f"anysense evaluate --name '{name}' && echo \"{EVIL}\"",
        "settings": {"name": name, "evaluation": {"episodes": 8, "label": EVIL}, "video": True},
        "seed": 0,
        "started": "2026-01-02T03:04:05.000+00:00",
        "seconds": 90.0,
        "versions": {"anysense": "0.1.0"},
        "machine": {"cpu": "CPU", "cores": 2, "os": "Linux"},
    }


def protocol():
    texts = dict.fromkeys(("training", "test", "filled", "rates", "seeds", "splits"), f"`code` and {EVIL}.")
    return Protocol(measured="average reward per step.", **texts)


def evaluation(title=f"Agent {EVIL}"):
    """An evaluation with corruptions, references and a learning curve."""
    inputs = [(subset, "") for subset in SUBSETS]
    inputs += [("image", f"image:gaussian_noise:{level}") for level in (0.1, 0.3)] + [("sound", EVIL)]
    records = [
        Record(subset, metric, -1.0 - 0.1 * place, condition, -1.5 - 0.1 * place, -0.5, "agent")
        for place, (subset, condition) in enumerate(inputs)
        for metric in ("average_reward", "gap")
    ]
    records += [Record("", "average_reward", -0.4, "", -0.5, -0.3, name) for name in ("optimal", "random")]
    known = world()
    curves = {"seed 0": ([0.0, 100.0, 200.0], [-6.0, -2.0, -1.0])}
    return Report(
        title=title,
        about="trained with image and sound",
        protocol=protocol(),
        main=evaluation_table(records, known, ("image", "sound")),
        sections=[
            Section(figure="score"),
            Section("Robustness", f"Levels {EVIL}.", figure="robustness"),
            Section("Learning curves", figure="learning-curves"),
        ],
        figures={
            "score": lambda: draw_evaluation(records, known),
            "robustness": lambda: draw_robustness(records, known),
            "learning-curves": lambda: draw_learning_curves(curves, EVIL, look_of("gmc")),
        },
        records=records,
        runs=[run_record("a"), run_record(EVIL)],
    )


def comparison(count=30):
    """A comparison of two methods with points that are drawn as an image, and two tables under the same heading."""
    records = [
        Record("complete", "accuracy", 0.5 + place / 1000, method=method, seed=place)
        for method in ("gmc", EVIL)
        for place in range(count)
    ]

    def points():
        figure = new_figure(4, 3)
        ax = figure.add_subplot(title="gmc")
        ax.scatter(*np.random.default_rng(0).normal(size=(2, 50)), color=look_of("gmc").colour, rasterized=True)
        return figure

    table = Table(("input", "gmc", EVIL), [("complete", "97.31 ± 0.42", "1,5"), (f'"{EVIL}"', "undefined", "-")])
    return Report(
        title="Latents",
        protocol=protocol(),
        main=table,
        sections=[Section("UMAP", figure="umap"), Section("Cost", table=table), Section(table=table)],
        figures={"umap": points},
        records=records,
        runs=[run_record("b")],
    )


def films(folder, formats=("mp4",)):
    """A clip of each subset: moving noise and a tone; gives their paths."""
    rng, paths = np.random.default_rng(0), []
    for place, name in enumerate(SUBSETS):
        film = Film(folder / name, FPS, RATE, formats)
        for frame in range(FRAMES):
            picture = rng.integers(0, 255, (48 + 16 * place, 64, 3), dtype=np.uint8)
            time = (np.arange(RATE // FPS) + frame * RATE // FPS) / RATE
            film.add(picture, 0.5 * np.sin(2 * np.pi * 440 * time)[None].astype(np.float32))
        paths += film.finish()
    return paths
