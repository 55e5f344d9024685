"""Users or events of one part of a fold, with what is known of them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ml.sequences.sequences import Sequences

JUDGED, KIND, TARGET = "judged", "kind", "target"


@dataclass(frozen=True)
class Slice:
    """Users with both ends of their trails, labelled (`target`), and what of them is known.

    users: user_id, first_event_time, label (int8), kind, ..., by user_id, as from `know_users`.
    sequences: of the same users.
    """

    users: pa.Table
    sequences: Sequences

    def keep(self, users: np.ndarray) -> "Slice":
        """Only the users where the bool (users,) mask is True."""
        kept = self.users.filter(pa.array(users))
        return Slice(kept, self.sequences.of_users(kept["user_id"].combine_chunks()))

    @property
    def labels(self) -> np.ndarray:
        """int8 (users,)."""
        return self.users["label"].to_numpy()

    @property
    def began(self) -> np.ndarray:
        """int64 (users,): microseconds since 1970 of each user's first event."""
        return self.users["first_event_time"].cast(pa.int64()).to_numpy()

    def counts(self) -> dict[str, int]:
        return {"judged": len(self.labels), "anomalous": int(self.labels.sum())}


@dataclass(frozen=True)
class EventSlice:
    """Trails whose events have a `target`, a `kind` where it is 1, and `judged`, True where the event is one of the
    slice's; the others are its past."""

    sequences: Sequences

    @property
    def judged(self) -> np.ndarray:
        """bool (events,)."""
        return self.sequences.events[JUDGED].to_numpy()

    def counts(self) -> dict[str, int]:
        targets = self.sequences.events[TARGET].to_numpy()
        return {"judged": int(self.judged.sum()), "anomalous": int(targets[self.judged].sum())}
