"""From a registered bundle and an update's snapshot to a new bundle: its network goes on learning, its trees are grown anew.

The network learns from users who are news and, so that it does not forget, from some whom it knew (replay; Robins 1995).
Trees cannot go on: they are grown on all of them, which takes a minute where a network takes an hour.
"""

import json
import time
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
from ml.training.steps import both_ends, targeted_steps
from ml.training.train import CHECKPOINT, finish, fit_network, read_material
from ml.training.tuning import Tuning

REPLAYED = 4  # users whom the network knew, for each that is news
GENTLY = {"learning_rate": 5e-4, "epochs": 6, "patience": 3, "tuning": Tuning.FULL}


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
    featurizer, *data = read_material(snapshot, start)
    learned, network = choose_learned(snapshot, seed), None
    checkpoint = Checkpoint(
        snapshot_folder / CHECKPOINT,
        {"fingerprint": snapshot.fingerprint, "seed": seed, "predecessor": folder_digest(predecessor)},
    )
    if start:
        config = replace(read_config(facts), **GENTLY)
        news = targeted_steps(both_ends(snapshot.sequences.of_users(learned), snapshot.window), featurizer)
        fitted = fit_network(news, data[1], featurizer, config, seed, backbone=start, checkpoint=checkpoint)
        network = LearnedNetwork(*fitted, config, seed, origin=facts["backbone_sha256"])
    told = finish(snapshot_folder, bundle, snapshot, featurizer, data, network, boosted=candidate in BOOSTED, seed=seed)
    told |= {
        "updated_from": facts["fingerprint"],
        "learned": len(learned),
        "seconds": round(time.perf_counter() - began, 1),
    }
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
