"""The report of `anysense compare`: representations as what an agent perceives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anysense.agents.summary import columns_of
from anysense.envs.world import World
from anysense.representations.evaluation.records import Column, Record
from anysense.runs.comparisons.cells import estimate, seeds_in_words, text
from anysense.runs.comparisons.contents import Report, Section
from anysense.runs.comparisons.done import Done, costs, jobs_of, records_of, runs_of, seeds_of
from anysense.runs.comparisons.figures import draw_inputs
from anysense.runs.comparisons.protocol import Protocol, filled
from anysense.runs.comparisons.validation_curves import validation_part
from anysense.runs.evaluation_report import input_label, inputs_of, references_of
from anysense.runs.run_folder import RunFolder
from anysense.runs.tables import Table, counted

if TYPE_CHECKING:
    from anysense.runs.commands.compare import CompareCommand
    from anysense.runs.commands.stages import Stages

__all__ = ["compare_report"]


def compare_report(done: Sequence[Done], settings: "CompareCommand", stages: "Stages", run: RunFolder) -> Report:
    """What the jobs found."""
    known, training = stages.world, stages.training
    records, columns = records_of(done), columns_of(known)
    sections = [Section(figure="score")]
    sections += [
        Section(f"{column.heading}, {column.better} is better", table=_table(records, column, known))
        for column in columns[1:]
        if column.key in ("gap", "return", "length")
    ]
    keys = (
        ("latent size", "latent_dim", ".0f"),
        ("parameters", "parameters", ",.0f"),
        ("pretraining (min)", "pretraining_minutes", ".2f"),
    )
    trained, curves = validation_part(done, f"Pretraining on {known.id}")
    sections += [*trained, Section("Cost", table=Table(*costs(done, keys)))]
    drawn = [record for record in records if record.subset]
    inputs = inputs_of(records)
    heading = "Score by input (dots: seeds)"
    return Report(
        title=f"Representations of an agent in {known.id}",
        about=(
            f"trained with all modalities by {training.algorithm} for {settings.steps} steps on a frozen "
            "representation of each method"
        ),
        protocol=_protocol(done, settings, stages),
        main=_table(records, columns[0], known),
        sections=sections,
        figures={
            "score": lambda: draw_inputs(drawn, columns[0], inputs, lambda one: input_label(*one), heading),
            **curves,
        },
        records=records,
        runs=runs_of(done),
        details={"jobs": jobs_of(done)},
    )


def _protocol(done: Sequence[Done], settings: "CompareCommand", stages: "Stages") -> Protocol:
    known, column = stages.world, columns_of(stages.world)[0]
    seeds = [job.method for job in done]
    one = any(seeds.count(method) == 1 for method in seeds)
    return Protocol(
        measured=f"{column.heading}, {column.better} is better; {counted(settings.episodes, 'episode')} per value.",
        training=f"every representation on the same {settings.samples} samples of {known.id} (those of its seed), all "
        f"modalities present, for {counted(settings.epochs, 'epoch')}, and frozen; every agent on it by "
        f"{stages.training.algorithm} with all modalities for {settings.steps} environment steps.",
        test="each column gives the agent only the named modalities, in every step of every episode; it meets subsets "
        "only here.",
        filled=filled({job.method: job.method for job in done}),
        rates="none: a modality is missing in all steps, or in none.",
        seeds=f"{seeds_in_words(seeds_of(done))}"
        f"{' With one seed, ± is half of the 95% bootstrap interval over episodes.' if one else ''}",
        splits=f"{stages.pretraining.collection.validation_fraction:.0%} of the trajectories are for validation of the "
        f"representation; the episodes start from states drawn with the seed {settings.seed}, the same for all, "
        "references included.",
    )


def _table(records: Sequence[Record], column: Column, known: World) -> Table:
    """Methods as rows, inputs as columns; references below."""
    inputs = inputs_of(records)
    rows: list[Sequence[str]] = []
    for method in dict.fromkeys(record.method for record in records if record.subset):
        found = [estimate(records, method, subset, column.key, condition) for subset, condition in inputs]
        rows.append((method, *(text(column, one) for one in found)))
    for name in references_of(records):
        value = estimate(records, name, "", column.key).value
        shown = f"{value:.{column.digits}f}"
        rows.append((known.reference_labels().get(name, name), *(shown for _ in inputs)))
    return Table(("method", *(input_label(*one) for one in inputs)), rows)
