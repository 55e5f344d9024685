"""From a comparison on the lake to a registered winner with a threshold that scores: the stages, one after another, on
real parts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ml.calibration.probability import ProbabilityCalibration
from ml.commands import compare, monitor, privacy, promote, score, threshold, train, trained, update
from ml.commands.registered import candidates, production
from ml.commands.trained import Learning
from ml.comparison import derived
from ml.comparison.protocol import Model
from ml.contracts.flags import Threshold
from ml.contracts.model_version import ModelVersion
from ml.errors import InputAbsent
from ml.evaluation.heldout import judged, read_heldout
from ml.evaluation.peaks import NobodyProves, Peaks
from ml.evaluation.threshold_gate import PolicyNotKept
from ml.evaluation.views import DAY as DAY_VIEW
from ml.flags.thresholds import ThresholdAbsent, ThresholdStore
from ml.ingest.label_store import LabelStore
from ml.monitoring.store import MonitorStore
from ml.registry.digest import folder_digest
from ml.registry.model_registry import CHALLENGER, CHAMPION, ModelRegistry
from ml.scoring.evidence import EvidenceRule
from ml.settings import SettingsInvalid, settings
from ml.training.candidates import Choice
from tests.integration.conftest import RoleUrl
from tests.trails import START, label, label_table, staggered_labels, telling_events, write_lake

DATASET = """
name: my-shop
events:
  files: events.csv
  columns: {user_id: user_id, event_id: event_id, event_time: event_time, event_type: event_type, item_id: item_id}
  extras: {device: categorical, price: numeric, note: text}
labels:
  files: labels.csv
  columns: {user_id: user_id, label: label, kind: kind, observed_at: observed_at}
