"""Trainings that die, and go on where they were."""

import json
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from ml.files import write_json
from ml.registry.digest import folder_digest
from tests.fault.fault import Fault
from tests.fault.shop import Shop, until
from tests.fault.steps import Step, step

CHECKPOINT = "checkpoint.npz"
SAVED = "ml.training.checkpoint:Checkpoint.save"
STEPPED = "ml.training.epochs:AveragedWeights.update"
BRIEF = {"gru": {"config": {"epochs": 4, "width": 24}}}  # a configuration as tune-model writes it
EPOCH = re.compile(r"epoch (\d+) of (\d+)")


@dataclass
class Undisturbed:
    """What a training leaves that nothing befell, by shop."""

    known: dict[Path, dict[str, object]] = field(default_factory=dict)

    def __call__(self, shop: Shop) -> dict[str, object]:
        if shop.lake not in self.known:
            shop.run(step("take-snapshot", as_of=_as_of(shop)))
            write_json(_folder(shop) / "tuned.json", BRIEF)
            (_folder(shop) / CHECKPOINT).unlink(missing_ok=True)  # of a call that was broken off
            (done,) = shop.run(fit(shop))
            assert _epochs(done.said) == [1, 2, 3, 4]
            self.known[shop.lake] = left_by(shop)
        return self.known[shop.lake]


undisturbed = Undisturbed()


def fit(shop: Shop) -> Step:
    return step("fit-model", as_of=_as_of(shop), tuned=_folder(shop) / "tuned.json")


def left_by(shop: Shop) -> dict[str, object]:
    """Weights, curves and what is said of held-out users, to the bit; the facts without the seconds they took."""
    folder = _folder(shop)
    facts = json.loads((folder / "bundle" / "training.json").read_text())
    digests = {pattern: folder_digest(folder / "bundle", pattern) for pattern in ("*.onnx", "curves.json", "e*.json")}
    held_out = folder_digest(folder, "heldout.parquet")
    return digests | {"held out": held_out, "facts": {name: facts[name] for name in facts if name != "seconds"}}


@dataclass(frozen=True)
class TrainingDies:
    """at: calls. goes_on: the epoch that the second attempt begins with; round r adds r where `later`."""

    act: str
    at: tuple[tuple[str, int], ...]
    after: bool
    goes_on: list[int]
    more: dict[str, str] = field(default_factory=dict)

    def __call__(self, shop: Shop, round_: int) -> None:
        wanted = undisturbed(shop)
        shop.arm(fit(shop), self.act, *self.at, after=self.after, **self.more)
        died = shop.stage(fit(shop))
        assert died.status == (1 if self.act == "error" else -9), died.said[-1000:]
        shop.struck()
        (done,) = shop.run(fit(shop))
        assert _epochs(done.said) == self.goes_on, "it goes on from its newest epoch"
        assert left_by(shop) == wanted, "the same weights and figures as without the fault"


def die_mid_epoch(shop: Shop, round_: int) -> None:
    """In another epoch each round."""
    done = 1 + round_ % 3
    calls = ((SAVED, done), (STEPPED, 3))
    TrainingDies("kill", calls, after=False, goes_on=list(range(done + 1, 5)))(shop, round_)


def go_on_as_an_orphan(shop: Shop, round_: int) -> None:
    """The training stands still before it writes its bundle, and another is started in its place. When that has ended,
    or waits for the first, the first goes on."""
    wanted, calibrate = undisturbed(shop), step("calibrate-scores", as_of=_as_of(shop))
    shop.arm(fit(shop), "hold", ("ml.training.train:_write_bundle", 1))
    orphan = shop.start(fit(shop))
    held = shop.held()
    retry = shop.start(fit(shop))
    until(lambda: retry.poll() is not None or _waits(retry.pid), "the retry to end or to wait for the orphan")
    if ended := retry.poll() is not None:
        shop.run(calibrate)
    held.resume()
    shop.finish(fit(shop), orphan).require_ok()
    shop.finish(fit(shop), retry).require_ok()
    if not ended:
        shop.run(calibrate)
    assert left_by(shop) == wanted
    assert (_folder(shop) / "bundle" / "calibration.json").exists(), "the first took away what followed from the second"


def _waits(pid: int) -> bool:
    """Whether a process waits for a lock on a file."""
    waiting = (line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line)
    return any(words[5] == str(pid) for words in waiting)


def _epochs(said: str) -> list[int]:
    return [int(found.group(1)) for found in EPOCH.finditer(said)]


def _as_of(shop: Shop) -> date:
    """Not the champion's training."""
    return shop.days[0] - timedelta(days=1)


def _folder(shop: Shop) -> Path:
    return shop.lake / "training" / f"as_of={_as_of(shop)}"


FAULTS = (
    Fault("training killed mid-epoch", "SIGKILL after some steps of an epoch", die_mid_epoch),
    Fault(
        "training killed mid-write of its checkpoint",
        "half of the second checkpoint, then SIGKILL",
        TrainingDies("tear", (("numpy:savez", 2),), after=True, goes_on=[2, 3, 4]),
    ),
    Fault(
        "disk full while a checkpoint is written",
        "ENOSPC at the third checkpoint",
        TrainingDies("error", (("numpy:savez", 3),), after=False, goes_on=[3, 4], more={"error": "ENOSPC"}),
    ),
    Fault(
        "training killed in the midst of its bundle",
        "SIGKILL with the old bundle gone and the new one in part",
        TrainingDies("kill", (("ml.models.baseline:Baseline.save", 1),), after=False, goes_on=[]),
    ),
    Fault(
        "training's orphan beside its retry",
        "two of one training at once, the first held before it writes",
        go_on_as_an_orphan,
    ),
)
