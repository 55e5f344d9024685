"""What a challenger must show before a person is asked: limits as data, measured on one frozen test slice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ml.errors import TrailguardError
from ml.evaluation.metrics import Estimate


class GateClosed(TrailguardError):
    """The challenger does not pass the gate, so nobody is asked to promote it.

    The champion stays. Train again with more or later data, or look at the test slice in the training's report.
    """


@dataclass(frozen=True)
class Gate:
    """Limits, of which one must be reached. of: "challenger", or "challenger - champion" where a champion exists.

    limits: of the estimate and the ends of its 95 % interval. `low` asks for proof, `high` refuses proven harm, and
    `value` lets harm pass that is too small to matter: on enough users any is proven.
    """

    name: str
    of: str
    metric: str
    limits: Mapping[str, float]

    def passes(self, estimate: Estimate) -> bool:
        return any(getattr(estimate, end) >= limit for end, limit in self.limits.items())


GATES = (
    Gate("ranks better than chance", "challenger", "roc_auc", {"low": 0.5}),
    Gate("ranks no worse than the champion", "challenger - champion", "roc_auc", {"high": 0.0, "value": -0.01}),
    Gate(
        "finds no less than the champion", "challenger - champion", "average_precision", {"high": 0.0, "value": -0.02}
    ),
)


@dataclass(frozen=True)
class GateResult:
    """A gate held against the figures."""

    gate: Gate
    estimate: Estimate
    passed: bool

    def __str__(self) -> str:
        gate, found = self.gate, self.estimate
        return f"{gate.name} ({gate.of}, {gate.metric}: {found.value:.4f}, {found.low:.4f} to {found.high:.4f})"

    def to_dict(self) -> dict:
        return {"gate": asdict(self.gate), "estimate": asdict(self.estimate), "passed": self.passed}


def check_gates(figures: dict[str, dict[str, Estimate]]) -> list[GateResult]:
    """Every gate whose figures there are: without a champion, the relative ones do not apply.

    figures: from compare_models over "challenger" and, where there is one, "champion".
    """
    applying = [gate for gate in GATES if gate.of in figures]
    found = [(gate, figures[gate.of][gate.metric]) for gate in applying]
    return [GateResult(gate, estimate, gate.passes(estimate)) for gate, estimate in found]


def require_open(results: list[GateResult]) -> None:
    """Raises GateClosed, naming each gate that did not pass with its figure."""
    closed = [str(result) for result in results if not result.passed]
    if closed:
        raise GateClosed(closed="; ".join(closed))


def describe_gates(results: list[GateResult], *, version: str, champion: str | None, users: int) -> str:
    """Markdown for the person who decides."""
    lines = [
        f"Candidate **{version}** against "
        + (f"the champion, version **{champion}**," if champion else "no champion")
        + f" on the same {users} users of the frozen test slice, whole trails.",
        "",
        "| gate | figure | 95 % interval | passed |",
        "| --- | --- | --- | --- |",
    ]
    for result in results:
        e = result.estimate
        mark = "yes" if result.passed else "no"
        figure = f"{result.gate.of}, {result.gate.metric}"
        lines.append(f"| {result.gate.name} ({figure}) | {e.value:.4f} | {e.low:.4f} to {e.high:.4f} | {mark} |")
    return "\n".join(lines)
