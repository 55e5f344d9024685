"""A new kind of abuse, on the evenings of its first labels: whom an updated champion catches, beside one trained anew.

A family arrives in the simulated marketplace with 240 accounts. The champion was trained the day before. When the day
ends on which the first labels of the family became known, and a day later, the champion is updated and, beside it, a
model is trained from scratch on what was known by then. They judge those users of the day that follows whom nobody has
labelled yet. Each catches the users whom it ranks above 97 % of that day's good ones. What the update has forgotten
shows on the champion's own test slice, of whose users neither has learned.
"""

import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import roc_auc_score

from ml.comparison.history import History, read_history
from ml.comparison.protocol import Protocol
from ml.datasets.descriptor import load_descriptor
from ml.datasets.marketplace import World, simulate
from ml.evaluation.views import ALL, cut_views, last_targets
from ml.models.config import Architecture
from ml.scoring.scorer import open_model
from ml.sequences.build import Selection, build_sequences
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from ml.training.config import configure
from ml.training.slices import LEARNED
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.train import train
from ml.training.update import update
from ml.training.verdicts import find_anomalous
from tests.bench.rows import Row

ARRIVES, DELAY, WINDOW = 50, timedelta(days=14), 64
FALSE_ALARMS = 0.03
WORLDS = (("scraper", "bot", 11), ("scraper", "bot", 12), ("burst", "abnormal_traffic", 13))  # family, kind, seed
DAY = timedelta(days=1)
EVENINGS = {"first": 0, "second": 1}  # days after the one of the first labels
CHAMPION, UPDATED, ANEW = "champion", "updated", "trained anew"
QUESTIONS = (  # figure, and whom the update is beside
    ("new_kinds", CHAMPION),
    ("new_kinds", ANEW),
    ("old_kinds", CHAMPION),
    ("old_kinds", ANEW),
    ("tested", CHAMPION),
)


@dataclass(frozen=True)
class Caught:
    """new_kinds, old_kinds: shares of the users whom nobody has labelled. tested: ROC AUC on the champion's test slice;
    NaN of a model that may have learned from it."""

    new_kinds: float
    old_kinds: float
    tested: float


def measure(*, quick: bool) -> list[Row]:
    worlds = [measure_world(*world) for world in (WORLDS[:1] if quick else WORLDS)]
    return [
        _compare(f"update_{evening}_evening_{figure}", [world[evening] for world in worlds], figure, peer)
        for evening in EVENINGS
        for figure, peer in QUESTIONS
    ]


def measure_world(family: str, kind: str, seed: int) -> dict[str, dict[str, Caught]]:
    """Evening -> model -> whom it caught."""
    world, found = World(arrivals={family: ARRIVES}, seed=seed), {}
    with tempfile.TemporaryDirectory() as folder:
        simulate(world, Path(folder) / "raw")
        shop = Shop(Path(folder), world, kind)
        shop.train_champion()
        for evening, later in EVENINGS.items():
            as_of = shop.first_evening + later * DAY
            found[evening] = shop.judge_all(as_of)
            told = f"{family}, seed {seed}, {shop.known(as_of, kind).num_rows} labelled by {as_of.date()}"
            shares = (
                f"{name} {one.new_kinds:.2f}, {one.old_kinds:.2f} and {one.tested:.3f}"
                for name, one in found[evening].items()
            )
            print(f"{told}; new and other kinds caught, ROC AUC on the test: {'; '.join(shares)}", file=sys.stderr)  # noqa: T201
    return found


def _compare(name: str, found: list[dict[str, Caught]], figure: str, peer: str) -> Row:
    ours, theirs = (np.array([getattr(world[who], figure) for world in found]) for who in (UPDATED, peer))
    ratios = ours / theirs
    middle = [float(np.mean(figures)) for figures in (ours, theirs)]
    spread = float(ratios.min()), float(ratios.max())
    return Row(
        f"{name}_vs_{peer.replace(' ', '_')}",
        *middle,
        "ROC AUC" if figure == "tested" else "share",
        middle[0] / middle[1],
        *spread,
    )


def _rank(bundle: Path, test: Sequences) -> float:
    """ROC AUC over whole trails."""
    seen = cut_views(test, WINDOW)[ALL]
    return float(roc_auc_score(last_targets(seen), _judge(bundle, seen)))


def _judge(bundle: Path, trails: Sequences) -> np.ndarray:
    featurizer = Featurizer.load(bundle)
    return open_model(bundle, featurizer, 2).last_logits(featurizer.transform(trails))


