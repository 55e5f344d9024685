"""From a registered bundle and an update's snapshot to a new bundle.

The network goes on learning, from users who are news and, so that it does not forget, from some whom it knew (replay:
A. Robins, 1995). A kind of anomaly that it has never met comes with a handful of users, which weigh as much as other
kinds do. Trees cannot go on: they are grown anew, on all users.
"""

import json
import time
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.files import write_json
from ml.models.files import load_keras
from ml.pretraining.backbone import Backbone
from ml.registry.digest import folder_digest
from ml.sequences.features import Featurizer
from ml.training.candidates import BOOSTED, NETWORKS, Candidate
from ml.training.checkpoint import Checkpoint
from ml.training.config import TrainingConfig
from ml.training.learned import LearnedNetwork
from ml.training.snapshot import Snapshot
from ml.training.steps import TargetedSteps, both_ends, targeted_steps, weigh_users
from ml.training.trails import read_trails
from ml.training.train import CHECKPOINT, finish, fit_network, read_material
from ml.training.tuning import Tuning

REPLAYED = 6  # users whom the network knew, for each that is news
HEAVIEST = 20.0  # times as much as another user: a single one must not decide
# Of the epochs none is chosen: those held out are of kinds that it knew, and have it stop at once.
GENTLY = {"learning_rate": 3e-4, "epochs": 4, "tuning": Tuning.FULL}


def update(snapshot_folder: Path, bundle: Path, predecessor: Path, seed: int) -> dict[str, object]:
    """Goes on from the predecessor's bundle with what the snapshot knows; `bundle` gets what `train` would write.

    The network reads as its predecessor does: what only a new featurizer could see takes a training from scratch.
    An update that was broken off goes on from its newest epoch. The same arguments give the same figures on the same
    machine. Returns the facts in training.json. Raises InputAbsent, BackboneUnfit, BackboneTooNew.
    """
    snapshot, began = Snapshot.load(snapshot_folder), time.perf_counter()
    facts = json.loads((predecessor / "training.json").read_text())
    candidate = Candidate(facts["config"]["architecture"])
    start = load_network(predecessor, facts) if candidate in NETWORKS else None
    featurizer, training, validation = read_material(snapshot, start)
    weights = weigh_new_kinds(snapshot)
    training = weigh_users(training, read_trails(snapshot)[0], weights)
    checkpoint = Checkpoint(
        snapshot_folder / CHECKPOINT,
        {"fingerprint": snapshot.fingerprint, "seed": seed, "predecessor": folder_digest(predecessor)},
    )
    network = None
    if start:
        lesson, config = _lesson(snapshot, featurizer, weights, seed), replace(read_config(facts), **GENTLY)
        fitted = fit_network(lesson, None, featurizer, config, seed, backbone=start, checkpoint=checkpoint)
        network = LearnedNetwork(*fitted, config, seed, origin=facts["backbone_sha256"])
    data, boosted = (training, validation), candidate in BOOSTED
    told = finish(snapshot_folder, bundle, snapshot, featurizer, data, network, boosted=boosted, seed=seed)
    told |= {"predecessor": facts["fingerprint"], "seconds": round(time.perf_counter() - began, 1)}
    write_json(bundle / "training.json", told)
    checkpoint.remove()
    return told


def choose_learned(snapshot: Snapshot, seed: int) -> pa.Array:
    """user_id (users,): of the train slice those who are news, and at most REPLAYED times as many of the others."""
    users = snapshot.users.filter(pc.equal(snapshot.users["slice"], "train"))
    news = users["news"].to_numpy()
    known = np.flatnonzero(~news)
    count = min(len(known), REPLAYED * int(news.sum()))
    replayed = np.random.default_rng(seed).choice(known, count, replace=False)
    return users["user_id"].take(np.sort(np.concatenate([np.flatnonzero(news), replayed]))).combine_chunks()


def weigh_new_kinds(snapshot: Snapshot) -> dict[str, float]:
    """User id -> weight, of the users of each kind that the predecessor had never met: together they weigh as much as
    the other kinds do on average, but nobody more than HEAVIEST."""
    learned = (pc.field("slice") == "train") & (pc.field("label") == 1)
    users = snapshot.users.filter(learned)
    known = Counter(users.filter(~pc.field("news"))["kind"].to_pylist())
    new = Counter(users["kind"].to_pylist())
    new = {kind: count for kind, count in new.items() if kind not in known}
    usual = sum(known.values()) / max(1, len(known))
    weights = {kind: float(np.clip(usual / count, 1.0, HEAVIEST)) for kind, count in new.items()}
    return {user["user_id"]: weights[user["kind"]] for user in users.to_pylist() if user["kind"] in weights}


def load_network(bundle: Path, facts: dict) -> Backbone:
    """A registered network as a backbone to start from that has a head. facts: of its training."""
    featurizer = Featurizer.load(bundle)
    shape = read_config(facts).shape(featurizer)
    return Backbone(load_keras(bundle / "model.keras"), shape, featurizer, {"as_of": facts["as_of"]})


def read_config(facts: dict) -> TrainingConfig:
    """How the network of a training was trained. facts: what training.json holds."""
    told, network = facts["config"], NETWORKS[Candidate(facts["config"]["architecture"])]
    known = {field.name: told[field.name] for field in fields(TrainingConfig)}
    return TrainingConfig(**known | {"architecture": network, "tuning": Tuning(told["tuning"])})


def _lesson(snapshot: Snapshot, featurizer: Featurizer, weights: dict[str, float], seed: int) -> TargetedSteps:
    trails = both_ends(snapshot.sequences.of_users(choose_learned(snapshot, seed)), snapshot.window)
    return weigh_users(targeted_steps(trails, featurizer), trails, weights)
