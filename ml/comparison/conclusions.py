"""What the figures allow to be said, in words, and which model wins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml.comparison.estimates import Figures
from ml.evaluation.metrics import Estimate

FEWEST_OF_EACH = 50  # test users of either label, below which nothing is concluded
WIDEST = 0.1  # an interval of the baseline's ROC AUC, beyond which nothing is concluded


@dataclass(frozen=True)
class Taken:
    """A control beside the model it was taken from, in one view, by ROC AUC."""

    control: str
    prefix: str
    scored: Estimate
    lost: Estimate  # model - control

    @property
    def as_good(self) -> bool:
        return self.lost.low <= 0


@dataclass(frozen=True)
class KindFound:
    """How many users or events of a kind were judged by a model in one view, and which share of them was flagged."""

    model: str
    prefix: str
    kind: str
    judged: int
    found: float


@dataclass(frozen=True)
class Conclusions:
    """winner: None where the set is too small to say. lines: the report's first ones."""

    winner: str | None
    lines: list[str]


def conclude(
    figures: list[Figures],
    taken: list[Taken],
    *,
    controlled: str | None,
    test: dict[str, int],
    kinds: Sequence[KindFound] = (),
    unseen: Sequence[str] = (),
) -> Conclusions:
    """figures: of each view. test: how many were judged, and how many of them are anomalous, over all folds.
    unseen: the kinds that training never saw."""
    warnings = [_warn(one, controlled) for one in taken if one.as_good]
    if problem := _too_small(figures, test):
        return Conclusions(None, [problem, *warnings])
    winner = _winner(figures)
    beside = (_beside(winner, one) for one in figures)
    strangers = _tell_unseen([one for one in kinds if one.model == winner], unseen)
    return Conclusions(winner, [*warnings, _name(winner, figures), *beside, *strangers])


def _too_small(figures: list[Figures], test: dict[str, int]) -> str | None:
    baseline = figures[0].baseline
    rarer = min(test["anomalous"], test["judged"] - test["anomalous"])
    widths = {one.prefix: _width(one.estimate(baseline, "roc_auc")) for one in figures}
    prefix = max(widths, key=widths.__getitem__)
    if rarer >= FEWEST_OF_EACH and widths[prefix] <= WIDEST:
        return None
    return (
        f"Too small to conclude: {test['judged']} were judged, {test['anomalous']} of them anomalous; the interval of "
        f"{baseline}'s ROC AUC at {prefix} is {widths[prefix]:.3f} wide (needed: {FEWEST_OF_EACH} of either kind, "
        f"at most {WIDEST})."
    )


def _width(found: Estimate) -> float:
    return found.high - found.low


def _winner(figures: list[Figures]) -> str:
    """The model of the highest average precision over the views, unless the baseline is not shown to find less.

    Shown: the interval of the difference is above 0 in some view and below 0 in none.
    """

    def found(model: str) -> float:
        return sum(one.draws[model]["average_precision"][0] for one in figures)

    best = max(figures[0].draws, key=found)
    gains = [one.difference(best, one.baseline, "average_precision") for one in figures]
    shown = any(gain.low > 0 for gain in gains) and not any(gain.high < 0 for gain in gains)
    return best if shown else figures[0].baseline


def _name(winner: str, figures: list[Figures]) -> str:
    baseline, *others = figures[0].draws
    if winner != baseline:
        return f"{winner} wins: it finds more than {baseline} on the same users."
    if not others:
        return f"Only {baseline} was compared."
    return f"{baseline} wins: none of {', '.join(others)} is shown to find more. Train {baseline}."


def _beside(winner: str, one: Figures) -> str:
    values = {metric: one.draws[winner][metric][0] for metric in ("roc_auc", "average_precision")}
    told = ", ".join(f"{metric} {value:.3f}" for metric, value in values.items())
    text = f"At {one.prefix}: {winner} {told}"
    if winner == one.baseline:
        return text + "."
    gains = (one.difference(winner, one.baseline, metric) for metric in values)
    told = " and ".join(f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})" for gain in gains)
    return f"{text}; beside {one.baseline} {told}."


def _tell_unseen(kinds: list[KindFound], unseen: Sequence[str]) -> Iterator[str]:
    """One line for each unseen kind, in the last view in which it was judged, beside all that training did see."""
    for kind in unseen:
        judged = [one for one in kinds if one.kind == kind]
        if not judged:
            yield f"{kind}, which training never saw, was not judged either: nobody of it is among the judged."
            continue
        one = judged[-1]
        seen = [other for other in kinds if other.prefix == one.prefix and other.kind not in unseen]
        among = sum(other.judged for other in seen)
        share = sum(other.found * other.judged for other in seen) / among if among else 0.0
        flagged = f"{one.model} flags {one.found:.0%} of it, and {share:.0%} of the kinds that training saw"
        yield f"{kind}, which training never saw: at {one.prefix}, {flagged}."


def _warn(one: Taken, controlled: str | None) -> str:
    return (
        f"A control does as well as {controlled} at {one.prefix}: {one.control}, ROC AUC {one.scored.value:.3f}; the "
        f"model is {one.lost.value:+.4f} ({one.lost.low:+.4f} to {one.lost.high:+.4f}) beside it."
    )
