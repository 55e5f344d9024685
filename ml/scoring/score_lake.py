"""Scores in the lake: one folder for each interval and model version, one file for each shard of users."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from ml.contracts.intervals import Interval
from ml.contracts.scores import SCORE_SCHEMA
from ml.errors import InputAbsent
from ml.files import new_file, write_json

SECONDS = b"seconds"


@dataclass(frozen=True)
class Plan:
    """How an interval's users are cut into shards: every shard's number from 0 to `of` - 1."""

    model_name: str
    version: str
    users: int
    of: int


class ScoreLake:
    """The folder `scores/` of the lake. Files appear whole or not at all; writing again replaces."""

    def __init__(self, root: Path):
        self.root = root

    def folder(self, interval: Interval, version: str) -> Path:
        return self.root / f"ds={interval.ds}" / f"version={version}"

    def write_plan(self, interval: Interval, plan: Plan) -> None:
        """Records the plan and removes the shards of an older plan that cut the users otherwise."""
        folder = self.folder(interval, plan.version)
        for shard in folder.glob("shard-*.parquet"):
            if shard not in self._shards(interval, plan):
                shard.unlink(missing_ok=True)
        write_json(folder / "plan.json", asdict(plan))

    def read_plan(self, interval: Interval, version: str) -> Plan:
        """Raises InputAbsent."""
        path = self.folder(interval, version) / "plan.json"
        if not path.exists():
            raise InputAbsent(plan=path)
        return Plan(**json.loads(path.read_text()))

    def write_shard(
        self, interval: Interval, version: str, shard: tuple[int, int], scores: pa.Table, seconds: float
    ) -> Path:
        """shard: (i, n). scores: SCORE_SCHEMA. seconds: what scoring took, kept in the file."""
        kept = scores.cast(SCORE_SCHEMA).replace_schema_metadata({SECONDS: str(seconds)})
        return self._write(self._shard(interval, version, *shard), kept)

    def seconds(self, interval: Interval, version: str) -> float:
        """What scoring all planned shards took, added up."""
        shards = self._shards(interval, self.read_plan(interval, version))
        return sum(float(pq.read_schema(shard).metadata[SECONDS]) for shard in shards)

    def read(self, interval: Interval, version: str) -> pa.Table:
        """All planned shards' scores in SCORE_SCHEMA, by user_id. Raises InputAbsent, naming a missing shard."""
        shards = self._shards(interval, self.read_plan(interval, version))
        for shard in shards:
            if not shard.exists():
                raise InputAbsent(shard=shard)
        return pa.concat_tables(pq.read_table(shard, schema=SCORE_SCHEMA) for shard in shards).sort_by("user_id")

    def write_flags(self, interval: Interval, version: str, flags: pa.Table) -> Path:
        return self._write(self.folder(interval, version) / "flags.parquet", flags)

    def write_suggestions(self, interval: Interval, version: str, suggestions: pa.Table) -> Path:
        """As suggestions.csv, for people."""
        path = self.folder(interval, version) / "suggestions.csv"
        with new_file(path) as unfinished:
            arrow_csv.write_csv(suggestions, unfinished)
        return path

    def read_flags(self, interval: Interval, version: str, schema: pa.Schema) -> pa.Table:
        """Raises InputAbsent."""
        path = self.folder(interval, version) / "flags.parquet"
        if not path.exists():
            raise InputAbsent(flags=path)
        return pq.read_table(path, schema=schema)

    def _shards(self, interval: Interval, plan: Plan) -> list[Path]:
        return [self._shard(interval, plan.version, shard, plan.of) for shard in range(plan.of)]

    def _shard(self, interval: Interval, version: str, shard: int, of: int) -> Path:
        return self.folder(interval, version) / f"shard-{shard}-of-{of}.parquet"

    @staticmethod
    def _write(path: Path, rows: pa.Table) -> Path:
        with new_file(path) as unfinished:
            pq.write_table(rows, unfinished)
        return path
