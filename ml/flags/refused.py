"""What PostgreSQL says of a fact that contradicts the others, in Trailguard's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from ml.errors import TrailguardError


class FlagsRefused(TrailguardError):
    """PostgreSQL refused the flags, and nothing of them was published.

    A constraint's name says which fact the flags contradict.
    """


@contextmanager
def refusals() -> Iterator[None]:
    """Raises FlagsRefused where a constraint is broken."""
    try:
        yield
    except (psycopg2.IntegrityError, psycopg2.DataError) as error:
        found = error.diag
        raise FlagsRefused(
            table=found.table_name,
            constraint=found.constraint_name,
            said=found.message_primary,
        ) from error
