"""The report of a comparison: report.json for programs, report.html for people, predictions.parquet to look deeper."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import classification_report

from ml.calibration.good_users import FALSE_POSITIVES
from ml.comparison.compare import Outcome
from ml.comparison.conclusions import Conclusions, KindFound, Taken, conclude
from ml.comparison.estimates import Figures, measure, told
from ml.comparison.history import History
from ml.comparison.judge import rows_of
from ml.comparison.page import write_page
from ml.comparison.protocol import Protocol
from ml.comparison.questions import ask
from ml.files import new_file, write_json

SEED = 0  # of the bootstrap


def write_report(out: Path, history: History, protocol: Protocol, outcome: Outcome) -> dict:
    """Writes the three files and returns what the command prints: conclusions, winner, scores, paths."""
    prefixes = ask(protocol).views
    figures = [measure(outcome.predictions, prefix, budget=protocol.budget, seed=SEED) for prefix in prefixes]
    taken = [one for prefix in prefixes for one in _judge_controls(outcome, protocol, prefix)]
    test = sum((Counter(fold.test.counts()) for fold in outcome.folds), Counter())
    kinds = list(_find_kinds(outcome.predictions, prefixes))
    concluded = conclude(figures, taken, controlled=protocol.controls, test=test, kinds=kinds, unseen=protocol.unseen)
    report = _tell(history, protocol, outcome, figures, taken, kinds, concluded)
    with new_file(out / "predictions.parquet") as unfinished:
        pq.write_table(outcome.predictions, unfinished, compression="zstd")
    write_json(out / "report.json", report)
    write_page(out / "report.html", report, outcome.predictions)
    printed = ("winner", "conclusions", "scores")
    return {name: report[name] for name in printed} | {"report": out / "report.html"}


def _tell(
    history: History,
    protocol: Protocol,
    outcome: Outcome,
    figures: list[Figures],
    taken: list[Taken],
    kinds: list[KindFound],
    concluded: Conclusions,
) -> dict:
    return {
        "dataset": history.name,
        "conclusions": concluded.lines,
        "winner": concluded.winner,
        "protocol": protocol.model_dump(mode="json"),
        "false_positives": FALSE_POSITIVES if protocol.learn_from == "good" else None,
        "label_delay_days": history.label_delay.days,
        "folds": {fold.name: {"as_of": fold.as_of.isoformat(), **fold.counts()} for fold in outcome.folds},
        "scores": [score for one in figures for score in one.scores()],
        "differences": [row for one in figures for row in _differences(one)],
        "controls": [
            {
                "control": one.control,
                "prefix": one.prefix,
                "as_good": one.as_good,
                "metric": "roc_auc",
                **told(one.scored),
                "model_minus_control": told(one.lost),
            }
            for one in taken
        ],
        "classification": list(_classify(outcome.predictions)),
        "kinds": [asdict(one) for one in kinds],
    }


def _differences(one: Figures) -> Iterator[dict[str, object]]:
    """Each model beside the baseline."""
    for model, metrics in one.draws.items():
        for metric in metrics if model != one.baseline else ():
            gain = one.difference(model, one.baseline, metric)
            yield {"model": model, "baseline": one.baseline, "prefix": one.prefix, "metric": metric, **told(gain)}


def _judge_controls(outcome: Outcome, protocol: Protocol, prefix: str) -> Iterator[Taken]:
    """Beside the same model with the same seed."""
    if outcome.controls is None:
        return
    same = rows_of(outcome.predictions, model=protocol.controls, seed=protocol.seeds[0])
    both = pa.concat_tables([same, outcome.controls])
    figures = measure(both, prefix, budget=protocol.budget, seed=SEED)
    for control in figures.draws:
        if control != protocol.controls:
            lost = figures.difference(protocol.controls, control, "roc_auc")
            yield Taken(control, prefix, figures.estimate(control, "roc_auc"), lost)


def _classify(predictions: pa.Table) -> Iterator[dict[str, object]]:
    """scikit-learn's classification report at the chosen thresholds; seeds and folds together."""
    for key in predictions.group_by(["model", "prefix"], use_threads=False).aggregate([]).to_pylist():
        rows = rows_of(predictions, **key)
        targets, flagged = rows["target"].to_numpy(), rows["flagged"].to_numpy().astype(int)
        found = classification_report(
            targets, flagged, labels=[0, 1], target_names=["good", "anomalous"], output_dict=True, zero_division=0.0
        )
        yield {**key, "report": found}


def _find_kinds(predictions: pa.Table, prefixes: Sequence[str]) -> Iterator[KindFound]:
    """At the chosen thresholds, in the order of the views; seeds and folds together."""
    bad = rows_of(predictions, target=1)
    keys = ["model", "prefix", "kind"]
    counted = bad.append_column("found", bad["flagged"].cast(pa.int64())).group_by(keys, use_threads=False)
    rows = counted.aggregate([("found", "mean"), ("found", "count")]).to_pylist()
    for row in sorted(rows, key=lambda row: prefixes.index(row["prefix"])):
        yield KindFound(**{key: row[key] for key in keys}, judged=row["found_count"], found=row["found_mean"])
