"""Stages that are killed at their worst moments, by name and place; Airflow's retry runs the stage again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from tests.fault.fault import Fault
from tests.fault.shop import Shop
from tests.fault.steps import Step, ingest, score_users, unchecked

COPY = "ml.postgres:_Pieces.read"
WRITE = "pyarrow.parquet:write_table"
Chain = Callable[[Shop, date], list[Step]]


def scoring(shop: Shop, day: date) -> list[Step]:
    return unchecked(score_users(day, shop.threshold_id))


def events(shop: Shop, day: date) -> list[Step]:
    return unchecked(ingest("events", day))


def labels(shop: Shop, day: date) -> list[Step]:
    return unchecked(ingest("labels", day))


def advance(shop: Shop, chain: Chain, stage: str, day: date) -> list[Step]:
    """Runs the stages before it; those that are left, the named one first."""
    steps = chain(shop, day)
    first = [each.stage for each in steps].index(stage)
    if chain is not scoring:  # scores of all days lie there already
        shop.run(*steps[:first])
    return steps[first:]


@dataclass(frozen=True)
class Kill:
    """A stage's end. chain: the stages it stands among; those before it have run. at: calls, see inside/strike.py.
    act: `kill`, or `tear` for one in the middle of a write."""

    chain: Chain
    stage: str
    at: tuple[tuple[str, int], ...]
    after: bool = False
    act: str = "kill"

    def __call__(self, shop: Shop, round_: int) -> None:
        steps = advance(shop, self.chain, self.stage, shop.day(round_))
        shop.arm(steps[0], self.act, *self.at, after=self.after)
        assert shop.stage(steps[0]).status == -9, "the stage was to be killed"
        shop.struck()
        shop.run(*steps)


FAULTS = (
    Fault(
        "publisher killed mid-COPY",
        "SIGKILL after the first rows went to PostgreSQL",
        Kill(scoring, "publish-flags", ((COPY, 2),)),
        quick=True,
    ),
    Fault(
        "publisher killed before its turn",
        "SIGKILL with the new flags copied and indexed, and no lock yet",
        Kill(scoring, "publish-flags", (("ml.flags.staging:Staging.fill", 1),), after=True),
    ),
    Fault(
        "publisher killed while it clears later days",
        "SIGKILL with later intervals' rows changed and nothing committed",
        Kill(scoring, "publish-flags", (("ml.flags.store:clear_later", 1),), after=True),
    ),
    Fault(
        "publisher killed between attach and commit",
        "SIGKILL after both partitions are swapped, before the transaction ends",
        Kill(scoring, "publish-flags", (("ml.flags.store:_swap", 1),), after=True),
        quick=True,
    ),
    Fault(
        "plan killed before the shards are known",
        "SIGKILL after plan.json is written, before its answer",
        Kill(scoring, "plan-shards", (("ml.scoring.score_lake:ScoreLake.write_plan", 1),), after=True),
    ),
    Fault(
        "scorer killed mid-write of its shard",
        "half of the shard's file, then SIGKILL",
        Kill(scoring, "score-shard", ((WRITE, 1),), after=True, act="tear"),
    ),
    Fault(
        "decision killed mid-write of its flags",
        "half of flags.parquet, then SIGKILL",
        Kill(scoring, "decide-flags", ((WRITE, 1),), after=True, act="tear"),
    ),
    Fault(
        "reader of events killed before its manifest",
        "SIGKILL with the day's rows staged and not accounted for",
        Kill(events, "read-events", (("ml.ingest.stage:StagedDays.write", 1),), after=True),
    ),
    Fault(
        "publisher of events killed mid-write of a partition",
        "half of the day's partition, then SIGKILL",
        Kill(events, "publish-events", ((WRITE, 1),), after=True, act="tear"),
        quick=True,
    ),
    Fault(
        "publisher of events killed between two partitions",
        "SIGKILL with the day's sums by item in place and its events not",
        Kill(events, "publish-events", (("ml.ingest.partitions:_place", 1),), after=True),
    ),
    Fault(
        "publisher of events killed between lake and database",
        "SIGKILL with the day in the lake and not in ingested_partition",
        Kill(events, "publish-events", (("ml.ingest.lake:EventLake.publish", 1),), after=True),
    ),
    Fault(
        "publisher of labels killed mid-COPY",
        "SIGKILL after the first labels went to PostgreSQL",
        Kill(labels, "publish-labels", ((COPY, 2),)),
    ),
    Fault(
        "publisher of labels killed before its accounts",
        "SIGKILL with the labels committed and their accounting not",
        Kill(labels, "publish-labels", (("ml.ingest.label_store:LabelStore.append", 1),), after=True),
        quick=True,
    ),
)
