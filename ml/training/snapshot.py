"""The training snapshot: what was known at as_of, cut into slices of time, frozen and fingerprinted."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.events import Kind
from ml.contracts.intervals import parse_time
from ml.errors import InputAbsent, TrailguardError
from ml.files import new_file, write_json
from ml.sequences.item_record import ItemRecord
from ml.sequences.sequences import Sequences
from ml.training.slices import DEFAULT_SHARES, LEARNED, SLICES, Shares, assign_slices, deal_slices
from ml.training.verdicts import know_users, learn_record

VERSION = 2


class SnapshotTooSmall(TrailguardError):
    """Too few matured users are known to train on: every slice needs both good and anomalous ones.

    Load a longer history, or shorten the label delay.
    """


class SnapshotReplaced(TrailguardError):
    """The snapshot in the lake is not the one that the version was trained on: labels or events have changed since.

    Train again as of the same moment, so that model and test slice belong together.
    """


@dataclass(frozen=True)
class Snapshot:
    """Users and their events as they were known at as_of.

    as_of, label_delay, window, extras, shares: how it was made.
    users: user_id, slice, label (int8), kind, first_event_time, observed_at, anomalous_from; sorted by user_id. In that
        of an update also `news`, bool: whether the predecessor did not know them, or took them for the other sort.
    sequences: both ends of each user's trail (see build_sequences), with `target`, int8: 1 once the user is anomalous.
    record: what was known of items, at each moment up to as_of.
    fingerprint: sha256 over the content as it was taken; the same data gives the same fingerprint. It stays what it was
        when users are erased afterwards, so that versions trained on the snapshot keep it.
    erased: how many were.
    predecessor: of an update, the fingerprint of the snapshot that the model before it has learned from.
    """

    as_of: datetime
    label_delay: timedelta
    window: int
    extras: dict[str, Kind]
    shares: Shares
    users: pa.Table
    sequences: Sequences
    record: ItemRecord
    fingerprint: str = ""
    erased: int = 0
    predecessor: str = ""

    def require(self, fingerprint: str) -> None:
        """Raises SnapshotReplaced unless this is the snapshot of that fingerprint."""
        if fingerprint != self.fingerprint:
            raise SnapshotReplaced(as_of=self.as_of.isoformat(), wanted=fingerprint[:12], found=self.fingerprint[:12])

    def slice(self, *names: str) -> Sequences:
        """The sequences of the users in these slices."""
        chosen = pc.is_in(self.users["slice"], value_set=pa.array(names))
        return self.sequences.of_users(self.users["user_id"].filter(chosen).combine_chunks())

    def counts(self) -> dict[str, dict[str, int]]:
        """Slice -> users and how many of them are anomalous."""
        slices, labels = self.users["slice"].to_numpy(), self.users["label"].to_numpy()
        return {
            name: {"users": int((slices == name).sum()), "anomalous": int(labels[slices == name].sum())}
            for name in SLICES
        }

    def news(self) -> dict[str, int]:
        """Of an update: how many of those learned from are news, and how many of them are anomalous."""
        news = self.users.filter(pc.field("news") & (pc.field("slice") == "train"))
        return {"users": news.num_rows, "anomalous": int(np.sum(news["label"].to_numpy()))}

    def save(self, folder: Path) -> None:
        """Writes users.parquet, sequences.parquet, item_record.parquet and, last, snapshot.json."""
        self.record.save(folder)
        for name, table in (("users", self.users), ("sequences", self.sequences.events)):
            with new_file(folder / f"{name}.parquet") as unfinished:
                pq.write_table(table, unfinished, compression="zstd")
        told = {
            "version": VERSION,
            "fingerprint": self.fingerprint,
            **self.settings(),
            "slices": self.counts(),
            "events": self.sequences.events.num_rows,
        }
        write_json(folder / "snapshot.json", told)

    def settings(self) -> dict[str, object]:
        """How it was made, ready for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            "label_delay_days": self.label_delay / timedelta(days=1),
            "window": self.window,
            "extras": self.extras,
            "shares": asdict(self.shares),
            **({"predecessor": self.predecessor} if self.predecessor else {}),
        }

    @classmethod
    def load(cls, folder: Path) -> "Snapshot":
        """Reads what `save` wrote. Raises InputAbsent."""
        if not (folder / "snapshot.json").exists():
            raise InputAbsent(snapshot=folder)
        told = json.loads((folder / "snapshot.json").read_text())
        users = pq.read_table(folder / "users.parquet")
        return cls(
            as_of=parse_time(told["as_of"]),
            label_delay=timedelta(days=told["label_delay_days"]),
            window=told["window"],
            extras={name: Kind(kind) for name, kind in told["extras"].items()},
            shares=Shares(**told["shares"]),
            users=users,
            sequences=Sequences.of(pq.read_table(folder / "sequences.parquet")),
            record=ItemRecord.load(folder),
            fingerprint=told["fingerprint"],
            erased=sum(count["users"] for count in told["slices"].values()) - users.num_rows,
            predecessor=told.get("predecessor", ""),
        )