label_delay_days: 10
"""
AS_OF = str((START + timedelta(days=50)).date())
NEXT_DAY = {"start": str((START + timedelta(days=45)).date()), "end": str((START + timedelta(days=46)).date())}
DAY = {"start": str((START + timedelta(days=44)).date()), "end": str((START + timedelta(days=45)).date())}
pytestmark = pytest.mark.filterwarnings("default:::mlflow")


@dataclass(frozen=True)
class Registered:
    registry: ModelRegistry
    version: str
    training: Path
    promoter: str  # the promoter's address of the database

    @property
    def model(self) -> ModelVersion:
        return ModelVersion(self.registry.name, self.version)

    @property
    def run(self) -> Run:
        return self.registry.client.get_run(self.registry.run_id(self.version))


@pytest.fixture(scope="module")
def registered(url_of: RoleUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    """The winner of a comparison of LightGBM alone, which is too small to conclude."""
    home = tmp_path_factory.mktemp("home")
    (home / "dataset.yaml").write_text(DATASET)
    write_lake(home / "lake", telling_events())
    LabelStore(url_of("trailguard_writer")).append(staggered_labels())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)  # where MLflow keeps what has no server
        for name, value in {
            "HOME": home,
            "DATASET": home / "dataset.yaml",
            "DATABASE_URL": url_of("trailguard_writer"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db",
            "WINDOW": 8,
            "PRECISION_FLOOR": 0.1,
            "FPR_CEILING": 1.0,
            "CONFIDENCE": 0.51,
            "ALERT_BUDGET": 1.0,
        }.items():
            patch.setenv(f"TRAILGUARD_{name}", str(value))
        patch.setattr(derived, "MODELS", (Model.LIGHTGBM,))
        settings.cache_clear()
        yield run_stages(url_of("trailguard_promoter"))
    settings.cache_clear()


def run_stages(promoter: str) -> Registered:
    train.take_snapshot(as_of=AS_OF)
    compare.compare_models(as_of=AS_OF)
    train.fit_model(as_of=AS_OF, architecture=Choice.WINNER)
    finish_training(AS_OF)
    registry = candidates()
    version = registry.newest_version()
    threshold.choose_threshold(as_of=AS_OF, model=registry.name, version=version)
    return Registered(registry, version, trained.learned_folder(AS_OF), promoter)


def finish_training(as_of: str, learning: Learning = Learning.TRAINING) -> None:
    train.calibrate_scores(as_of=as_of, learning=learning)
    train.evaluate_model(as_of=as_of, learning=learning)
    train.register_candidate(as_of=as_of, learning=learning, dag_run_id="by hand")


def test_the_comparison_stays_in_the_lake_and_its_report_goes_with_the_version(registered: Registered):
    comparison = registered.training / "comparison"
    assert {path.name for path in comparison.iterdir()} == {"report.html", "report.json", "predictions.parquet"}
    run = registered.registry.run_id(registered.version)
    logged = {item.path for item in registered.registry.client.list_artifacts(run, "comparison")}
    assert logged == {"comparison/report.html", "comparison/report.json"}
    assert "report/roc.png" in {item.path for item in registered.registry.client.list_artifacts(run, "report")}


def test_tags_and_description_lead_to_both_reports(registered: Registered):
    client, version = registered.registry.client, registered.version
    found = client.get_model_version(registered.registry.name, version)
    artifacts = client.get_run(found.run_id).info.artifact_uri
    assert found.tags["comparison_report"] == f"{artifacts}/comparison/report.html"
    assert found.tags["training_report"] == f"{artifacts}/report"
    assert found.description.startswith("lightgbm, trained as of 2024-02-20")
    for path in ("comparison/report.html", "report"):
        assert f"/runs/{found.run_id}/artifacts/{path})" in found.description
    report = json.loads((registered.training / "comparison" / "report.json").read_text())
    assert report["winner"] is None
    assert f"- {report['conclusions'][0]}" in found.description


def test_where_nobody_wins_the_safe_choice_was_trained_with_its_own_parameters_and_curves(registered: Registered):
    run = registered.run
    assert run.data.params["architecture"] == "lightgbm"
    assert int(run.data.params["rounds"]) > 1
    assert {"one_booster/all/roc_auc", "lightgbm/all/roc_auc"} <= set(run.data.metrics)
    history = registered.registry.client.get_metric_history(run.info.run_id, "validation_loss")
    curves = json.loads((registered.training / "bundle" / "curves.json").read_text())
    assert [point.value for point in sorted(history, key=lambda point: point.step)] == curves["validation_loss"]


def newest(registered: Registered) -> Threshold:
    return ThresholdStore(settings().database_url).newest(*registered.model)


def peaks_of(registered: Registered) -> Peaks:
    return threshold._peaks(registered.registry, registered.version, AS_OF)


def test_a_threshold_is_on_record_and_its_pictures_lie_beside_the_training(registered: Registered):
    found, client = newest(registered), registered.registry.client
    assert 0 < found.value < 1
    assert found.guarantee == "precision >= 0.1, false positive rate <= 1, flagged share <= 1"
    tags = registered.run.data.tags
    assert tags["threshold"] == f"{found.value:.4f}"
    folder = tags["threshold_report"]
    logged = {
        Path(item.path).name for item in client.list_artifacts(registered.registry.run_id(registered.version), folder)
    }
    assert logged == {"roc.png", "precision_recall.png", "reliability.png", "cost.png"}


def test_those_decide_whom_the_training_has_not_learned_from_by_their_highest_score_of_any_day(registered: Registered):
    """What training itself said of the two slices that were held out for this is the same, day by day."""
    held_out, heights = read_heldout(registered.training), {}
    fewest = EvidenceRule.load(registered.training / "bundle").fewest_events
    for name in ("calibration", "threshold"):
        days = judged(held_out, name, DAY_VIEW)
        for user, logit in zip(days.user_ids[days.events >= fewest], days.logits[days.events >= fewest], strict=True):
            heights[user] = max(heights.get(user, -np.inf), float(logit))
    calibration = ProbabilityCalibration.load(registered.training / "bundle" / "calibration.json")
    expected = np.sort(calibration.probability(np.array(list(heights.values()), np.float32)))
    found = peaks_of(registered)
    assert len(expected) > 20
    np.testing.assert_allclose(np.sort(found.scores), expected, atol=1e-6)
    assert (np.diff(found.first_seen).astype(int) >= 0).all()


def test_since_leaves_only_users_who_came_later(registered: Registered):
    whole = peaks_of(registered)
    moment = whole.first_seen[len(whole.scores) // 2].astype(datetime).replace(tzinfo=UTC)
    later = whole.since(moment)
    assert 0 < len(later.scores) < len(whole.scores)
    assert sum(map(len, (part.scores for part in later.split()))) == len(later.scores)
    with pytest.raises(NobodyProves, match="users=0"):
        whole.since(moment + timedelta(days=365)).split()


def promoted(registered: Registered) -> ModelVersion:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAILGUARD_DATABASE_URL", registered.promoter)
        settings.cache_clear()
        promote.promote_model(version=registered.version, approved_by="ann")
    settings.cache_clear()
    return ModelVersion(production().name, production().version_of(CHAMPION))


def test_a_promotion_copies_the_candidate_once_and_its_threshold_goes_along(registered: Registered):
    champion, client = promoted(registered), registered.registry.client
    assert promoted(registered) == champion == ("trailguard", "1")
    copies = client.search_model_versions("name = 'trailguard'")
    assert [copy.source for copy in copies] == [f"models:/{registered.model}"]
    taken, origin = ThresholdStore(settings().database_url).newest(*champion), newest(registered)
    assert taken.calibration_data["copied_from"] == origin.threshold_id != taken.threshold_id
    assert (taken.value, taken.guarantee, taken.valid_from) == (origin.value, origin.guarantee, origin.valid_from)
    bundle = production().fetch(champion.version, settings().lake / "models")
    assert folder_digest(bundle) == folder_digest(registered.training / "bundle")


def test_a_candidate_without_a_threshold_is_not_copied(registered: Registered):
    copy = registered.registry.client.copy_model_version(f"models:/{registered.model}", registered.registry.name)
    with pytest.raises(ThresholdAbsent, match=f"version={copy.version}"):
        promote.promote_model(version=str(copy.version), approved_by="ann")
    assert len(registered.registry.client.search_model_versions("name = 'trailguard'")) == 1


def test_another_budget_makes_a_new_threshold_of_the_same_version_for_intervals_from_then_on(registered: Registered):
    thresholds, champion = ThresholdStore(settings().database_url), promoted(registered)
    first, later = thresholds.newest(*champion), str((START + timedelta(days=52)).date())
    threshold.choose_threshold(as_of=later, alert_budget="0.6", confidence="0.6", dag_run_id="by hand")
    second = thresholds.newest(*champion)
    assert second.guarantee == "precision >= 0.1, false positive rate <= 1, flagged share <= 0.6"
    assert (second.confidence, second.dag_run_id, second.label_as_of) == (0.6, "by hand", first.label_as_of)
    assert second.value > first.value
    moments = (second.valid_from - timedelta(days=1), second.valid_from)
    found = [thresholds.acting(*champion, at).threshold_id for at in moments]
    assert found == [first.threshold_id, second.threshold_id]


def test_a_policy_that_none_keeps_is_answered_and_bars_the_version_until_one_is_found(registered: Registered):
    registry, later = registered.registry, str((START + timedelta(days=53)).date())
    registry.client.delete_registered_model_alias(registry.name, CHALLENGER)
    threshold.choose_threshold(as_of=later, **registered.model.facts, precision_floor="0.99", confidence="0.999")
    assert newest(registered).value is None
    with pytest.raises(PolicyNotKept, match=r"No threshold keeps precision >= 0\.99.*Nearest is"):
        promote.check_gate(version=registered.version)
    assert registry.find_version(CHALLENGER) is None, "whom the gate refuses takes nobody's place"
    threshold.choose_threshold(as_of=later, **registered.model.facts, precision_floor="0.2")
    promote.check_gate(version=registered.version)
    assert registry.find_version(CHALLENGER) == registered.version


def test_a_policy_that_makes_no_sense_is_refused_by_its_name(registered: Registered):
    with pytest.raises(SettingsInvalid, match=r"TRAILGUARD_ALERT_BUDGET=.*less than or equal to 1"):
        threshold.choose_threshold(as_of=AS_OF, **registered.model.facts, alert_budget="20")


def fetch_model(registry: ModelRegistry, version: str, folder: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(f"models:/{registry.name}/{version}", dst_path=str(folder)))


def score_example(bundle: Path, logged: Path) -> np.ndarray:
    """What the bundle says of the users that were logged as the version's example."""
    from mlflow.models import Model as Logged

    from ml.registry.model_input import from_model_input
    from ml.scoring.scorer import Scorer

    example = from_model_input(Logged.load(str(logged)).load_input_example(str(logged)))
    return Scorer.load(bundle).score_users(example).logits


