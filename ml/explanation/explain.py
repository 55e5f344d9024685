"""Reason codes for flagged users: which sides of their trail moved the score, by how much, and what is typical."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml.explanation.reasons import group_inputs
from ml.explanation.shapley import Typical, contributions
from ml.scoring.scorer import Scorer
from ml.sequences.features import UNKNOWN, Featurizer, Steps
from ml.sequences.sequences import Sequences

MOST_REASONS = 3

Reference = dict[str, float | str | None]  # feature -> what is typical of a good user


@dataclass(frozen=True)
class Reason:
    """One side of a trail that raised its score.

    code: a stable id. contribution: log-odds that it added. feature: its most unusual input at the user's last event;
    value: what it is there, typical: what it is for a good user, in the feature's own unit (log seconds, shares, ...).
    """

    code: str
    contribution: float
    feature: str
    value: float | str | None
    typical: float | str | None


def explain_users(scorer: Scorer, sequences: Sequences, reference: Reference) -> dict[str, str]:
    """user_id -> JSON list of at most MOST_REASONS reasons, the strongest first; at least one for each user.

    Args:
        reference: feature -> typical value of good users, as training left it in the bundle.
    """
    if len(sequences) == 0:
        return {}
    featurizer, steps = scorer.featurizer, scorer.featurizer.transform(sequences)
    names = [*featurizer.numeric_names, *featurizer.categorical_names]
    groups = group_inputs(names, list(featurizer.extras))
    typical = typical_inputs(featurizer, reference)
    added = contributions(scorer.model.last_logits, steps, [np.array(inputs) for inputs in groups.values()], typical)
    last = steps.offsets[1:] - 1
    distance = np.hstack(
        [np.abs(steps.numeric[last] - typical.numeric), (steps.categorical[last] != typical.categorical).astype(float)]
    )
    explained = {}
    for row, user in enumerate(sequences.user_ids.to_pylist()):
        reasons = []
        for group in _strongest(added[row]):
            code, inputs = list(groups.items())[group]
            feature = inputs[int(np.argmax(distance[row, inputs]))]
            value = _natural(featurizer, steps, last[row], feature)
            reasons.append(
                Reason(code, round(float(added[row, group]), 4), names[feature], value, reference[names[feature]])
            )
        explained[user] = json.dumps([asdict(reason) for reason in reasons])
    return explained


def read_reference(bundle: Path) -> Reference:
    return json.loads((bundle / "reference.json").read_text())


def typical_inputs(featurizer: Featurizer, reference: Reference) -> Typical:
    """The reference in the model's own units; an unknown value is coded as the featurizer codes it."""
    numeric = [_standardised(featurizer, name, reference[name]) for name in featurizer.means]
    unknown = [reference[f"{name}_unknown"] for name in featurizer.indicators]
    known = {
        name: values.index(v) + 2
        for name, values in featurizer.vocabularies.items()
        if (v := reference[name]) in values
    }
    categorical = [known.get(name, UNKNOWN) for name in featurizer.categorical_names]
    return Typical(np.array([*numeric, *unknown], np.float32), np.array(categorical, np.int32))


def _standardised(featurizer: Featurizer, name: str, value: float | None) -> float:
    return 0.0 if value is None else (value - featurizer.means[name]) / featurizer.scales[name]


def _strongest(added: np.ndarray) -> list[int]:
    """Groups that raised the score, the strongest first; the strongest alone where none did."""
    order = np.argsort(-added)[:MOST_REASONS]
    return [int(group) for group in order if added[group] > 0] or [int(order[0])]


def _natural(featurizer: Featurizer, steps: Steps, row: int, feature: int) -> float | str | None:
    """The input's value at an event in its own unit; None where unknown."""
    names = featurizer.numeric_names
    if feature >= len(names):
        column = feature - len(names)
        values = featurizer.vocabularies.get(featurizer.categorical_names[column], [])
        code = int(steps.categorical[row, column]) - 2
        return values[code] if 0 <= code < len(values) else None
    value = float(steps.numeric[row, feature])
    if names[feature] in featurizer.means:
        value = value * featurizer.scales[names[feature]] + featurizer.means[names[feature]]
    return round(value, 4)