@dataclass(frozen=True)
class Shop:
    """A simulated shop in a folder with its raw files. kind: of the family that arrives."""

    folder: Path
    world: World
    kind: str

    @cached_property
    def history(self) -> History:
        days = {"start": self.world.start, "end": self.world.day(self.world.days)}
        split = {name: self.world.day(ARRIVES) for name in ("train_before", "test_from")}
        split |= {"by": "time", "test_until": self.world.day(ARRIVES + 1)}
        protocol = Protocol.model_validate({"history": days, "split": split})
        return read_history(load_descriptor("marketplace", self.folder / "raw"), protocol, self.folder / "lake")

    @cached_property
    def first_evening(self) -> datetime:
        """The end of the day on which the first label of the kind became known."""
        first = pc.min(self.history.labels.filter(pc.field("kind") == self.kind)["observed_at"]).as_py()
        return first.replace(hour=0, minute=0, second=0, microsecond=0) + DAY

    def train_champion(self) -> None:
        self._freeze("before", self.world.midnight + ARRIVES * DAY)
        train(self.folder / "before", self.folder / CHAMPION, configure(Architecture.GRU), 0)

    def judge_all(self, as_of: datetime) -> dict[str, Caught]:
        """Of the champion, of its update and of the model that is trained anew."""
        self._freeze("after", as_of, Snapshot.load(self.folder / "before"))
        update(self.folder / "after", self.folder / UPDATED, self.folder / CHAMPION, 0)
        self._freeze("anew", as_of)
        train(self.folder / "anew", self.folder / ANEW, configure(Architecture.GRU), 0)
        trails, test = self._unknown(as_of), Snapshot.load(self.folder / "after").slice("test")
        tested = {name: _rank(self.folder / name, test) for name in (CHAMPION, UPDATED)}
        return {
            name: Caught(*self._catch(self.folder / name, trails), tested.get(name, float("nan")))
            for name in (CHAMPION, UPDATED, ANEW)
        }

    def known(self, at: datetime, kind: str = "") -> pa.Table:
        """Labels observed before then, of one kind or of all."""
        labels = self.history.labels
        found = labels.filter(pc.less(labels["observed_at"], pa.scalar(at, labels["observed_at"].type)))
        return found.filter(pc.field("kind") == kind) if kind else found

    def _catch(self, bundle: Path, trails: Sequences) -> tuple[float, ...]:
        """Shares caught: of the new kind, and of the others."""
        logits, kinds = _judge(bundle, trails), self._truth(trails)
        good, new = kinds == "", kinds == self.kind
        level = np.quantile(logits[good], 1 - FALSE_ALARMS)
        return tuple(float((logits[who] > level).mean()) for who in (new, ~new & ~good))

    def _unknown(self, as_of: datetime) -> Sequences:
        """Of the users of the day after as_of whom nobody has labelled by then, and whom no model has learned from."""
        trails = build_sequences(self.history.events, Selection(before=as_of + DAY, window=WINDOW, keep="newest"))
        last = trails.events["event_time"].take(pa.array(trails.last_rows))
        active = pc.greater_equal(last, pa.scalar(as_of, last.type)).to_numpy()
        told = find_anomalous(self.history.events, self.known(as_of), as_of=as_of)["user_id"].to_pylist()
        learned = set(told)
        for name in ("before", "after", "anew"):
            users = Snapshot.load(self.folder / name).users
            learned |= set(users.filter(pc.field("slice").isin(LEARNED))["user_id"].to_pylist())
        fresh = ~np.isin(np.array(trails.user_ids.to_pylist(), object), list(learned))
        return trails.keep((active & fresh)[trails.row_users])

    def _truth(self, trails: Sequences) -> np.ndarray:
        """str (users,): what will ever be found out about them, empty for good ones."""
        end = self.world.midnight + timedelta(days=2 * self.world.days)
        truth = find_anomalous(self.history.events, self.history.labels, as_of=end)
        kinds = dict(zip(truth["user_id"].to_pylist(), truth["kind"].to_pylist(), strict=True))
        return np.array([kinds.get(user, "") for user in trails.user_ids.to_pylist()])

    def _freeze(self, name: str, as_of: datetime, predecessor: Snapshot | None = None) -> Snapshot:
        return make_snapshot(
            self.history.events,
            self.known(as_of),
            as_of=as_of,
            label_delay=DELAY,
            window=WINDOW,
            extras=self.history.extras,
            out=self.folder / name,
            predecessor=predecessor,
        )
