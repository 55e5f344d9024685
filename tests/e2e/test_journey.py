"""After the journey: flags stand, figures are kept, and whatever is done again leaves the same."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import mlflow
import psycopg2
import pyarrow as pa
import pytest

from infra.local.demo import evaluate
from infra.local.demo_report import read_flags
from infra.local.journey import run_stage
from ml.contracts.labels import LABEL_SCHEMA
from ml.flags.read import table_digest
from ml.ingest.label_store import LabelStore
from ml.settings import Settings

SHADOW_DAYS = Settings.model_fields["shadow_days"].default


def rows(url: str, query: str) -> list[tuple]:
    with psycopg2.connect(url.replace("+psycopg2", "")) as session, session.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def client(travelled):
    return mlflow.MlflowClient(f"http://{travelled.stack.site.mlflow}")


def test_the_recommender_reads_flags_with_reasons_and_nothing_else(travelled):
    flags = read_flags(travelled.stack)
    assert flags.rows > 0
    assert flags.best.num_rows > 0
    for flag in flags.best.to_pylist():
        assert flag["score"] >= flag["threshold"]
        assert json.loads(flag["reason_codes"])[0]["contribution"] > 0
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(travelled.url("trailguard_recommender"), "SELECT * FROM user_flag")


def test_every_scored_day_is_published_once_by_the_champion(travelled):
    found = rows(travelled.url("trailguard_analyst"), "SELECT interval_start::date, model_version FROM flag_counts")
    assert sorted(found) == [(day, "1") for day in travelled.days]


def test_what_was_read_is_accepted_duplicate_or_quarantined(travelled):
    counts = "sum(rows_in), sum(accepted), sum(duplicate), sum(quarantined)"
    query = f"SELECT kind, {counts} FROM partition_history GROUP BY kind"
    found = {kind: counts for kind, *counts in rows(travelled.url("trailguard_analyst"), query)}
    assert set(found) == {"events", "labels"}
    for rows_in, *parts in found.values():
        assert rows_in == sum(parts) > 0
    assert found["events"][2] > 0, "the simulated shop repeats some rows"


def test_the_training_is_in_mlflow_with_figures_pictures_and_validations(travelled, client):
    version = client.get_model_version_by_alias("trailguard", "champion")
    run = client.get_run(version.run_id)
    assert {"epochs", "seed", "fingerprint"} <= set(run.data.params)
    assert run.data.metrics["gru/all/roc_auc"] > 0.5
    assert "lightgbm/all/roc_auc" in run.data.metrics
    assert len(client.get_metric_history(version.run_id, "validation_loss")) > 1
    assert run.inputs.dataset_inputs[0].dataset.name == "snapshot"
    report = {item.path for item in client.list_artifacts(version.run_id, "report")}
    assert {"report/roc.png", "report/reliability.png", "report/precision_recall.png"} <= report
    suites = {item.path for item in client.list_artifacts(version.run_id, "validations")}
    assert {f"validations/{suite}" for suite in ("events", "labels", "sequences")} <= suites


def test_the_ledger_names_who_promoted_which_version_and_on_what_grounds(travelled):
    query = "SELECT alias, from_version, to_version, decided_by, gate_results FROM promotion_history"
    (promotion,) = rows(travelled.url("trailguard_analyst"), query)
    assert promotion[:4] == ("champion", None, "1", "admin")
    assert all(result["passed"] for result in promotion[4])


def test_reviews_are_suggested_of_users_without_a_label(travelled):
    last, after = travelled.days[-1], travelled.days[-1] + timedelta(days=1)
    told = run_stage(travelled.journey, "suggest-reviews", "--start", str(last), "--end", str(after), "--count", "5")
    assert told["suggested"] == sum(told["why"].values()) == 5
    open_ones = "SELECT user_id, rank FROM suggested_review ORDER BY rank"
    suggested = rows(travelled.url("trailguard_analyst"), open_ones)
    assert [rank for _, rank in suggested] == [1, 2, 3, 4, 5]
    listed = Path(told["path"]).read_text().splitlines()
    assert len(listed) == 1 + 5
    assert suggested[0][0] in listed[1]


def test_backfilling_the_same_days_again_backwards_leaves_the_flags_as_they_were(travelled):
    before = table_digest(travelled.url("trailguard_owner"))
    published = "SELECT interval_start, published_at FROM run_history"
    first = dict(rows(travelled.url("trailguard_analyst"), published))
    travelled.airflow.backfill(
        "score_users", travelled.days[0], travelled.days[-1], reprocess="completed", backwards=True
    )
    again = dict(rows(travelled.url("trailguard_analyst"), published))
    assert all(again[interval] > first[interval] for interval in first), "each interval was really published again"
    assert table_digest(travelled.url("trailguard_owner")) == before


def test_the_champion_scores_in_a_fresh_process_from_the_registry_alone(travelled, tmp_path):
    """No repository on its path, another working folder: only the address of MLflow."""
    code = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
folder = mlflow.artifacts.download_artifacts("models:/trailguard@champion")
model, example = mlflow.pyfunc.load_model(folder), mlflow.models.Model.load(folder).load_input_example(folder)
answer = model.predict(example)
import ml
print(json.dumps({"users": len(answer), "in_range": bool(answer["score"].between(0, 1).all()), "ml": ml.__file__}))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    address = f"http://{travelled.stack.site.mlflow}"
    command = [sys.executable, "-c", code, address]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["users"] > 0
    assert answer["in_range"]
    assert "site-packages" not in answer["ml"]
    assert not Path(answer["ml"]).is_relative_to(Path.cwd())


def test_both_models_are_judged_on_users_first_seen_after_the_training(travelled):
    told = evaluate(travelled.journey)
    assert told["users"] > 50
    for model in ("gru", "lightgbm"):
        assert set(told["metrics"][model]) == {"3", "5", "10", "all"}
        assert told["metrics"][model]["all"]["roc_auc"] > 0.5


def test_no_generated_secret_is_in_any_log(travelled):
    secrets = set(travelled.stack.secrets.values())
    logs = [path for path in travelled.stack.home.rglob("*.log") if path.is_file()]
    assert len(secrets) > 5
    assert len(logs) > 10
    for log in logs:
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_without_a_champion_alias_yesterdays_flags_stand(travelled, client):
    before = table_digest(travelled.url("trailguard_owner"))
    client.delete_registered_model_alias("trailguard", "champion")
    try:
        with pytest.raises(Exception, match="score_users"):
            travelled.airflow.backfill("score_users", travelled.days[0], travelled.days[0], reprocess="completed")
    finally:
        client.set_registered_model_alias("trailguard", "champion", "1")
    assert table_digest(travelled.url("trailguard_owner")) == before


def test_a_challenger_is_scored_in_the_shadow_and_reported_before_anybody_is_asked(travelled, client):
    """It is the champion's twin with a threshold that promises less, so it flags more."""
    first, candidates = client.get_model_version_by_alias("trailguard", "champion"), "trailguard-candidates"
    candidate = str(client.copy_model_version(first.source, candidates).version)
    milder = ["--model", candidates, "--version", candidate, "--precision-floor", "0.25", "--confidence", "0.6"]
    run_stage(travelled.journey, "choose-threshold", "--as-of", str(travelled.days[0]), *milder)
    run_stage(travelled.journey, "check-gate", "--version", candidate)
    seen, recommended = "SELECT user_id FROM current_flag ORDER BY user_id", travelled.url("trailguard_recommender")
    before = rows(recommended, seen)
    travelled.airflow.backfill("shadow_challenger", travelled.days[0], travelled.days[SHADOW_DAYS])
    shadow = "SELECT DISTINCT interval_start::date, model_name FROM flag_history WHERE state = 'shadow' ORDER BY 1"
    found = rows(travelled.url("trailguard_analyst"), shadow)
    assert found == [(day, candidates) for day in travelled.days[:SHADOW_DAYS]], "and not on the day after"
    assert rows(recommended, seen) == before

    run = travelled.airflow.trigger("promote_model", version=candidate)
    travelled.airflow.answer("promote_model", run, "approve", "Approve")
    travelled.airflow.wait_for_run("promote_model", run)
    reported = {item.path for item in client.list_artifacts(first.run_id, "shadow")}
    assert reported == {f"shadow/agreement.{kind}" for kind in ("json", "md", "png")}
    promoted = client.get_model_version_by_alias("trailguard", "champion")
    assert (promoted.version, promoted.source) == ("2", f"models:/{candidates}/{candidate}")