def make_snapshot(
    events: Path,
    labels: pa.Table,
    *,
    as_of: datetime,
    label_delay: timedelta,
    window: int,
    extras: Mapping[str, Kind],
    out: Path,
    shares: Shares = DEFAULT_SHARES,
    predecessor: Snapshot | None = None,
) -> Snapshot:
    """Freezes what was known at as_of and writes it to `out`.

    Only events before as_of and labels observed before it exist. A user takes part once matured, that is when their
    first event is older than label_delay; a user whom no label calls anomalous by then counts as good. What an
    anomalous user did after their label became known is left out: it is a consequence of the label (a blocked
    account appeals), and would give it away.
    predecessor: what the model has learned from that is to be updated. Its users stay in their slices, the others are
        dealt out by a hash in its shares; those of them who would be learned from are known as soon as a label calls
        them anomalous.
    Raises InputAbsent, SnapshotTooSmall.
    """
    moments, shares = {"as_of": as_of, "label_delay": label_delay}, predecessor.shares if predecessor else shares
    early = partial(_learned_from, shares=shares) if predecessor else None
    users, sequences = know_users(events, labels, **moments, window=window, early=early)
    users = inherit_slices(users, predecessor.users, shares) if predecessor else _slice_by_time(users, shares)
    record, told = learn_record(events, labels, as_of=as_of), predecessor.fingerprint if predecessor else ""
    snapshot = Snapshot(
        **moments,
        window=window,
        extras=dict(extras),
        shares=shares,
        users=users,
        sequences=sequences,
        record=record,
        predecessor=told,
    )
    _check_size(snapshot)
    snapshot = replace(snapshot, fingerprint=_fingerprint(snapshot))
    snapshot.save(out)
    return snapshot


def inherit_slices(users: pa.Table, before: pa.Table, shares: Shares) -> pa.Table:
    """users, with `slice` and `news`; see Snapshot. before: the predecessor's users."""
    index = pc.index_in(users["user_id"], value_set=before["user_id"].combine_chunks())
    dealt = pa.array(deal_slices(users["user_id"].to_pylist(), shares), pa.string())
    slices = pc.coalesce(before["slice"].take(index), dealt)
    known = pc.equal(before["label"].take(index), users["label"])
    news = pc.invert(pc.fill_null(known, False))
    return users.append_column("slice", slices).append_column("news", news)


def _slice_by_time(users: pa.Table, shares: Shares) -> pa.Table:
    first_event_time = users["first_event_time"].cast(pa.int64()).to_numpy()
    slices = assign_slices(first_event_time, users["user_id"].to_numpy(), shares)
    return users.append_column("slice", pa.array(slices, pa.string()))


def _learned_from(user_ids: pa.Array, shares: Shares) -> np.ndarray:
    return np.isin(deal_slices(user_ids.to_pylist(), shares), LEARNED)


def _check_size(snapshot: Snapshot) -> None:
    counts = snapshot.counts()
    for name, count in counts.items():
        if not 0 < count["anomalous"] < count["users"]:
            raise SnapshotTooSmall(slice=name, **count, as_of=snapshot.as_of.isoformat())


def _fingerprint(snapshot: Snapshot) -> str:
    digest = hashlib.sha256(json.dumps(snapshot.settings(), sort_keys=True).encode())
    for table in (snapshot.users, snapshot.sequences.events, snapshot.record.evidence):
        for name in table.column_names:
            digest.update(name.encode())
            for part in _content(table[name].combine_chunks()):
                digest.update(part)
    return digest.hexdigest()


def _content(column: pa.Array) -> list[bytes]:
    """A column's values as bytes that do not depend on how Arrow happens to hold them."""
    known = np.packbits(pc.is_valid(column).to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_string(column.type):
        lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy().tobytes()
        return [known, lengths, "".join(column.drop_null().to_pylist()).encode()]
    values = column.cast(pa.float64() if pa.types.is_floating(column.type) else pa.int64())
    return [known, pc.fill_null(values, 0).to_numpy().tobytes()]
