"""What one booster learns from, what is compared as of a day, and who is trained then."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ml.commands.train import fit_model
from ml.comparison.derived import JUDGED, MODELS, derive_protocol
from ml.comparison.folds import cut_folds
from ml.comparison.history import History
from ml.comparison.winner import NoComparison, read_winner
from ml.evaluation.views import PREFIXES, cut_views, last_targets
from ml.models.columns import baseline_columns, trail_columns
from ml.sequences.features import Featurizer
from ml.training.asked import asked_table
from ml.training.candidates import BOOSTED, NETWORKS, Candidate, Choice, OnlyForNetworks
from ml.training.snapshot import Snapshot, make_snapshot
from ml.training.steps import both_ends, targeted_steps, times_asked
from ml.training.tuning import Tuning
from tests.trails import EXTRAS, START, staggered_events, staggered_labels, write_lake

AS_OF, DELAY, WINDOW = START + timedelta(days=50, hours=7), timedelta(days=10), 8


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("events"), staggered_events())


@pytest.fixture(scope="module")
def snapshot(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return make_snapshot(lake, staggered_labels(), as_of=AS_OF, label_delay=DELAY, window=WINDOW, extras=EXTRAS,
                         out=tmp_path_factory.mktemp("snapshot"))  # fmt: skip


@pytest.fixture(scope="module")
def featurizer(snapshot: Snapshot) -> Featurizer:
    return Featurizer.fit(snapshot.slice("train"), extras=EXTRAS, window=WINDOW, record=snapshot.record)


def test_a_booster_is_shown_each_moment_as_it_is_judged_there(snapshot: Snapshot, featurizer: Featurizer):
    sequences = both_ends(snapshot.slice("train"), WINDOW)
    data = targeted_steps(sequences, featurizer)
    table, opened = asked_table(sequences, data, featurizer), np.flatnonzero(times_asked(sequences))
    ordinal, first = sequences.events["ordinal"].to_numpy()[opened], snapshot.slice("train").first(WINDOW)
    for prefix in PREFIXES[:2]:
        cut = cut_views(snapshot.slice("train"), WINDOW)[str(prefix)]
        judged = trail_columns(featurizer.transform(cut), cut.last_rows, featurizer)[cut.lengths == prefix]
        shown = table.columns[: len(opened)][(ordinal == prefix) & (opened < first.events.num_rows)]
        assert len(judged) > 50
        np.testing.assert_allclose(shown, judged, atol=1e-6)
    days = trail_columns(data.steps, np.flatnonzero(data.closes_day), featurizer)
    np.testing.assert_array_equal(table.columns[len(opened) :], days)
    assert len(table.targets) == len(opened) + data.closes_day.sum() == len(table.weights)
    assert (table.weights > 0).all()


def test_a_trail_has_the_baselines_columns_and_as_many_however_short_it_is(snapshot: Snapshot, featurizer: Featurizer):
    for cut in (snapshot.sequences.first(WINDOW), snapshot.sequences.prefix(2)):
        steps = featurizer.transform(cut)
        columns, known = trail_columns(steps, cut.last_rows, featurizer), baseline_columns(steps, featurizer)
        np.testing.assert_array_equal(columns[:, : known.shape[1]], known)
        assert np.isnan(columns[:, known.shape[1] :]).all()
        assert columns.shape[1] == len(featurizer.numeric_names) + len(featurizer.categorical_names) + 10 * (
            len(featurizer.single_event_columns) + len(featurizer.categorical_names)
        )


def test_the_newest_matured_users_are_judged_by_what_was_known_before_they_came(lake: Path, snapshot: Snapshot):
    protocol = derive_protocol(snapshot, seed=3)
    history = History("shop", lake, staggered_labels(), EXTRAS, DELAY, end=AS_OF)
    (fold,) = cut_folds(history, protocol)
    begun = dict(zip(*(snapshot.users[name].to_pylist() for name in ("user_id", "first_event_time")), strict=True))
    of_slice = dict(zip(*(snapshot.users[name].to_pylist() for name in ("user_id", "slice")), strict=True))
    judged, learned = (set(part.users["user_id"].to_pylist()) for part in (fold.test, fold.whole))
    newest = {user for user, name in of_slice.items() if name in JUDGED}
    assert newest <= judged
    assert {of_slice[user] for user in judged - newest} <= {"validation"}
    assert judged == {user for user, when in begun.items() if when >= fold.as_of}
    assert max(begun[user] for user in learned) < fold.as_of - DELAY
    assert fold.as_of == min(begun[user] for user in newest).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (protocol.models, protocol.seeds, protocol.window) == (MODELS, (3,), WINDOW)
    assert protocol.split.test_until == (AS_OF - DELAY).date() + timedelta(days=1)
    assert fold.validation.counts()["judged"] == round(len(learned) / 8)


def test_nothing_later_than_the_day_is_known(lake: Path, snapshot: Snapshot):
    protocol = derive_protocol(snapshot, seed=0)
    (fold,) = cut_folds(History("shop", lake, staggered_labels(), EXTRAS, DELAY, end=AS_OF), protocol)
    assert max(fold.test.sequences.events["event_time"].to_pylist()) < AS_OF
    assert max(fold.whole.sequences.events["event_time"].to_pylist()) < fold.as_of
    assert last_targets(fold.test.sequences).sum() > 5


def test_the_winner_is_what_the_report_says_and_without_a_report_there_is_none(tmp_path: Path):
    with pytest.raises(NoComparison, match=r"report\.json"):
        read_winner(tmp_path)
    for named in (None, "blend"):
        (tmp_path / "report.json").write_text(json.dumps({"winner": named}))
        assert read_winner(tmp_path) == named
    assert isinstance(read_winner(tmp_path), Candidate)


def test_whatever_may_be_compared_can_be_trained():
    assert {Candidate(model) for model in MODELS} == {"lightgbm", "gru", "fusion", "blend"}
    assert set(NETWORKS) | set(BOOSTED) == set(Candidate)
    assert set(NETWORKS) & set(BOOSTED) == {"blend"}


@pytest.mark.parametrize("options", [{"workers": 2}, {"backbone": "7"}, {"tuning": Tuning.LORA}, {"doubt": "doubt"}])
def test_what_only_networks_have_is_refused_for_boosted_trees(options: dict[str, object]):
    with pytest.raises(OnlyForNetworks, match="architecture=lightgbm"):
        fit_model(as_of="2024-02-20", architecture=Choice.LIGHTGBM, **options)