def test_a_promotion_is_taken_back_by_one_action(travelled, client):
    run = travelled.airflow.trigger("rollback_model", reason="it flags real shoppers")
    travelled.airflow.wait_for_run("rollback_model", run)
    assert client.get_model_version_by_alias("trailguard", "champion").version == "1"
    query = "SELECT from_version, to_version, decided_by, reason FROM promotion_history ORDER BY promotion_id"
    moves = rows(travelled.url("trailguard_analyst"), query)
    assert moves[-1] == ("2", "1", "admin", "it flags real shoppers")
    assert len(moves) == 3


def test_another_policy_gives_the_champion_another_threshold_without_training(travelled):
    """It is valid from the day on as of which it was chosen: the days since then, scored again, are scored with it."""
    url = travelled.url("trailguard_analyst")
    history = (
        "SELECT threshold_id, value FROM threshold_history WHERE (model_name, model_version) = ('trailguard', '1')"
    )
    flagged = "SELECT sum(users_active), min(threshold_id), max(threshold_id) FROM run_history WHERE stands"
    ((first, value),), ((few, _, _),) = rows(url, history), rows(url, flagged)
    as_of = str(travelled.journey.descriptor.demo.as_of)
    run = travelled.airflow.trigger("choose_threshold", as_of=as_of, precision_floor=0.25, confidence=0.6)
    travelled.airflow.wait_for_run("choose_threshold", run)
    ((second, lower),) = rows(url, f"{history} AND threshold_id <> '{first}'")
    assert lower < value
    travelled.airflow.backfill("score_users", travelled.days[0], travelled.days[-1], reprocess="completed")
    ((more, *thresholds),) = rows(url, flagged)
    assert more > few
    assert thresholds == [second, second]


