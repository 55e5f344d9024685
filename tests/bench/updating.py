"""A new kind of abuse, one day after its first labels: whom the updated champion catches, beside one trained anew.

A family arrives in the simulated marketplace with 240 accounts. The champion was trained the day before. When the day
ends on which the first labels of the family became known, the champion is updated and, beside it, a model is trained
from scratch on what was known by then. They judge those users of the day that follows whom nobody has labelled yet.
Each catches the users whom it ranks above 97 % of that day's good ones.
"""

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from ml.comparison.history import History, read_history
from ml.comparison.protocol import Protocol
from ml.datasets.descriptor import load_descriptor
from ml.datasets.marketplace import World, simulate
from ml.models.config import Architecture
from ml.scoring.scorer import open_model
from ml.sequences.build import Selection, build_sequences
from ml.sequences.features import Featurizer
from ml.sequences.sequences import Sequences
from ml.training.config import configure
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.train import train
from ml.training.update import update
from ml.training.verdicts import find_anomalous
from tests.bench.rows import Row

ARRIVES, DELAY, WINDOW = 50, timedelta(days=14), 64
FALSE_ALARMS = 0.03
WORLDS = (("scraper", "bot", 11), ("scraper", "bot", 12), ("burst", "abnormal_traffic", 13))  # family, kind, seed
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Caught:
    """Shares of the users whom nobody has labelled: of the new kind, and of the others."""

    new: float
    old: float


def measure(*, quick: bool) -> list[Row]:
    found = [measure_world(*world) for world in (WORLDS[:1] if quick else WORLDS)]
    rows = []
    for kind in ("new", "old"):
        for peer in ("trained anew", "the champion"):
            name = f"update_{kind}_kinds_caught_vs_{peer.replace(' ', '_')}"
            ours, theirs = (np.array([getattr(one[who], kind) for one in found]) for who in ("updated", peer))
            ratios = ours / theirs
            middle = [float(np.median(figures)) for figures in (ours, theirs, ratios)]
            rows.append(Row(name, *middle[:2], "share", middle[2], float(ratios.min()), float(ratios.max())))
    return rows


def measure_world(family: str, kind: str, seed: int) -> dict[str, Caught]:
    world = World(arrivals={family: ARRIVES}, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        simulate(world, Path(folder) / "raw")
        shop = Shop(Path(folder), world, kind)
        told = f"{family}, seed {seed}: {shop.labelled} labelled by {shop.as_of.date()}"
        found = {name: shop.judge(bundle) for name, bundle in shop.fit().items()}
    shown = (f"{name} {one.new:.2f} of the new, {one.old:.2f} of other kinds" for name, one in found.items())
    Console(stderr=True).print(f"{told}; caught: {'; '.join(shown)}")
    return found


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
    def as_of(self) -> datetime:
        """The end of the day on which the first label of the kind became known."""
        first = pc.min(self.history.labels.filter(pc.field("kind") == self.kind)["observed_at"]).as_py()
        return first.replace(hour=0, minute=0, second=0, microsecond=0) + DAY

    @property
    def labelled(self) -> int:
        return self._known(self.as_of).filter(pc.field("kind") == self.kind).num_rows

    def fit(self) -> dict[str, Path]:
        """Bundles of the champion, of its update and of the model that is trained anew."""
        bundles = {name: self.folder / name for name in ("the champion", "updated", "trained anew")}
        config, arrival = configure(Architecture.GRU), self.world.midnight + ARRIVES * DAY
        before = self._freeze("before", arrival)
        self._freeze("after", self.as_of, before)
        self._freeze("anew", self.as_of)
        train(self.folder / "before", bundles["the champion"], config, 0)
        update(self.folder / "after", bundles["updated"], bundles["the champion"], 0)
        train(self.folder / "anew", bundles["trained anew"], config, 0)
        return bundles

    def judge(self, bundle: Path) -> Caught:
        featurizer = Featurizer.load(bundle)
        logits = open_model(bundle, featurizer, 2).last_logits(featurizer.transform(self.trails))
        level = np.quantile(logits[self.kinds == ""], 1 - FALSE_ALARMS)
        new, good = self.kinds == self.kind, self.kinds == ""
        return Caught(*(float((logits[who] > level).mean()) for who in (new, ~new & ~good)))

    @cached_property
    def trails(self) -> Sequences:
        """Of the users of the day after as_of whom nobody has labelled by then, and whom no model has learned from."""
        trails = build_sequences(self.history.events, Selection(before=self.as_of + DAY, window=WINDOW, keep="newest"))
        last = trails.events["event_time"].take(pa.array(trails.last_rows))
        active = pc.greater_equal(last, pa.scalar(self.as_of, last.type)).to_numpy()
        told = find_anomalous(self.history.events, self._known(self.as_of), as_of=self.as_of)["user_id"].to_pylist()
        learned = set(told)
        for name in ("before", "after", "anew"):
            users = Snapshot.load(self.folder / name).users
            held = pc.field("slice").isin(["train", "validation"])
            learned |= set(users.filter(held)["user_id"].to_pylist())
        fresh = ~np.isin(np.array(trails.user_ids.to_pylist(), object), list(learned))
        return trails.keep((active & fresh)[trails.row_users])

    @cached_property
    def kinds(self) -> np.ndarray:
        """str (users,): what will ever be found out about those of `trails`, empty for good ones."""
        end = self.world.midnight + timedelta(days=2 * self.world.days)
        truth = find_anomalous(self.history.events, self.history.labels, as_of=end)
        known = dict(zip(truth["user_id"].to_pylist(), truth["kind"].to_pylist(), strict=True))
        return np.array([known.get(user, "") for user in self.trails.user_ids.to_pylist()])

    def _known(self, at: datetime) -> pa.Table:
        labels = self.history.labels
        return labels.filter(pc.less(labels["observed_at"], pa.scalar(at, labels["observed_at"].type)))

    def _freeze(self, name: str, as_of: datetime, predecessor: Snapshot | None = None) -> Snapshot:
        return make_snapshot(
            self.history.events,
            self._known(as_of),
            as_of=as_of,
            label_delay=DELAY,
            window=WINDOW,
            extras=self.history.extras,
            out=self.folder / name,
            predecessor=predecessor,
        )
