"""Users under other names: a keyed hash, which only a holder of the key can repeat."""

import hmac
import json
from functools import lru_cache
from pathlib import Path

import polars as pl
import pyarrow as pa

from ml.errors import ExitCode, TrailguardError
from ml.files import new_file
from ml.ingest.batch import Batch
from ml.ingest.column_checks import CONTROL, LONGEST_ID

DIGITS = 32  # hexadecimal, 128 bits: that two of a billion users get one name has a probability of 10^-21
REMEMBERED = 2**18  # users, of whom most come again in the next batch
IDENTITY = "identity.json"  # in the lake: which key its users' names were made with
_MARK = "\x00which key"  # no user has this name, for an id holds no control character


class PseudonymKeyChanged(TrailguardError):
    """The lake was filled under another pseudonym key, or under none: a user would stand in it under two names.

    Set TRAILGUARD_PSEUDONYM_KEY to the key that it was filled with (secrets.env of the state folder, .env for Compose);
    to change the key, ingest everything again into an empty lake and an empty database.
    """

    exit_code = ExitCode.USAGE


class Pseudonyms:
    """HMAC-SHA-256 of user ids. key: the deployment's secret."""

    def __init__(self, key: str):
        self._key = key.encode()
        self.of = lru_cache(REMEMBERED)(self._hash)

    def _hash(self, user_id: str) -> str:
        """The name that the user has everywhere behind ingestion: DIGITS hexadecimal digits."""
        return hmac.digest(self._key, user_id.encode(), "sha256").hex()[:DIGITS]

    @property
    def fingerprint(self) -> str:
        """Tells one key from another and nothing about either."""
        return self.of(_MARK)

    def veil(self, batch: Batch, columns: frozenset[str]) -> Batch:
        """The batch without a user id in clear. columns: those of the file that hold one.

        An id that breaks the contract is replaced by one that breaks it in the same way. No row is kept as it was read;
        of a line that is no row nothing is, for nobody knows where an id is in it.
        """
        texts = batch.texts
        for name in columns.intersection(texts.column_names):
            texts = texts.set_column(texts.column_names.index(name), name, self._rename(texts[name]))
        rejects = [reject._replace(raw="") for reject in batch.rejects]
        return Batch(texts, batch.lines, pa.nulls(len(batch.lines), pa.string()), rejects)

    def _rename(self, users: pa.ChunkedArray) -> pa.Array:
        """Each different id of a batch is looked at once."""
        coded = users.combine_chunks().dictionary_encode()
        known = pl.Series("user", coded.dictionary, pl.String)
        user = pl.col("user")
        named = (
            pl.when(user.str.contains(CONTROL))
            .then(pl.lit("\x01"))
            .when(user.str.len_chars() > LONGEST_ID)
            .then(pl.lit("-" * (LONGEST_ID + 1)))
            .when(user.str.strip_chars() == "")
            .then(user)
            .otherwise(pl.Series(map(self.of, known.to_list()), dtype=pl.String))
        )
        return pl.DataFrame(known).select(named).to_series().to_arrow().cast(pa.string()).take(coded.indices)


def require_same_key(lake: Path, pseudonyms: Pseudonyms | None) -> None:
    """Raises PseudonymKeyChanged unless this is the key, or the absence of one, under which the lake was filled."""
    found, wanted = _identity(lake), pseudonyms and pseudonyms.fingerprint
    if found is not None and found["key"] != wanted:
        raise PseudonymKeyChanged(lake=lake, filled_under=found["key"] or "no key", set_now=wanted or "no key")


def take_identity(lake: Path, pseudonyms: Pseudonyms | None) -> None:
    """Lets an empty lake be of this key from now on; of two that come at once, of the first one's.

    Raises PseudonymKeyChanged where it is of another.
    """
    require_same_key(lake, pseudonyms)
    if not (lake / IDENTITY).exists():
        with new_file(lake / IDENTITY, replace=False) as unfinished:
            unfinished.write_text(json.dumps({"key": pseudonyms and pseudonyms.fingerprint}))
        require_same_key(lake, pseudonyms)


def _identity(lake: Path) -> dict[str, str | None] | None:
    """None: the lake is empty. Lakes of earlier versions were all filled in clear."""
    if (lake / IDENTITY).exists():
        return json.loads((lake / IDENTITY).read_text())
    return {"key": None} if (lake / "events").is_dir() else None
