"""A user in every table: taken out by the eraser alone, whole or not at all, and kept out."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest
from psycopg2 import errors

from ml.contracts.model_version import ModelVersion
from ml.flags.store import FlagStore
from ml.flags.thresholds import ThresholdStore
from ml.ingest.guard import digest_of
from ml.ingest.label_store import LabelStore
from ml.privacy.erase import ReasonNamesUser, erase_user
from ml.privacy.files import UserFiles
from ml.privacy.one_file import TraceLeft
from ml.privacy.store import ErasureStore, Request
from ml.privacy.traces import Traces
from ml.reviews.store import SuggestionStore
from ml.reviews.suggest import SUGGESTIONS
from tests.flag_rows import THRESHOLD, Lake, day, event_flags_of, flags_of, run_of
from tests.integration.conftest import RoleUrl
from tests.trails import label, label_table

ANN, BOB = "ann-471147", "bob-471148"
REQUEST = Request(digest_of(ANN), "request 17", "dora", None)
REVIEW = (
    "INSERT INTO review (user_id, interval_start, verdict, kind, reviewer, comment) VALUES (%s, %s, %s, %s, %s, %s)"
)
TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = 'trailguard'::regnamespace AND relkind IN ('r', 'p')"""


def execute(url: str, statement: str, arguments: list[object] | None = None) -> list[tuple]:
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as rows:
        rows.execute(statement, arguments)
        return rows.fetchall() if rows.description else []


def dump(url_of: RoleUrl) -> str:
    """Every row of every table and partition, as text."""
    owner = url_of("trailguard_owner")
    tables = [table for (table,) in execute(owner, TABLES)]
    return "\n".join(sorted(row for table in tables for (row,) in execute(owner, f"SELECT t::text FROM {table} t")))


def plant(url_of: RoleUrl) -> None:
    """Both users in every table that names any, two days of flags, and Ann in what is said of Bob."""
    writer, analyst = url_of("trailguard_writer"), url_of("trailguard_analyst")
    store, lake = FlagStore(writer, expiry=timedelta(days=9)), Lake()
    ThresholdStore(writer).record(THRESHOLD)
    scores = [{ANN: 0.9, BOB: 0.8}, {ANN: 0.1, BOB: 0.9}]
    for number, found in enumerate(scores):
        run = run_of(day(number), 2)
        lake.scores[day(number), "1"] = found
        flagged = {user: score for user, score in found.items() if score > 0.5}
        events = event_flags_of(run, {(user, f"review-{user}"): score for user, score in flagged.items()})
        store.publish(run, flags_of(run, flagged), lake.scored_below, events)
    LabelStore(writer).append(label_table(label(ANN, day(0).start), label(BOB, day(0).start)))
    rows = [{"rank": 1, "user_id": ANN, "score": 0.4, "why": "uncertain"}]
    SuggestionStore(writer).record(
        pa.Table.from_pylist(rows, schema=SUGGESTIONS), day(0), model=ModelVersion("trailguard", "1")
    )
    execute(analyst, REVIEW, [ANN, day(0).start, "anomalous", "bot", "dora", "clicks by script"])
    execute(analyst, REVIEW, [BOB, day(0).start, "anomalous", "bot", "dora", f"works with {ANN}, not with {ANN}0"])


@pytest.fixture(scope="module")
def planted(url_of: RoleUrl) -> RoleUrl:
    plant(url_of)
    return url_of


@pytest.fixture
def files(tmp_path: Path) -> UserFiles:
    return UserFiles(tmp_path / "lake", tmp_path / "docs")


def test_the_user_is_in_every_table_that_names_users(planted: RoleUrl):
    found = ErasureStore(planted("trailguard_eraser"))
    with pytest.raises(TraceLeft, match=r"column=\w+\.\w+ rows=\d"):
        found.search(Traces(ANN))
    places = dict(
        execute(planted("trailguard_eraser"), "SELECT * FROM find_traces(%s, %s)", [ANN, Traces(ANN).pattern])
    )
    named = {place for place, rows in places.items() if rows}
    assert named >= {
        f"{table}.user_id" for table in ("label", "user_flag", "event_flag", "review", "review_suggestion")
    }
    assert {"review.comment", "event_flag.event_id"} <= named
    blank = {place for place in places if place.endswith("_blank.user_id")}
    assert named | blank >= {place for place in places if place.endswith(".user_id")}, (
        "a table that names users was missed"
    )


