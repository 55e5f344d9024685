"""An interval's decisions, from the lake to the flag store."""

from dataclasses import dataclass

import pyarrow as pa

from ml.contracts.flags import FLAG_SCHEMA, ScoringRun, Threshold
from ml.contracts.intervals import Interval
from ml.errors import InputAbsent
from ml.flags.decide import sign_flags
from ml.flags.scored import describe_run, scored_below
from ml.flags.shadow import shadow_rows
from ml.flags.store import FlagStore, Publication
from ml.flags.thresholds import ThresholdAbsent, ThresholdStore
from ml.scoring.score_lake import ScoreLake


@dataclass(frozen=True)
class Publisher:
    """Publishes what the champion decided, and beside it what a challenger decided in its shadow."""

    lake: ScoreLake
    store: FlagStore
    thresholds: ThresholdStore

    def publish(
        self, interval: Interval, threshold: Threshold, dag_run_id: str | None, *, again: bool = False
    ) -> Publication:
        """threshold: the champion's. again: see FlagStore.publish.

        Champion and challenger may come in either order, also at once: who publishes last publishes both.
        Raises InputAbsent and what FlagStore.publish raises.
        """
        run = describe_run(self.lake, interval, threshold, dag_run_id)
        own = self.lake.read_flags(interval, threshold.model, FLAG_SCHEMA)
        while True:
            shadow = self.lake.read_shadow(interval)
            flags = sign_flags(pa.concat_tables([own, self._shadow(run, shadow)]), dag_run_id)
            published = self.store.publish(run, flags, scored_below(self.lake), again=again)
            if self.lake.read_shadow(interval) == shadow:
                return published

    def _shadow(self, run: ScoringRun, threshold_id: str | None) -> pa.Table:
        """A challenger's files that are gone keep no flag of the champion's back."""
        try:
            challenger = self.thresholds.find(threshold_id or "").model
            flags = self.lake.read_flags(run.interval, challenger, FLAG_SCHEMA)
        except (ThresholdAbsent, InputAbsent):
            return FLAG_SCHEMA.empty_table()
        return shadow_rows(flags, scored_below(self.lake)(run, flags["user_id"].combine_chunks()))