def test_a_new_kind_of_label_makes_the_monitor_update_the_champion_once_and_say_why(travelled, client):
    last = travelled.days[-1]
    told = datetime.combine(last, time(12), UTC)
    ring = [{"user_id": f"ring-{n}", "kind": "review_ring", "observed_at": told} for n in range(9)]
    facts = {"event_id": None, "label": 1, "source": "moderators", "confidence": 1.0}
    LabelStore(travelled.url("trailguard_writer")).append(pa.Table.from_pylist([r | facts for r in ring], LABEL_SCHEMA))
    for reprocess in ("none", "completed"):
        travelled.airflow.backfill("monitor_model", last, last, reprocess=reprocess)
    url = travelled.url("trailguard_analyst")
    alerts = "SELECT subject FROM alert_history WHERE kind = 'new_kind'"
    assert rows(url, alerts) == [("review_ring",)]
    ((action, reason),) = rows(url, "SELECT action, reason FROM decision_history")
    assert action == "fine_tune"
    assert "9 users of kind review_ring, which training did not know" in reason
    run = travelled.airflow.wait_for_run("update_model", f"monitor__{last}")
    assert run["conf"] == {"as_of": str(last + timedelta(days=1)), "reason": reason}
    registered = travelled.airflow.returned("update_model", f"monitor__{last}", "register_candidate")
    assert registered, "the source has ended by the wall clock; it runs all the same"
    updated = client.get_model_version(registered["model"], registered["version"])
    assert updated.tags["learning"] == "update"
    assert updated.description.startswith(f"gru, updated as of {last + timedelta(days=1)}")
    trained = client.get_run(updated.run_id).data
    first = client.get_model_version_by_alias("trailguard", "champion").tags["snapshot_fingerprint"]
    assert trained.params["predecessor"] == first
    assert trained.metrics["gru/all/roc_auc"] > 0.5
