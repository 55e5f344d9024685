"""What the scheduler sees: exact DAGs, exact graphs, schedules with an interval, runbooks, light parsing."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ml.models.config import Size
from ml.monitoring.ladder import Action
from ml.training.candidates import Candidate, Choice
from ml.training.tuning import Tuning

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = {  # side by side where there are several in brackets
    "ingest_events": ["read_events", "validate_events", "publish_events"],
    "ingest_labels": ["read_labels", "validate_labels", "publish_labels"],
    "train_model": [
        "take_snapshot",
        "validate_sequences",
        "compare_models",
        "doubt_labels",
        "pretrain_encoder",
        "tune_model",
        "fit_model",
        "calibrate_scores",
        "evaluate_model",
        "register_candidate",
        "choose_threshold",
    ],
    "update_model": [
        "take_update",
        "validate_sequences",
        "fit_update",
        "calibrate_scores",
        "evaluate_model",
        "register_candidate",
        "choose_threshold",
    ],
    "choose_threshold": ["choose_threshold"],
    "promote_model": ["check_gate", "wait_for_shadow", "report_agreement", "approve", "move_alias"],
    "rollback_model": ["rollback_model"],
    "monitor_model": [
        "wait_for_flags",
        ("measure_drift", "watch_promise"),
        "decide_action",
        ("choose_answer", "send_alerts"),
        ("recalibrate", "fine_tune", "retrain"),
    ],
    "score_users": [
        "wait_for_events",
        "plan_shards",
        "score_shard",
        "validate_scores",
        "decide_flags",
        "publish_flags",
    ],
    "shadow_challenger": [
        "wait_for_events",
        "plan_shards",
        "score_shard",
        "validate_scores",
        "decide_flags",
        "wait_for_flags",
        "publish_shadow",
    ],
    "erase_user": ["erase_user"],
}
OUTLETS = {
    "publish_events": "events",
    "publish_labels": "labels",
    "choose_threshold": "candidate",
    "move_alias": "champion",
    "rollback_model": "champion",
    "publish_flags": "flags",
    "send_alerts": "alerts",
}
HEAVY = ("tensorflow", "keras", "mlflow", "great_expectations", "pandas", "polars", "duckdb")


def test_exactly_these_dags_exist_and_each_file_is_named_after_its_dag(dags):
    assert set(dags) == set(GRAPHS)
    assert {Path(dag.fileloc).stem for dag in dags.values()} == set(GRAPHS)


@pytest.mark.parametrize("dag_id", GRAPHS)
def test_tasks_run_in_the_order_of_the_journey(dags, dag_id):
    stages = [set(stage) if isinstance(stage, tuple) else {stage} for stage in GRAPHS[dag_id]]
    assert {task.task_id for task in dags[dag_id].tasks} == set().union(*stages)
    for before, after in pairwise(stages):
        for task in after:
            assert before & {each.task_id for each in dags[dag_id].get_task(task).get_flat_relatives(upstream=True)}


def test_each_handoff_is_an_asset_that_one_task_emits(dags):
    emitted = {t.task_id: [a.name for a in t.outlets] for d in dags.values() for t in d.tasks if t.outlets}
    assert emitted == {task: [asset] for task, asset in OUTLETS.items()}


def test_a_daily_run_covers_a_whole_day_and_a_weekly_run_a_week(dags):
    daily = ["ingest_events", "ingest_labels", "score_users", "shadow_challenger", "monitor_model", "update_model"]
    for dag_id, cron in {**dict.fromkeys(daily, "0 0 * * *"), "train_model": "0 0 * * 1"}.items():
        timetable = dags[dag_id].timetable
        assert type(timetable).__name__ == "CronDataIntervalTimetable", dag_id
        assert timetable.expression == cron, dag_id


def test_training_waits_for_the_gpu_pool_and_nothing_else_does(dags):
    pools = {task.task_id: task.pool for dag in dags.values() for task in dag.tasks}
    assert {task for task, pool in pools.items() if pool == "gpu"} == {
        "compare_models",
        "pretrain_encoder",
        "tune_model",
        "fit_model",
        "fit_update",
    }


def test_nobody_answering_means_reject(dags):
    approve = dags["promote_model"].get_task("approve")
    assert approve.defaults == ["Reject"]
    assert approve.response_timeout.days == 7


def test_every_dag_has_a_runbook_tags_and_retries(dags):
    for dag in dags.values():
        assert "**When it fails**" in dag.doc_md, dag.dag_id
        assert dag.tags, dag.dag_id
        assert all(task.retries == 2 for task in dag.tasks), dag.dag_id


@pytest.mark.parametrize("dag_id", GRAPHS)
def test_parsing_a_dag_file_is_quick_and_imports_nothing_heavy(dag_id):
    code = (
        "import sys, time, airflow.sdk\n"
        "from airflow.providers.standard.operators import hitl, trigger_dagrun\n"
        "start = time.process_time()\n"
        f"import dags.{dag_id}\n"
        "seconds = time.process_time() - start\n"
        f"print(seconds, [name for name in {HEAVY!r} if name in sys.modules])"
    )
    parsed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds, heavy = parsed.stdout.split(" ", 1)
    assert heavy.strip() == "[]"
    assert float(seconds) < 1.0


def test_the_library_never_imports_airflow():
    sources = list((ROOT / "ml").rglob("*.py"))
    assert len(sources) > 20
    assert [
        str(path) for path in sources if "import airflow" in (text := path.read_text()) or "from airflow" in text
    ] == []


def test_every_candidate_and_the_winner_can_be_trained_by_the_dag_in_every_size(dags):
    params = dags["train_model"].params
    assert params.get_param("architecture").schema["enum"] == list(Choice)
    assert set(Choice) == {*Candidate, "winner"}
    assert params.get_param("size").schema["enum"] == list(Size)


def test_models_are_compared_when_asked_for_and_what_follows_goes_on_without_it(dags):
    assert dags["train_model"].params["compare"] is False
    assert dags["train_model"].get_task("pretrain_encoder").trigger_rule == "none_failed"


def test_pre_training_is_asked_for_and_training_goes_on_without_it(dags):
    params, fit = dags["train_model"].params, dags["train_model"].get_task("fit_model")
    assert params["pretrain"] is False
    assert params.get_param("tuning").schema["enum"] == list(Tuning)
    assert fit.trigger_rule == "none_failed"


def test_labels_are_doubted_when_asked_for_and_training_goes_on_without_it(dags):
    assert dags["train_model"].params["doubt"] is False
    assert dags["train_model"].get_task("doubt_labels").trigger_rule == "none_failed"


def test_each_answer_of_the_monitor_starts_the_dag_that_gives_it(dags):
    answers = {action: dags["monitor_model"].get_task(action) for action in Action if action != Action.NOTHING}
    assert {action: task.trigger_dag_id for action, task in answers.items()} == {
        "recalibrate": "choose_threshold",
        "fine_tune": "update_model",
        "retrain": "train_model",
    }
    for task in answers.values():
        assert set(task.conf) == {"as_of", "reason"}
        assert task.skip_when_already_exists
        assert task.logical_date is None, "a DAG whose source has ended would have no task to run on a later date"


def test_a_search_is_asked_for_by_its_minutes_and_training_goes_on_without_it(dags):
    params, search = dags["train_model"].params, dags["train_model"].get_task("tune_model")
    assert params["tune_minutes"] == 0
    assert params["tuned"] is None
    assert search.trigger_rule == "none_failed"
