"""Scores in the lake: one folder for each interval and model version, one file for each shard of users."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
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

    @property
    def model(self) -> ModelVersion:
        return ModelVersion(self.model_name, self.version)


class ScoreLake:
    """The folder `scores/` of the lake. Files appear whole or not at all; writing again replaces."""

    def __init__(self, root: Path):
        self.root = root

    def folder(self, interval: Interval, model: ModelVersion) -> Path:
        return self.root / f"ds={interval.ds}" / f"model={model.name}" / f"version={model.version}"

    def write_plan(self, interval: Interval, plan: Plan) -> None:
        """Records the plan and removes the shards of an older plan that cut the users otherwise."""
        folder = self.folder(interval, plan.model)
        for shard in folder.glob("shard-*.parquet"):
            if shard not in self._shards(interval, plan):
                shard.unlink(missing_ok=True)
        write_json(folder / "plan.json", asdict(plan))

    def read_plan(self, interval: Interval, model: ModelVersion) -> Plan:
        """Raises InputAbsent."""
        path = self.folder(interval, model) / "plan.json"
        if not path.exists():
            raise InputAbsent(plan=path)
        return Plan(**json.loads(path.read_text()))

    def write_shard(
        self, interval: Interval, model: ModelVersion, shard: tuple[int, int], scores: pa.Table, seconds: float
    ) -> Path:
        """shard: (i, n). scores: SCORE_SCHEMA. seconds: what scoring took, kept in the file."""
        kept = scores.cast(SCORE_SCHEMA).replace_schema_metadata({SECONDS: str(seconds)})
        return self._write(self._shard(interval, model, *shard), kept)

    def seconds(self, interval: Interval, model: ModelVersion) -> float:
        """What scoring all planned shards took, added up."""
        shards = self._shards(interval, self.read_plan(interval, model))
        return sum(float(pq.read_schema(shard).metadata[SECONDS]) for shard in shards)

    def read(self, interval: Interval, model: ModelVersion) -> pa.Table:
        """All planned shards' scores in SCORE_SCHEMA, by user_id. Raises InputAbsent, naming a missing shard."""
        shards = self._shards(interval, self.read_plan(interval, model))
        for shard in shards:
            if not shard.exists():
                raise InputAbsent(shard=shard)
        return pa.concat_tables(pq.read_table(shard, schema=SCORE_SCHEMA) for shard in shards).sort_by("user_id")

    def write_flags(self, interval: Interval, model: ModelVersion, flags: pa.Table) -> Path:
        return self._write(self.folder(interval, model) / "flags.parquet", flags)

    def write_suggestions(self, interval: Interval, model: ModelVersion, suggestions: pa.Table) -> Path:
        """As suggestions.csv, for people."""
        path = self.folder(interval, model) / "suggestions.csv"
        with new_file(path) as unfinished:
            arrow_csv.write_csv(suggestions, unfinished)
        return path

    def read_flags(self, interval: Interval, model: ModelVersion, schema: pa.Schema) -> pa.Table:
        """Raises InputAbsent."""
        path = self.folder(interval, model) / "flags.parquet"
        if not path.exists():
            raise InputAbsent(flags=path)
        return pq.read_table(path, schema=schema)

    def write_shadow(self, interval: Interval, threshold_id: str) -> None:
        """Records that a challenger has decided beside the champion, by this threshold of its."""
        write_json(self._shadow(interval), {"threshold_id": threshold_id})

    def read_shadow(self, interval: Interval) -> str | None:
        """The challenger's threshold_id, None where none has decided."""
        path = self._shadow(interval)
        return json.loads(path.read_text())["threshold_id"] if path.exists() else None

    def _shadow(self, interval: Interval) -> Path:
        return self.root / f"ds={interval.ds}" / "shadow.json"

    def _shards(self, interval: Interval, plan: Plan) -> list[Path]:
        return [self._shard(interval, plan.model, shard, plan.of) for shard in range(plan.of)]

    def _shard(self, interval: Interval, model: ModelVersion, shard: int, of: int) -> Path:
        return self.folder(interval, model) / f"shard-{shard}-of-{of}.parquet"

    @staticmethod
    def _write(path: Path, rows: pa.Table) -> Path:
        with new_file(path) as unfinished:
            pq.write_table(rows, unfinished)
        return path
