"""Claims of the papers as comparisons between figures of a result file: who must be better than whom, and where."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from anysense.common.statistics import Estimate
from anysense.envs.world import DEFAULT_WORLD
from anysense.representations.benchmarks import benchmark
from anysense.representations.benchmarks.benchmark import PublishedTable
from anysense.representations.evaluation.records import COMPLETE, Record
from anysense.representations.evaluation.tasks.retrieval import FROM, TO
from anysense.runs.comparisons.align_report import SCORES, TABLE_2, against
from anysense.runs.comparisons.cells import estimate, methods_in, values_of
from anysense.runs.comparisons.comparison import Comparison, Figure

__all__ = ["CLAIMS", "Claim"]

BASELINES = ("baseline", "dropout", "mfm", "mmvae", "muse", "mvae", "nexus")
"""Methods that the claims of GMC were made against; names of their variants begin with these."""


Compare = Callable[[Sequence[Record]], list[Comparison]]


@dataclass(frozen=True)
class Claim:
    """A claim of a paper, and how a result file decides about it."""

    paper: str
    title: str
    measured: str
    """What is compared, in a sentence."""
    command: str
    """The command that measures it, and the one whose result files count."""
    data: Sequence[str]
    """Data sets or environments that count."""
    published: Mapping[str, str]
    """The figures in the paper, as text, by where."""
    source: str
    """Paper, table and data of these figures, or why there are none."""
    compare: Compare = lambda records: []
    """The comparisons that records allow; none where a method or a score is missing."""


def _figure(
    records: Sequence[Record], method: str, subset: str, metric: str, condition: str = "", percent: bool = False
) -> Figure:
    found, factor = estimate(records, method, subset, metric, condition), 100.0 if percent else 1.0
    scaled = Estimate(factor * found.value, factor * found.low, factor * found.high)
    values = [value for _, value in values_of(records, method, subset, metric, condition)]
    return Figure(method, scaled, 1 if percent else 3, values)


def _measured(figures: Iterable[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.values]


def _defined(figures: Iterable[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.defined]


def _alone(
    metric: str,
    condition: str = "",
    percent: bool = False,
    better: Literal["higher", "lower"] = "higher",
    baselines: Sequence[Sequence[str]] = (),
    method: str = "gmc",
) -> Compare:
    """A method on each modality alone against the best baseline; the label, which is the answer itself, is left out.

    Against the best of each group, if there are groups of ``baselines``.
    """

    def compare(records: Sequence[Record]) -> list[Comparison]:
        subsets = dict.fromkeys(one.subset for one in records if one.metric == metric and one.condition == condition)
        methods = methods_in(records)
        groups = baselines or [[name for name in methods if name.partition("-")[0] in BASELINES]]
        found = []
        for name in (name for name in subsets if name not in ("", COMPLETE, "label") and "+" not in name):
            figures = _measured(_figure(records, one, name, metric, condition, percent) for one in methods)
            ours = [figure for figure in figures if figure.method == method]
            for group in groups:
                others = _defined(figure for figure in figures if figure.method in group)
                if ours and others:
                    found.append(Comparison(name, ours[0], _best_of(others, better), better))
        return found

    return compare


def _best_of(figures: Sequence[Figure], better: Literal["higher", "lower"] = "higher") -> Figure:
    sign = 1 if better == "higher" else -1
    return max(figures, key=lambda figure: sign * figure.found.value)


def _gram(records: Sequence[Record]) -> str:
    """The row that has the published settings, or ours where there is none."""
    methods = methods_in(records)
    return "gram-published" if "gram-published" in methods else "gram"


def _sizes(records: Sequence[Record]) -> dict[int, str]:
    """The condition by the size of the query; that of the anchor, where the file has one, as GRAM is trained on it."""
    named = [record.condition for record in records if record.condition.startswith(FROM)]
    conditions = dict.fromkeys([one for one in named if TO in one] or named)
    return {int(one.removeprefix(FROM).partition(" ")[0]): one for one in conditions}


def _all_at_once(records: Sequence[Record]) -> list[Comparison]:
    """GRAM by volume against the best other method by cosine: all other modalities are the query, and back."""
    found, sizes = [], _sizes(records)
    largest = sizes[max(sizes)] if sizes else ""
    others = [method for method in methods_in(records) if not method.startswith("gram")]
    for way, back in (("all others are the query", ""), ("all others are looked for", "back_")):
        ours = _measured([_figure(records, _gram(records), "", f"{back}recall_1_volume", largest, percent=True)])
        metric = f"{back}recall_1_cosine"
        figures = _defined(_figure(records, method, "", metric, largest, percent=True) for method in others)
        if ours and figures:
            found.append(Comparison(way, ours[0], _best_of(figures)))
    return found


def _instead_of_cosine(records: Sequence[Record]) -> list[Comparison]:
    """The same latents ranked by volume and by cosine, for every number of modalities in the query."""
    found, method, ways = [], _gram(records), ("volume", "cosine")
    for count, size in sorted(_sizes(records).items()):
        pair = _measured(_figure(records, method, "", f"recall_1_{way}", size, percent=True) for way in ways)
        if len(pair) == len(ways):
            ours, other = (replace(one, method=f"{method} by {way}") for one, way in zip(pair, ways, strict=True))
            found.append(Comparison(f"query of {count}", ours, other))
    return found


def _best(rows: PublishedTable, key: str, better: Literal["higher", "lower"] = "higher") -> dict[str, str]:
    """GMC and the best other method of a published table, as text, by input."""
    texts = {}
    for where, row in rows.rows.items():
        values = {method: entry[key] for method, entry in row.items()}
        texts[where] = _pair(values, better)
    return texts


def _pair(values: Mapping[str, str], better: Literal["higher", "lower"] = "higher") -> str:
    sign = 1 if better == "higher" else -1
    others = [method for method in values if method != "gmc"]
    best = max(others, key=lambda method: sign * float(values[method].partition(" ")[0]))
    return f"gmc {values['gmc']}; {best} {values[best]}"


def _published(data: str) -> PublishedTable:
    found = benchmark(data).published
    assert found is not None
    return found


GMC, GRAM = "GMC (Poklukar et al., ICML 2022)", "GRAM (Cicchetti et al., ICLR 2025)"
WORKSPACE = "Workspace (Global Workspace; Maytié et al., RLC 2024)"
_NO_FIGURE = "no figure of the paper is at hand, so none is quoted"
_METHODS_OF_TABLE_2 = ("mvae", "mmvae", "nexus", "muse", "mfm", "gmc")
_SCORE = SCORES[0]

CLAIMS = (
    Claim(
        paper=GMC,
        title="Robust to missing modalities, unsupervised",
        measured="Accuracy (%) of a classifier on the latent of one modality alone: GMC against the best baseline.",
        command="classify",
        data=("digits", "digits-speakers", "mhd", "mhd-offline"),
        published=_best(_published("mhd"), "accuracy"),
        source=f"{_published('mhd').source}, on {_published('mhd').data}",
        compare=_alone("accuracy", percent=True),
    ),
    Claim(
        paper=GMC,
        title="Robust to missing modalities, supervised",
        measured="Mean absolute error of the sentiment that one modality alone gives: GMC against the paper's "
        "baseline, and against the same one trained with modalities left out at random (`dropout`), which the paper "
        "does not have.",
        command="classify",
        data=("mosei", "mosi", "mosei-offline"),
        published=_best(_published("mosei"), "mae", "lower"),
        source=f"{_published('mosei').source}, on {_published('mosei').data}",
        compare=_alone("mae", better="lower", baselines=[["baseline"], ["dropout"]]),
    ),
    Claim(
        paper=GMC,
        title="Robust to missing modalities, reinforcement learning",
        measured="Average reward per step of an agent that was trained with all modalities and perceives one alone: "
        "GMC against the best baseline.",
        command="compare",
        data=(DEFAULT_WORLD,),
        published={},
        source="the table of the paper could not be obtained, so nothing of it is quoted",
        compare=_alone("average_reward"),
    ),
    Claim(
        paper=GMC,
        title="Latents of one modality are aligned with the complete ones (DCA)",
        measured=f"DCA score ({_SCORE.title}) of the latents of one modality against the complete ones: GMC against "
        "the best baseline.",
        command="align",
        data=("digits", "digits-speakers", "mhd", "mhd-offline"),
        published={
            name: _pair(dict(zip(_METHODS_OF_TABLE_2, values, strict=True)))
            for name, values in TABLE_2.items()
            if name != "label"
        },
        source="Poklukar et al., ICML 2022, Table 2 (5 runs), on MHD; which reading of the score it is, is not known",
        compare=_alone(_SCORE.key, against(COMPLETE)),
    ),
    Claim(
        paper=GMC,
        title="Works with a large number of modalities",
        measured="Accuracy (%) of a classifier on the latent of one of six views alone: GMC against the best baseline.",
        command="classify",
        data=("mfeat",),
        published={},
        source=_NO_FIGURE,
        compare=_alone("accuracy", percent=True),
    ),
    Claim(
        paper=GRAM,
        title="Aligns all modalities at once",
        measured="Recall (%) at 1 among all test samples, the anchor being what is looked for, or looked with: GRAM "
        "(published settings, where they were measured) by volume against the best method without volume by cosine.",
        command="retrieve",
        data=("mfeat",),
        published={},
        source=_NO_FIGURE,
        compare=_all_at_once,
    ),
    Claim(
        paper=GRAM,
        title="The volume replaces the cosine for 2 to n modalities",
        measured="Recall (%) at 1 of the anchor with the latents of GRAM: ranked by volume against ranked by cosine, "
        "by the number of modalities in the query.",
        command="retrieve",
        data=("mfeat",),
        published={},
        source=_NO_FIGURE,
        compare=_instead_of_cosine,
    ),
    Claim(
        paper=GRAM,
        title="Better retrieval of videos by text",
        measured="Not measured: it takes videos with sound and text, and encoders pretrained on millions of them.",
        command="",
        data=(),
        published={},
        source=_NO_FIGURE,
    ),
    Claim(
        paper=WORKSPACE,
        title="An agent transfers between modalities better than with a contrast",
        measured="Average reward per step of an agent that was trained with all modalities and perceives one alone: "
        "`workspace` against `gmc`, which is a contrast. In the paper the agent is trained on one modality, the "
        "contrast is CLIP's, and the worlds are others.",
        command="compare",
        data=(DEFAULT_WORLD,),
        published={},
        source=_NO_FIGURE,
        compare=_alone("average_reward", baselines=[["gmc"]], method="workspace"),
    ),
)
