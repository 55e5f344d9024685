from contextlib import closing

import psycopg2
import pyarrow as pa
import pytest

from ml.contracts.model_version import ModelVersion
from ml.reviews.store import SuggestionStore
from ml.reviews.suggest import SUGGESTIONS
from tests.flag_rows import day
from tests.integration.flags.shop import FLAGGED, Shop


def review(shop: Shop, user: str, number: int, verdict: str) -> None:
    with closing(psycopg2.connect(shop.url_of("trailguard_analyst"))) as session, session, session.cursor() as rows:
        rows.execute(
            "INSERT INTO review (user_id, interval_start, verdict, kind, reviewer) VALUES (%s, %s, %s, %s, 'dora')",
            [user, day(number).start, verdict, "none" if verdict == "good" else "bot"],
        )


def test_the_newest_review_of_a_flag_decides(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    review(shop, "ann", 0, "good")
    review(shop, "bob", 0, "anomalous")
    assert shop.flagged() == {"bob"}
    states = dict(shop.read("SELECT user_id, (state, cleared_by)::text FROM flag_history", "trailguard_analyst"))
    assert states == {"ann": "(cleared,review)", "bob": "(active,)"}
    review(shop, "ann", 0, "anomalous")
    assert shop.flagged() == {"ann", "bob"}


def test_a_review_outlives_a_second_publication_and_ends_with_a_newer_flag(shop: Shop):
    shop.publish(0, {"ann": FLAGGED})
    review(shop, "ann", 0, "good")
    shop.publish(0, {"ann": FLAGGED})
    assert shop.flagged() == set()
    shop.publish(1, {"ann": FLAGGED})
    assert shop.flagged() == {"ann"}


def test_a_review_becomes_a_label(shop: Shop):
    shop.publish(0, {"ann": FLAGGED, "bob": FLAGGED})
    review(shop, "ann", 0, "good")
    review(shop, "bob", 0, "anomalous")
    labels = shop.read("SELECT user_id, event_id, label, kind, source, observed_at = now() FROM label ORDER BY 1")
    assert [row[:5] for row in labels] == [("ann", None, 0, "none", "review"), ("bob", None, 1, "bot", "review")]


def suggest(shop: Shop, *rows: tuple[str, float | None, str]) -> None:
    numbered = [{"rank": rank, "user_id": user, "score": score, "why": why}
                for rank, (user, score, why) in enumerate(rows, start=1)]  # fmt: skip
    suggestions = pa.Table.from_pylist(numbered, schema=SUGGESTIONS)
    SuggestionStore(shop.writer).record(suggestions, day(0), model=ModelVersion("trailguard", "1"))


OPEN = "SELECT user_id, rank, why FROM suggested_review ORDER BY rank"


def test_a_suggested_user_is_reviewed_without_a_flag_and_then_no_longer_open(shop: Shop):
    suggest(shop, ("ann", None, "unlike"), ("bob", 0.4, "uncertain"))
    assert shop.read(OPEN, "trailguard_analyst") == [("ann", 1, "unlike"), ("bob", 2, "uncertain")]
    review(shop, "ann", 0, "anomalous")
    assert shop.read("SELECT user_id, label, kind, source FROM label") == [("ann", 1, "bot", "review")]
    assert shop.read(OPEN, "trailguard_analyst") == [("bob", 2, "uncertain")]
    assert SuggestionStore(shop.writer).labelled_users().to_pylist() == ["ann"]
    assert shop.flagged() == set()
    with pytest.raises(psycopg2.errors.ForeignKeyViolation, match="there is no such flag: user bob"):
        review(shop, "bob", 1, "good")


def test_suggesting_again_replaces_what_was_suggested_of_the_same_users_and_keeps_the_others(shop: Shop):
    suggest(shop, ("ann", 0.5, "uncertain"), ("bob", 0.4, "uncertain"))
    suggest(shop, ("cem", None, "unlike"), ("ann", 0.5, "diverse"))
    again = [("cem", 1, "unlike"), ("ann", 2, "diverse"), ("bob", 2, "uncertain")]
    assert sorted(shop.read(OPEN, "trailguard_analyst")) == sorted(again)


def test_a_review_of_a_flag_that_is_not_there_is_refused(shop: Shop):
    with pytest.raises(psycopg2.errors.ForeignKeyViolation, match="there is no such flag: user ann"):
        review(shop, "ann", 0, "good")
