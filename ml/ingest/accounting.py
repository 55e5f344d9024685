"""Where every row that was read went."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from ml.contracts.quarantine import ERASED
from ml.errors import ExitCode, TrailguardError


class RowsUnaccounted(TrailguardError):
    """Rows were read that are neither accepted, duplicate nor quarantined, so nothing is published.

    This is a fault of Trailguard: please report it with the lines above.
    """

    exit_code = ExitCode.BUG


@dataclass(frozen=True)
class Accounting:
    """One partition's rows: of a day (ds=2014-03-01), or without a date of their own (ds=undated, by file).

    rows_in == accepted + duplicate + quarantined, always. reasons: quarantined rows by reason.
    """

    ds: str
    rows_in: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    file: str | None = None

    @property
    def unaccounted(self) -> int:
        return self.rows_in - self.accepted - self.duplicate - self.quarantined

    @property
    def at_fault(self) -> int:
        """Quarantined rows that break the contract."""
        return self.quarantined - self.reasons.get(ERASED, 0)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Accounting":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Staged:
    """What a reading of an interval found.

    days: every day of the interval, oldest first. undated: one for each file that holds undated rows.
    files: every file that was read. rows_read: all their rows. outside: rows dated before or after the interval.
    rows_read == outside + the rows_in of days and undated.
    """

    start: str
    end: str
    rows_read: int
    outside: int
    files: tuple[str, ...]
    days: tuple[Accounting, ...]
    undated: tuple[Accounting, ...]

    @property
    def total(self) -> Accounting:
        """Days and undated rows together."""
        return add_up("total", (*self.days, *self.undated))

    @property
    def quarantined_share(self) -> float:
        """The larger of two: of the dated rows, those refused; of all rows read, the undated ones.

        A daily run reads whole files, so a file's undated rows may not be held against one of its days. Rows of erased
        users are no fault of a file's.
        """
        dated = add_up("dated", self.days)
        return max(
            dated.at_fault / max(1, dated.rows_in),
            sum(part.at_fault for part in self.undated) / max(1, self.rows_read),
        )

    def require_complete(self) -> "Staged":
        """Returns itself. Raises RowsUnaccounted."""
        total = self.total
        wrong = [part.ds for part in (*self.days, *self.undated) if part.unaccounted]
        if wrong or self.rows_read != self.outside + total.rows_in:
            facts = {"rows_read": self.rows_read, "outside": self.outside, "rows_in": total.rows_in}
            raise RowsUnaccounted(**facts, partitions=wrong)
        return self

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Staged":
        found = json.loads(text)
        parts = {name: tuple(Accounting(**part) for part in found[name]) for name in ("days", "undated")}
        return cls(**{**found, **parts, "files": tuple(found["files"])})


def add_up(ds: str, parts: Iterable[Accounting]) -> Accounting:
    """The sum of several partitions."""
    parts = list(parts)
    names = ("rows_in", "accepted", "duplicate", "quarantined")
    counts = {name: sum(getattr(part, name) for part in parts) for name in names}
    reasons = sum((Counter(part.reasons) for part in parts), Counter())
    return Accounting(ds, reasons=dict(sorted(reasons.items())), **counts)
