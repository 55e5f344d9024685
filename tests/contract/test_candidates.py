"""Boosted trees and the blend as bundles: what is asked of a network's bundle, asked of them."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.calibration.probability import fit_probability
from ml.evaluation.evaluate import evaluate
from ml.evaluation.heldout import judged, read_heldout
from ml.evaluation.views import DAY, VIEWS, cut_views, last_targets
from ml.explanation.explain import explain_users, read_reference
from ml.models.blend import Blend, stack, weigh
from ml.models.trees import Trees
from ml.scoring.scorer import Scorer
from ml.sequences.features import Steps
from ml.training.candidates import NETWORKS, Candidate
from ml.training.config import TrainingConfig
from ml.training.slices import Shares
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.train import train
from tests.trails import EXTRAS, START, staggered_labels, telling_events, write_lake
from tests.without_tensorflow import run_without_tensorflow

AS_OF, DELAY = START + timedelta(days=45), timedelta(days=10)
SMALL = TrainingConfig(architecture="fusion", width=8, epochs=2, users_per_step=32, averaging=0.5)


@dataclass(frozen=True)
class Trained:
    candidate: Candidate
    folder: Path
    snapshot: Snapshot

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def scorer(self) -> Scorer:
        return Scorer.load(self.bundle)

    def steps(self, name: str = "test") -> Steps:
        return self.scorer.featurizer.transform(self.snapshot.slice(name).first(self.snapshot.window))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("events"), telling_events())


@pytest.fixture(scope="module", params=[Candidate.LIGHTGBM, Candidate.BLEND])
def trained(request: pytest.FixtureRequest, lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp(request.param)
    snapshot = make_snapshot(lake, staggered_labels(), as_of=AS_OF, label_delay=DELAY, window=8, extras=EXTRAS,
                             out=folder, shares=Shares(0.4, 0.2, 0.1, 0.1, 0.2))  # fmt: skip
    config = SMALL if request.param in NETWORKS else None
    (folder / "bundle").mkdir()
    (folder / "bundle" / "model_last.onnx").write_text("of another model, trained before")
    train(folder, folder / "bundle", config, 0, boosted=True)
    days = judged(read_heldout(folder), "calibration", DAY)
    fit_probability(days.logits, days.targets).save(folder / "bundle" / "calibration.json")
    return Trained(request.param, folder, snapshot)


def test_the_bundle_opens_as_what_was_trained_and_holds_nothing_else(trained: Trained):
    common = {"baseline", "calibration.json", "curves.json", "evidence.json", "featurizer.json", "item_record.parquet"}
    common |= {"reference.json", "training.json", "trees.txt"}
    network = {"model.keras", "model.onnx", "model_last.onnx", "blend.json"}
    expected = common | network if trained.candidate in NETWORKS else common
    assert {path.name for path in trained.bundle.iterdir()} == expected
    assert type(trained.scorer.model) is (Blend if trained.candidate in NETWORKS else Trees)
    facts = json.loads((trained.bundle / "training.json").read_text())
    assert facts["config"]["architecture"] == trained.candidate
    assert facts["validation_loss"] == min(json.loads((trained.bundle / "curves.json").read_text())["validation_loss"])


def test_it_finds_the_anomalous_users_it_never_saw(trained: Trained):
    test = trained.snapshot.slice("test").newest(8)
    logits = trained.scorer.model.last_logits(trained.scorer.featurizer.transform(test))
    scores = trained.scorer.calibration.probability(logits)
    assert roc_auc_score(last_targets(test), logits) > 0.9
    assert (np.argsort(logits) == np.argsort(scores)).all()


def test_files_say_what_training_said_of_held_out_users_in_every_view(trained: Trained):
    heldout, model = read_heldout(trained.folder), trained.scorer.model
    for view, cut in cut_views(trained.snapshot.slice("test"), 8).items():
        found = model.last_logits(trained.scorer.featurizer.transform(cut))
        np.testing.assert_allclose(found, judged(heldout, "test", view).logits, atol=1e-5)
    closing = trained.snapshot.slice("test").first(8).events["closes_day"].to_numpy()
    days = judged(heldout, "test", DAY).logits
    assert len(days) > len(judged(heldout, "test", "all").logits)
    np.testing.assert_allclose(model.logits(trained.steps())[closing], days, atol=1e-5)


def test_the_last_step_is_judged_as_one_of_all_steps(trained: Trained):
    steps, model = trained.steps(), trained.scorer.model
    every = model.logits(steps)
    assert every.dtype == np.float32
    assert len(np.unique(every)) > len(every) / 4
    np.testing.assert_allclose(model.last_logits(steps), every[steps.offsets[1:] - 1], atol=1e-5)


def test_later_steps_never_change_an_earlier_logit(trained: Trained):
    steps, model = trained.steps(), trained.scorer.model
    position = np.arange(len(steps.numeric)) - np.repeat(steps.offsets[:-1], steps.lengths)
    for length in (1, 3, 6):
        kept = position < length
        lengths = np.minimum(steps.lengths, length)
        cut = Steps(steps.numeric[kept], steps.categorical[kept], np.append(0, np.cumsum(lengths)))
        assert len(cut.numeric) < len(steps.numeric)
        np.testing.assert_allclose(model.logits(cut), model.logits(steps)[kept], atol=1e-5)


def test_a_user_scored_among_many_gets_the_logit_they_get_alone(trained: Trained):
    steps, model = trained.steps(), trained.scorer.model
    among = model.last_logits(steps)
    for user in (0, 5, len(among) - 1):
        rows = slice(steps.offsets[user], steps.offsets[user + 1])
        alone = Steps(steps.numeric[rows], steps.categorical[rows], np.array([0, rows.stop - rows.start]))
        np.testing.assert_allclose(model.last_logits(alone), among[[user]], atol=1e-5)


FRESH = """
from pathlib import Path
from ml.scoring.scorer import Scorer
from ml.training.snapshot import Snapshot
scored = Scorer.load(Path({bundle!r})).score_users(Snapshot.load(Path({folder!r})).slice("test").newest(8))
print(scored.evidence.tolist(), scored.logits.tolist(), "keras" in sys.modules)
"""


def test_another_process_gives_the_same_scores_without_keras(trained: Trained):
    code = FRESH.format(bundle=str(trained.bundle), folder=str(trained.folder))
    done = run_without_tensorflow(code)
    here = trained.scorer.score_users(trained.snapshot.slice("test").newest(8))
    assert done.stdout.splitlines()[-1:] == [f"{here.evidence.tolist()} {here.logits.tolist()} False"], done.stderr


def test_users_are_explained_by_what_gave_them_away(trained: Trained):
    test = trained.snapshot.slice("test").newest(8)
    explained = explain_users(trained.scorer, test, read_reference(trained.bundle))
    assert set(explained) == set(test.user_ids.to_pylist())
    anomalous = test.user_ids.filter(last_targets(test) == 1).to_pylist()
    strongest = [json.loads(explained[user])[0]["code"] for user in anomalous]
    assert strongest.count("price") > len(strongest) / 2


def test_it_is_judged_beside_the_baseline_under_a_name_of_its_own(trained: Trained):
    name = "blend" if trained.candidate in NETWORKS else "one_booster"
    found = evaluate(trained.bundle, trained.snapshot.slice("test"), seed=0)
    assert set(found) == {name, "lightgbm", f"{name} - lightgbm"}
    assert set(found[name]) == set(VIEWS)


def test_a_blends_weights_come_from_the_validation_slice(trained: Trained):
    if trained.candidate not in NETWORKS:
        assert not (trained.bundle / "blend.json").exists()
        return
    stacked, targets = [], []
    for cut in cut_views(trained.snapshot.slice("validation"), 8).values():
        steps = trained.scorer.featurizer.transform(cut)
        stacked.append(stack([member.last_logits(steps) for member in trained.scorer.model.members]))
        targets.append(last_targets(cut))
    expected = weigh(np.concatenate(stacked), np.concatenate(targets))
    np.testing.assert_allclose(trained.scorer.model.weights, expected, rtol=1e-3)
    assert (expected[:-1] >= 0).all()
