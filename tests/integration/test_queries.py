"""The queries of README.md are run as they are printed."""

import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from ml.contracts.labels import LABEL_SCHEMA
from ml.flags.store import FlagStore
from ml.flags.thresholds import ThresholdStore
from ml.ingest.label_store import LabelStore
from tests.flag_rows import THRESHOLD, Lake, day, event_flags_of, flags_of, run_of

PAGE = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```sql\n-- as (\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
BATCH = {("user-17", None), ("user-23", None), ("user-23", "review-7")}


@pytest.fixture(scope="module")
def shop(url_of: Callable[[str], str]) -> Callable[[str], str]:
    """user-17 and user-23 are flagged on the first day; user-42 was, and is cleared on the second."""
    store = FlagStore(url_of("trailguard_writer"))
    ThresholdStore(url_of("trailguard_writer")).record(THRESHOLD)
    lake = Lake({(day(1), "1"): {"user-42": 0.2}})
    first, second = run_of(day(0), 4), run_of(day(1), 4)
    events = event_flags_of(first, {("user-23", "review-7"): 0.8})
    store.publish(first, flags_of(first, {"user-17": 0.95, "user-23": 0.9, "user-42": 0.8}), lake.scored_below, events)
    store.publish(second, flags_of(second, {}), lake.scored_below)
    verdict = {"user_id": "user-23", "label": 1, "kind": "bot", "source": "moderators", "confidence": 1.0}
    observed = {"event_id": None, "observed_at": datetime(2014, 3, 3, tzinfo=UTC)}
    LabelStore(url_of("trailguard_writer")).append(pa.Table.from_pylist([verdict | observed], schema=LABEL_SCHEMA))
    return url_of


def answers(shop: Callable[[str], str]) -> list[list[tuple]]:
    """What each block of the page returns, in its order."""
    found = []
    for role, statement in BLOCKS:
        with closing(psycopg2.connect(shop(role))) as session, session, session.cursor() as rows:
            rows.execute(statement)
            found.append(rows.fetchall() if rows.description else [])
    return found


def test_the_page_holds_five_queries_and_the_review_they_lead_to():
    assert [role for role, _ in BLOCKS] == ["trailguard_recommender"] * 2 + ["trailguard_analyst"] * 4
    assert PAGE.read_text(encoding="utf-8").count("```sql") == len(BLOCKS)


def test_every_query_answers_its_question(shop: Callable[[str], str]):
    one, batch, first, _review, history, counts = answers(shop)
    assert [(score, threshold) for score, threshold, _ in one] == [(0.95, 0.5)]
    assert {(user, event) for user, event, _ in batch} == BATCH
    assert [(row[0], row[3]) for row in first] == [("user-17", "pace"), ("user-23", "pace")]
    assert [row[1:3] + row[-2:] for row in history] == [("cleared", "review", "good", "dora")]
    shares = [(scored, active, cleared) for _, _, scored, active, cleared, *_ in counts]
    assert shares == [(4, 3, 0), (4, 0, 1)]
    assert [row[6] for row in counts] == [1, 0]
    assert counts[0][7] == 1
