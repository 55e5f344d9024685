"""What is thought of a snapshot's labels: how many are wrong, and which; a folder that fit-model can take."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.errors import InputAbsent
from ml.files import new_file, write_json
from ml.sequences.item_record import ItemRecord
from ml.training.asked import last_table
from ml.training.doubt import contradicted, doubt_labels
from ml.training.relabel import relabel
from ml.training.snapshot import Snapshot
from ml.training.trails import fit_featurizer
from ml.training.verdicts import learn_record

BELIEFS, FACTS = "beliefs.parquet", "doubt.json"


@dataclass(frozen=True)
class Doubt:
    """fingerprint: the snapshot's. wrong: the share of labels that are.

    beliefs: user_id, label (int8), opinion (how probably others like them are called anomalous) and belief (how
    probably they are), of the users in the train and the validation slice.
    record: what was known of items, if users are what is believed of them.
    """

    fingerprint: str
    wrong: float
    beliefs: pa.Table
    record: ItemRecord

    @classmethod
    def of(cls, snapshot: Snapshot, events: Path, labels: pa.Table, *, seed: int) -> "Doubt":
        """Opinions are of LightGBM on all that users did, each fitted without the user's label.

        events, labels: what the snapshot was made of. Raises InputAbsent.
        """
        seen = snapshot.slice("train", "validation")
        featurizer = fit_featurizer(snapshot)
        parts = (snapshot.slice("train"), snapshot.slice("validation"), seen)
        tables = [last_table(part.newest(snapshot.window), featurizer) for part in parts]
        called, doubts = tables[-1].targets, doubt_labels(*tables, seed=seed)
        told = relabel(labels, seen, called, doubts.beliefs)
        return cls(
            fingerprint=snapshot.fingerprint,
            wrong=doubts.wrong,
            beliefs=pa.table(
                {"user_id": seen.user_ids, "label": called, "opinion": doubts.opinions, "belief": doubts.beliefs}
            ),
            record=learn_record(events, told, as_of=snapshot.as_of),
        )

    @property
    def contradicted(self) -> int:
        """Users who are believed to be other than they are called."""
        return int(contradicted(self.beliefs["label"].to_numpy(), self.beliefs["belief"].to_numpy()).sum())

    def apply(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with items as they are remembered now. Raises SnapshotReplaced."""
        snapshot.require(self.fingerprint)
        return replace(snapshot, record=self.record)

    def save(self, folder: Path) -> None:
        """Writes beliefs.parquet, item_record.parquet and, last, doubt.json."""
        with new_file(folder / BELIEFS) as unfinished:
            pq.write_table(self.beliefs, unfinished, compression="zstd")
        self.record.save(folder)
        write_json(
            folder / FACTS, {"fingerprint": self.fingerprint, "wrong": self.wrong, "contradicted": self.contradicted}
        )

    @classmethod
    def load(cls, folder: Path) -> "Doubt":
        """Reads what `save` wrote. Raises InputAbsent."""
        if not (folder / FACTS).exists():
            raise InputAbsent(doubt=folder)
        told = json.loads((folder / FACTS).read_text())
        beliefs = pq.read_table(folder / BELIEFS)
        return cls(told["fingerprint"], told["wrong"], beliefs, ItemRecord.load(folder))
