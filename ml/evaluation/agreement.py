"""Where champion and challenger agree about the same users of the same days, for the person who decides."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes
from sklearn.metrics import cohen_kappa_score

from ml.contracts.flags import FLAG_SCHEMA, ScoringRun, Threshold
from ml.evaluation.plots import INK, save_plot
from ml.files import write_json
from ml.scoring.score_lake import ScoreLake

TOTAL = "all"
COLUMNS = ("users", "both", "champion alone", "challenger alone", "kappa", "rank correlation")


@dataclass(frozen=True)
class Agreement:
    """judged: one row for each user and day whom both gave a score: day, champion, challenger (scores), champion_flags,
    challenger_flags, anomalous (whether some label called them so by the end). run: the champion's on the last day."""

    judged: pd.DataFrame
    run: ScoringRun
    threshold: Threshold  # the challenger's

    @classmethod
    def of(cls, lake: ScoreLake, runs: list[ScoringRun], threshold: Threshold, anomalous: pa.Array) -> "Agreement":
        """runs: those that stand for the days. anomalous: ids of users. Raises InputAbsent."""
        return cls(pd.concat([_judge_day(lake, run, threshold, anomalous) for run in runs]), runs[-1], threshold)

    def figures(self) -> pd.DataFrame:
        """COLUMNS and how many of each kind of flag are known to be anomalous, by day, and over all days."""
        days = {day: _figures(rows) for day, rows in self.judged.groupby("day")}
        return pd.DataFrame.from_dict(days | {TOTAL: _figures(self.judged)}, orient="index")

    def describe(self) -> str:
        """Markdown."""
        challenger, champion = self.threshold, self.run
        lines = [
            f"Candidate **{challenger.model_version}** (threshold {challenger.value:.3f}) in the shadow of the "
            f"champion, version **{champion.model_version}** (threshold {champion.threshold:.3f}): users flagged of "
            "those whom both gave a score, in brackets how many of them some label called anomalous by the end.",
            "",
            f"| day | {' | '.join(COLUMNS)} |",
            "| --- |" + " ---: |" * len(COLUMNS),
        ]
        for day, row in self.figures().iterrows():
            flags = [f"{row[name]:.0f} ({row[f'{name}, anomalous']:.0f})" for name in COLUMNS[1:4]]
            measures = [_measure(row[name]) for name in COLUMNS[4:]]
            lines.append(f"| {' | '.join([str(day), f'{row.users:.0f}', *flags, *measures])} |")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """agreement.json, agreement.md and agreement.png. None of them names a user."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "agreement.json", self.figures().to_dict("index"))
        (folder / "agreement.md").write_text(self.describe() + "\n")
        save_plot(folder / "agreement.png", _scatter, self)


def _judge_day(lake: ScoreLake, run: ScoringRun, threshold: Threshold, anomalous: pa.Array) -> pd.DataFrame:
    judges = {"champion": run.model, "challenger": threshold.model}
    scores, flagged = {}, {}
    for name, model in judges.items():
        rows = lake.read(run.interval, model).select(["user_id", "score"]).drop_null().to_pandas()
        scores[name] = rows.set_index("user_id")["score"]
        flagged[name] = lake.read_flags(run.interval, model, FLAG_SCHEMA)["user_id"].to_pandas()
    judged = pd.DataFrame(scores).dropna()
    return judged.assign(
        day=run.interval.ds,
        **{f"{name}_flags": judged.index.isin(users) for name, users in flagged.items()},
        anomalous=judged.index.isin(anomalous.to_pandas()),
    )


def _figures(judged: pd.DataFrame) -> dict[str, float]:
    champion, challenger = judged["champion_flags"], judged["challenger_flags"]
    kinds = {"both": champion & challenger, "champion alone": champion & ~challenger}
    kinds["challenger alone"] = challenger & ~champion
    told: dict[str, float] = {"users": len(judged)}
    for name, flagged in kinds.items():
        told |= {name: int(flagged.sum()), f"{name}, anomalous": int((flagged & judged["anomalous"]).sum())}
    one_sided = champion.nunique() < 2 and challenger.nunique() < 2  # kappa says nothing where nobody is flagged
    told["kappa"] = np.nan if one_sided else cohen_kappa_score(champion, challenger)
    told["rank correlation"] = judged["champion"].corr(judged["challenger"], method="spearman")
    return told


def _measure(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _scatter(axes: Axes, agreement: Agreement) -> None:
    for anomalous, ink in zip((False, True), INK, strict=True):
        rows = agreement.judged[agreement.judged["anomalous"] == anomalous]
        label = "known to be anomalous" if anomalous else "others"
        axes.plot(rows["champion"], rows["challenger"], ".", color=ink, alpha=0.4, markersize=4, label=label)
    axes.axvline(agreement.run.threshold, color="0.75", linestyle="--", zorder=0)
    axes.axhline(agreement.threshold.value, color="0.75", linestyle="--", zorder=0)
    axes.set(xlabel="champion's score", ylabel="challenger's score", title="One dot for each user and day")
    axes.legend(frameon=False)
