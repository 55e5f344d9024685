"""Stages that score an interval and publish its flags."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import fetched, model_version, models_folder, production
from ml.commands.stage import DagRunId, End, Model, Start, Version, new_app, stage
from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
from ml.errors import ExitCode, TrailguardError
from ml.settings import settings

if TYPE_CHECKING:
    from ml.flags.publish import Publisher
    from ml.registry.model_registry import ModelRegistry
    from ml.scoring.score_lake import ScoreLake

ThresholdId = Annotated[str, typer.Option(help="Of the threshold that decides, and by it of the version that scored.")]
app = new_app()


class SparkAbsent(TrailguardError):
    """This stage runs on Spark, which is not installed here.

    `make spark` installs it into an environment of its own; its spark-submit runs the stage.
    """

    exit_code = ExitCode.USAGE


@stage(app)
def plan_shards(start: Start, end: End) -> dict:
    """Find the champion and its threshold, fetch it, and cut the interval's users into shards."""
    from ml.registry.model_registry import CHAMPION

    registry = production()
    return plan(registry, registry.version_of(CHAMPION), start, end)


def plan(registry: "ModelRegistry", version: str, start: str, end: str) -> dict:
    """What plan-shards tells, of any version. Raises ThresholdAbsent, EvidenceUnknown, InputAbsent."""
    from ml.flags.thresholds import ThresholdStore
    from ml.scoring.evidence import EvidenceRule
    from ml.scoring.score_lake import Plan
    from ml.scoring.shards import count_shards, count_users

    chosen, interval, model = settings(), Interval.parse(start, end), ModelVersion(registry.name, version)
    threshold = ThresholdStore(chosen.database_url).acting(*model, interval.end)
    EvidenceRule.load(registry.fetch(version, models_folder()))  # what cannot score is refused here, once
    users = count_users(chosen.lake / "events", interval)
    plan = Plan(*model, users, count_shards(users, chosen.users_per_shard))
    score_lake().write_plan(interval, plan)
    common = {"start": start, "end": end, **model.facts, "of": plan.of}
    shards = [{"shard": shard, **common} for shard in range(plan.of)]
    return {"users": users, **model.facts, "threshold_id": threshold.threshold_id, "shards": shards}


@stage(app)
def score_shard(
    start: Start,
    end: End,
    version: Version,
    shard: Annotated[int, typer.Option(min=0, help="Which shard.")] = 0,
    of: Annotated[int, typer.Option(min=1, help="Of how many.")] = 1,
    model: Model = "",
) -> dict:
    """Score one shard of the interval's users."""
    from ml.scoring.scorer import Scorer
    from ml.scoring.shards import score_shard as score

    chosen, interval, judge = settings(), Interval.parse(start, end), model_version(model, version)
    began = time.perf_counter()
    scores = score(
        Scorer.load(fetched(judge)),
        chosen.lake / "events",
        interval,
        (shard, of),
        model=judge,
        at_once=chosen.events_at_once,
    )
    seconds = round(time.perf_counter() - began, 3)
    path = score_lake().write_shard(interval, judge, (shard, of), scores, seconds)
    return {**judge.facts, "users": scores.num_rows, "seconds": seconds, "path": path}


@stage(app)
def score_shards(start: Start, end: End, version: Version, model: Model = "") -> dict:
    """Score all planned shards on Spark: `spark-submit infra/spark/submit.py score-shards ...`."""
    try:
        from ml.scoring.spark import score_shards as score
        from ml.sequences.spark import open_session
    except ModuleNotFoundError as absent:
        raise SparkAbsent(module=absent.name) from None

    chosen, interval, lake = settings(), Interval.parse(start, end), score_lake()
    plan = lake.read_plan(interval, model_version(model, version))
    began = time.perf_counter()
    with open_session(f"score-shards {interval.ds}") as spark:
        events, at_once = chosen.lake / "events", chosen.events_at_once
        users = score(spark, fetched(plan.model), events, interval, plan, lake, at_once=at_once)
    return {**plan.model.facts, "users": users, "shards": plan.of, "seconds": round(time.perf_counter() - began, 3)}


@stage(app)
def decide_flags(start: Start, end: End, threshold_id: ThresholdId) -> dict:
    """Choose the users to flag and measure the reasons for each."""
    from ml.explanation.explain import explain_users, read_reference
    from ml.flags.decide import decide_flags as decide
    from ml.flags.decide import flag_rows
    from ml.flags.holdout import hold_out
    from ml.flags.thresholds import ThresholdStore
    from ml.scoring.scorer import Scorer
    from ml.sequences.build import Selection, stream_sequences

    chosen, interval = settings(), Interval.parse(start, end)
    threshold = ThresholdStore(chosen.database_url).find(threshold_id)
    bundle = fetched(threshold.model)
    scores = score_lake().read(interval, threshold.model)
    decided = decide(scores, threshold=threshold.value, alert_budget=chosen.alert_budget)
    flagged = hold_out(decided, share=chosen.holdout_share, key=chosen.holdout_key.get_secret_value())
    scorer, reference = Scorer.load(bundle), read_reference(bundle)
    wanted = Selection(interval.end, scorer.featurizer.window, users=flagged["user_id"].combine_chunks())
    reasons = {}
    for part in stream_sequences(chosen.lake / "events", wanted, at_once=chosen.events_at_once):
        reasons |= explain_users(scorer, part, reference)
    path = score_lake().write_flags(interval, threshold.model, flag_rows(flagged, reasons, threshold))
    return {**threshold.model.facts, "scored": scores.num_rows, "flagged": flagged.num_rows, "path": path}


@stage(app)
def publish_flags(start: Start, end: End, threshold_id: ThresholdId, dag_run_id: DagRunId = "") -> dict:
    """Swap the interval's flags in, and clear what no longer holds."""
    from dataclasses import asdict

    publishes = publisher()
    threshold = publishes.thresholds.find(threshold_id)
    published = publishes.publish(Interval.parse(start, end), threshold, dag_run_id or None)
    return {**threshold.model.facts, **asdict(published)}


def publisher() -> "Publisher":
    from datetime import timedelta

    from ml.flags.publish import Publisher
    from ml.flags.store import FlagStore
    from ml.flags.thresholds import ThresholdStore

    url, expiry = settings().database_url, timedelta(days=settings().flag_expiry_days)
    return Publisher(score_lake(), FlagStore(url, expiry), ThresholdStore(url))


def score_lake() -> "ScoreLake":
    from ml.scoring.score_lake import ScoreLake

    return ScoreLake(settings().lake / "scores")
