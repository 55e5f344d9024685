"""What a user leaves behind: rows of their own, and mentions in what is kept of others or of nobody."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLANK = "[erased]"
SHORTEST = 8  # characters of an id that nothing else can be, if it has letters and digits as well
NAMES_USERS = re.compile(r"(^|_)user(_id)?$")  # columns, in files and tables alike, whose every value is a user
RAW = "raw"  # of the quarantine: rows as they were read


def user_columns(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if NAMES_USERS.search(field.name) and _is_text(field.type)]


def text_columns(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if _is_text(field.type)]


@dataclass(frozen=True)
class Traces:
    """Of one user. user_id: the name that stands in the lake."""

    user_id: str

    @cached_property
    def telling(self) -> bool:
        """Whether the id, met anywhere, can only be this user. Another may be an item's, a price, a word."""
        letters, digits = any(map(str.isalpha, self.user_id)), any(map(str.isdigit, self.user_id))
        return len(self.user_id) >= SHORTEST and ((letters and digits) or "@" in self.user_id)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """As it is, and as JSON, CSV and HTML write it."""
        written = [json.dumps(self.user_id)[1:-1], self.user_id.replace('"', '""')]
        return tuple(dict.fromkeys(name for one in (self.user_id, *written) for name in (one, html.escape(one))))

    @cached_property
    def words(self) -> re.Pattern[str]:
        """The id where no letter or digit stands before or after it: user-17, but not user-170."""
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, self.spellings))})(?![^\W_])")

    @property
    def pattern(self) -> str | None:
        """`words` as PostgreSQL writes it; None where the id is not telling."""
        named = "|".join(map(re.escape, self.spellings))
        return f"(?<![[:alnum:]])(?:{named})(?![[:alnum:]])" if self.telling else None

    def of_user(self, table: pa.Table) -> np.ndarray:
        """bool (rows,): the user's own."""
        own = np.zeros(table.num_rows, bool)
        for name in user_columns(table.schema):
            own |= pc.fill_null(pc.equal(table[name], self.user_id), False).to_numpy()
        return own

    def remove(self, table: pa.Table) -> pa.Table:
        """Without the user's rows, and with what others' rows say of the user blanked."""
        own = self.of_user(table)
        return self.blank(table.filter(pa.array(~own)) if own.any() else table)

    def blank(self, table: pa.Table) -> pa.Table:
        """The same rows; where they mention the user, BLANK stands instead. A row as it was read is emptied."""
        for name, rows in self._mentions(table):
            old = table[name].to_pylist()
            for row in np.flatnonzero(rows):
                old[row] = "" if name == RAW else self.words.sub(BLANK, old[row])
            index, field = table.column_names.index(name), table.schema.field(name)
            table = table.set_column(index, field, pa.array(old, field.type))
        return table

    def count(self, table: pa.Table) -> dict[str, int]:
        """Column -> values that are, or mention, the user; columns without one are left out."""
        named = {name: pc.sum(pc.equal(table[name], self.user_id)).as_py() or 0 for name in user_columns(table.schema)}
        mentioned = {name: int(rows.sum()) for name, rows in self._mentions(table)}
        return {name: count for name, count in (named | mentioned).items() if count}

    def in_bytes(self, content: bytes) -> bool:
        """Whether a file that is no table holds the id; of one that is not telling nobody could say."""
        if not self.telling or not any(one.encode() in content for one in self.spellings):
            return False
        return self.words.search(content.decode("utf-8", errors="replace")) is not None

    def _mentions(self, table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
        """Columns that are not of users, with those of their values that mention this one; only where there are any."""
        users = set(user_columns(table.schema))
        for name in text_columns(table.schema):
            if name in users or not (self.telling or name == RAW):
                continue
            column = table[name].cast(pa.string())
            rows = np.zeros(table.num_rows, bool)
            for one in self.spellings:
                rows |= pc.fill_null(pc.match_substring(column, one), False).to_numpy()
            for row in np.flatnonzero(rows):
                rows[row] = self.words.search(column[int(row)].as_py()) is not None
            if rows.any():
                yield name, rows


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(value) or pa.types.is_large_string(value)
