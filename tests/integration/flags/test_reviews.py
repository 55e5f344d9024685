from contextlib import closing

import psycopg2
import pytest

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


def test_a_review_of_a_flag_that_is_not_there_is_refused(shop: Shop):
    with pytest.raises(psycopg2.errors.ForeignKeyViolation, match="there is no such flag: user ann"):
        review(shop, "ann", 0, "good")