def test_the_owner_alone_may_not_and_the_eraser_finds_a_user_by_the_digest(planted: RoleUrl):
    with pytest.raises(errors.RestrictViolation):
        execute(planted("trailguard_owner"), "DELETE FROM label WHERE user_id = %s", [ANN])
    assert ErasureStore(planted("trailguard_eraser")).find(digest_of(ANN)) == ANN
    assert ErasureStore(planted("trailguard_eraser")).find(digest_of("nobody")) is None


def test_a_reason_that_names_the_user_is_refused_before_anything_is_done(planted: RoleUrl, files: UserFiles):
    before = dump(planted)
    for request in (replace(REQUEST, reason=f"erase {ANN}"), replace(REQUEST, requested_by=ANN)):
        with pytest.raises(ReasonNamesUser) as refused:
            erase_user(files, ErasureStore(planted("trailguard_eraser")), request, None)
        assert ANN not in str(refused.value)
    assert dump(planted) == before


def test_an_erasure_that_cannot_be_recorded_undoes_itself(planted: RoleUrl):
    before = dump(planted)
    with pytest.raises(errors.CheckViolation, match="a_reason_is_given"):
        ErasureStore(planted("trailguard_eraser")).erase(replace(REQUEST, reason=" "), Traces(ANN), {})
    assert dump(planted) == before
    with pytest.raises(errors.RestrictViolation):
        execute(planted("trailguard_owner"), "DELETE FROM label WHERE user_id = %s", [ANN])


def test_nothing_of_the_user_is_left_in_any_row_and_of_others_everything(planted: RoleUrl, files: UserFiles):
    before = dump(planted)
    assert before.count(ANN) > 10
    done = erase_user(files, ErasureStore(planted("trailguard_eraser")), REQUEST, None)
    after = dump(planted)
    assert ANN not in after.replace(f"{ANN}0", "")
    assert f"works with [erased], not with {ANN}0" in after
    assert after.count(BOB) == before.count(BOB)
    assert done.found
    counts = {"event_flag": 1, "label": 2, "review": 2, "review_suggestion": 1, "user_flag": 2}
    assert done.tables == counts
    assert done.searched["columns"] > 40
    (record,) = execute(
        planted("trailguard_analyst"), "SELECT user_digest, reason, requested_by, tables FROM erasure_history"
    )
    assert record == (digest_of(ANN), "request 17", "dora", counts)


def test_erasing_again_finds_nothing_and_is_recorded(planted: RoleUrl, files: UserFiles):
    before = dump(planted)
    again = erase_user(files, ErasureStore(planted("trailguard_eraser")), REQUEST, ANN)
    assert again.tables == again.files == {}
    unknown = erase_user(files, ErasureStore(planted("trailguard_eraser")), REQUEST, None)
    assert not unknown.found
    assert len(dump(planted).splitlines()) == len(before.splitlines()) + 2
    assert ErasureStore(planted("trailguard_writer")).erased() == {digest_of(ANN)}


def test_what_is_append_only_is_so_again_afterwards(planted: RoleUrl):
    for table in ("label", "review", "erasure", "erased_user", "threshold"):
        with pytest.raises(errors.RestrictViolation):
            execute(planted("trailguard_owner"), f"DELETE FROM {table}")


def test_a_table_that_is_added_later_is_searched_and_erased_from(planted: RoleUrl, files: UserFiles):
    owner = planted("trailguard_owner")
    execute(owner, "CREATE TABLE later (user_id text, said jsonb, words text[])")
    rows = [(BOB, json.dumps({"of": ANN}), [ANN, "x"]), (ANN, "{}", [])]
    for row in rows:
        execute(owner, "INSERT INTO later VALUES (%s, %s, %s)", list(row))
    store = ErasureStore(planted("trailguard_eraser"))
    with pytest.raises(TraceLeft, match="later"):
        store.search(Traces(ANN))
    assert erase_user(files, store, REQUEST, ANN).tables == {"later": 2}
    assert execute(owner, "SELECT * FROM later") == [(BOB, {"of": "[erased]"}, ["[erased]", "x"])]


def test_an_id_that_may_be_anything_takes_nothing_else_with_it(planted: RoleUrl, files: UserFiles):
    """A user called 1, like the model's version."""
    LabelStore(planted("trailguard_writer")).append(label_table(label("1", day(0).start)))
    done = erase_user(files, ErasureStore(planted("trailguard_eraser")), replace(REQUEST, digest=digest_of("1")), None)
    assert done.tables == {"label": 1}
    versions = "SELECT DISTINCT model_version FROM user_flag"
    assert execute(planted("trailguard_writer"), versions) == [("1",)]
