"""An open shop for each test, empty."""

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection

from tests.integration.flags.shop import RoleUrl, Shop


@pytest.fixture(scope="module")
def open_shop(url_of: RoleUrl) -> Shop:
    return Shop(url_of)


@pytest.fixture
def shop(open_shop: Shop) -> Shop:
    open_shop.empty()
    open_shop.lake.scores.clear()
    return open_shop


@pytest.fixture
def reading(shop: Shop) -> Iterator[connection]:
    """A recommender that has begun to read the flags and does not end."""
    with closing(psycopg2.connect(shop.recommender)) as session:
        with session.cursor() as rows:
            rows.execute("SELECT count(*) FROM current_flag")
        yield session