FRESH = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
folder = mlflow.artifacts.download_artifacts("models:/" + sys.argv[2])
model, example = mlflow.pyfunc.load_model(folder), mlflow.models.Model.load(folder).load_input_example(folder)
logits, needs = model.predict(example)["logit"].tolist(), open(folder + "/requirements.txt").read()
print(json.dumps({"logits": logits, "needs": needs, "keras": "keras" in sys.modules}))
"""


def test_the_registry_alone_lets_a_fresh_process_score_the_same(registered: Registered, tmp_path: Path):
    command = [sys.executable, "-c", FRESH, settings().mlflow_tracking_uri, str(registered.model)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    logged = fetch_model(registered.registry, registered.version, tmp_path)
    here = score_example(registered.training / "bundle", logged)
    assert answer["logits"] == pytest.approx(here.tolist(), abs=1e-6, nan_ok=True)
    assert len(here) > 1
    assert "lightgbm==" in answer["needs"]
    assert not answer["keras"]


def test_the_winner_scores_a_day_and_gives_reasons(registered: Registered):
    champion = promoted(registered)
    score.plan_shards(**DAY)
    score.score_shard(**DAY, version=champion.version)
    thresholds = ThresholdStore(settings().database_url)
    score.decide_flags(**DAY, threshold_id=thresholds.newest(*champion).threshold_id)
    folder = settings().lake / "scores" / f"ds={DAY['start']}" / "model=trailguard" / f"version={champion.version}"
    scores, flags = pq.read_table(folder / "shard-0-of-1.parquet"), pq.read_table(folder / "flags.parquet")
    assert scores.num_rows > flags.num_rows > 0
    for reasons in flags["reason_codes"].to_pylist():
        assert json.loads(reasons)[0]["code"]


def test_a_day_is_watched_and_what_was_decided_about_it_stands(registered: Registered):
    champion = promoted(registered)
    thresholds = ThresholdStore(settings().database_url)
    acting = {"threshold_id": thresholds.newest(*champion).threshold_id}
    for day in (DAY, NEXT_DAY):
        score.plan_shards(**day)
        score.score_shard(**day, version=champion.version)
        score.decide_flags(**day, **acting)
        score.publish_flags(**day, **acting)
    monitor.measure_drift(**NEXT_DAY)
    monitor.watch_promise(**NEXT_DAY)
    for _ in range(2):
        monitor.decide_action(**NEXT_DAY)
    assert [one.action for one in MonitorStore(settings().database_url).decisions(champion)] == ["nothing"]
    folder = settings().lake / "monitoring" / f"ds={NEXT_DAY['start']}"
    told = json.loads((folder / "promise.json").read_text())
    assert told["all"]["flagged"] >= told["all"]["anomalous"] >= 0
    with pytest.raises(InputAbsent, match=f"monitoring/ds={DAY['start']}"):
        monitor.decide_action(**DAY)


def test_a_blend_that_doubts_labels_is_registered_and_scores_as_it_did_in_training(
    registered: Registered, tmp_path: Path
):
    day_before = str((START + timedelta(days=49)).date())
    train.take_snapshot(as_of=day_before)
    train.doubt_labels(as_of=day_before)
    doubt = trained.learned_folder(day_before) / "doubt"
    train.fit_model(as_of=day_before, architecture=Choice.BLEND, doubt=str(doubt))
    finish_training(day_before)
    registry, version = registered.registry, registered.registry.newest_version()
    run = registry.client.get_run(registry.run_id(version))
    assert run.data.params["architecture"] == "blend"
    assert float(run.data.params["wrong_labels"]) == json.loads((doubt / "doubt.json").read_text())["wrong"] > 0
    folder = fetch_model(registry, version, tmp_path)
    there = score_example(next(folder.rglob("training.json")).parent, folder)
    here = score_example(trained.learned_folder(day_before) / "bundle", folder)
    assert there == pytest.approx(here, abs=1e-6, nan_ok=True)
    assert len(here) > 1


def told_by(capsys: pytest.CaptureFixture) -> dict:
    """What the last stage printed."""
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def turned_labels() -> pa.Table:
    """That users who were taken for good are fraudulent became known after AS_OF."""
    told = START + timedelta(days=51)
    return label_table(*(label(f"u{number:03d}", told) for number in range(1, 150, 3)))


def test_the_champion_goes_on_learning_once_there_is_something_to_learn(
    registered: Registered, url_of: RoleUrl, capsys: pytest.CaptureFixture
):
    champion = promoted(registered)
    update.take_update(as_of=AS_OF)
    assert told_by(capsys) == {"reason": f"{champion} has learned from all that was known by {AS_OF}"}
    later, evening = (str((START + timedelta(days=day)).date()) for day in (52, 53))
    update.take_update(as_of=later)
    assert told_by(capsys)["reason"] == "only 3 anomalous users are news"
    LabelStore(url_of("trailguard_writer")).append(turned_labels())
    update.take_update(as_of=later)
    taken = told_by(capsys)
    assert taken["reason"] == ""
    assert taken["news"]["anomalous"] > 20
    update.fit_update(as_of=later)
    finish_training(later, Learning.UPDATE)
    registry, version = registered.registry, registered.registry.newest_version()
    assert version != registered.version
    tags, described = registry.tags(version), registry.client.get_model_version(registry.name, version).description
    assert tags["learning"] == "update"
    assert described.startswith(f"lightgbm, updated as of {later}")
    assert trained.load_learned_from(tags).predecessor == registry.tags(registered.version)["snapshot_fingerprint"]
    threshold.choose_threshold(as_of=later, model=registry.name, version=version)
    promote.check_gate()
    assert told_by(capsys)["champion"] == champion.version
    update.take_update(as_of=evening, due=update.Due.IDLE)
    assert told_by(capsys) == {"reason": f"{registry.name}/{version} is in the champion's shadow"}
    update.take_update(as_of=evening)
    assert told_by(capsys)["news"]["users"] > 0


def test_an_erased_user_leaves_the_version_its_snapshot_its_threshold_and_its_gate(
    registered: Registered, url_of: RoleUrl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    predictions = registered.training / "comparison" / "predictions.parquet"
    user = pq.read_table(predictions)["user_id"][0].as_py()
    with monkeypatch.context() as patch:
        patch.setenv("TRAILGUARD_DATABASE_URL", url_of("trailguard_eraser"))
        settings.cache_clear()
        privacy.erase_user(reason="request 17", requested_by="dora", user_id=user)
    settings.cache_clear()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["files"].keys() >= {"events", "training"}
    assert user not in pq.read_table(predictions)["user_id"].to_pylist()
    assert trained.load_learned_from(registered.registry.tags(registered.version)).erased == 1
    promote.check_gate(version=registered.version)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["erased_since_training"] == 1
    threshold.choose_threshold(as_of=str((START + timedelta(days=54)).date()), **registered.model.facts)
    assert newest(registered).value is not None


def test_a_registration_that_died_with_the_version_made_is_finished_and_makes_no_second_version(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
):
    def die(*_: object) -> None:
        raise InputAbsent(mlflow="away")

    finish_training(AS_OF)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "update_model_version", die)
        with pytest.raises(InputAbsent):
            train.register_candidate(as_of=AS_OF, dag_run_id="died")
    client = registered.registry.client
    versions = len(client.search_model_versions(f"name = '{registered.registry.name}'"))
    train.register_candidate(as_of=AS_OF, dag_run_id="died")
    train.register_candidate(as_of=AS_OF, dag_run_id="another")
    assert len(client.search_model_versions(f"name = '{registered.registry.name}'")) == versions + 1
