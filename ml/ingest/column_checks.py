"""Turns a file's text columns into a contract's typed ones and says of each row which column broke, and how."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from ml.contracts.intervals import EARLIEST, LATEST, Interval
from ml.contracts.labels import NO_KIND
from ml.datasets.columns import NumberColumn, TextColumn, TimeColumn, VerdictColumn
from ml.datasets.times import read_times
from ml.ingest.batch import Batch

LONGEST_ID = 256  # characters; ids are keys in Postgres, whose index entries end at 2,704 bytes
LONGEST_TEXT = 65_536  # characters of a text extra
FIRST, END = (int(moment.timestamp()) * 1_000_000 for moment in (EARLIEST, LATEST))
CONTROL = r"[\x00-\x1f\x7f-\u{9f}]"
_CONTROL_IN_TEXT = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\u{9f}]"  # a text may hold tabs and line breaks
DAY = 86_400_000_000  # microseconds

# Beside the contract's columns: where the row stood, what was wrong, and its UTC day (null: the row is undated).
LINE, RAW, REASON, BROKEN, DS = "_line", "_raw", "_reason", "_column", "_ds"
_KIND = "\x00kind"  # a name that no file's column has


@dataclass(frozen=True)
class Times:
    """Of each row: the text, whether it is a time we take, and whether that lies outside the file's period."""

    texts: pl.Series
    readable: pl.Series
    outside_period: pl.Series


class ColumnChecks:
    """Collects typed columns and, for each, the reason that breaks a row."""

    def __init__(self, texts: pl.DataFrame):
        self.texts = texts
        self.values: list[pl.Series] = []
        self.reasons: list[tuple[str, pl.Expr]] = []
        self.day = pl.Series(DS, [], pl.Date)

    def text(self, name: str, spec: TextColumn | None, *, required: bool = True, long: bool = False) -> None:
        if spec is None or spec.value is not None:
            self._constant(name, spec and spec.value, pl.String)
            return
        value = present(spec.column)
        checks = [("missing", value.is_null())] if required else []
        checks += [
            ("control_character", value.str.contains(_CONTROL_IN_TEXT if long else CONTROL)),
            ("value_too_long", value.str.len_chars() > (LONGEST_TEXT if long else LONGEST_ID)),
        ]
        self._reason(name, checks)
        if spec.values is not None:
            mapped = value.replace_strict(spec.values, default=None, return_dtype=pl.String)
            self._reason(name, [("unknown", value.is_not_null() & mapped.is_null())])
            value = mapped
        self._value(name, value)

    def number(self, name: str, spec: NumberColumn | None, *, share: bool = False) -> None:
        if spec is None or spec.value is not None:
            self._constant(name, spec and spec.value, pl.Float64)
            return
        text = present(spec.column).str.strip_chars()
        value = text.cast(pl.Float64, strict=False) + 0.0  # of -0, which equals 0, there is no second one
        unreadable = text.is_not_null() & value.is_null()
        checks = [("unreadable_number", unreadable), ("number_not_finite", ~value.is_finite())]
        if share:
            checks += [("missing", text.is_null()), ("not_a_share", ~value.is_between(0, 1, closed="right"))]
        self._reason(name, checks)
        self._value(name, value)

    def verdict(self, name: str, spec: VerdictColumn) -> None:
        if spec.value is not None:
            self._constant(name, int(spec.value), pl.Int8)
            return
        text = present(spec.column).str.strip_chars()
        codes = {key: int(value) for key, value in spec.values.items()}
        value = text.replace_strict(codes, default=None, return_dtype=pl.Int8)
        self._reason(name, [("missing", text.is_null()), ("unknown", value.is_null())])
        self._value(name, value)

    def kind(self, name: str, spec: TextColumn, label: pl.Series) -> None:
        """Label 0 has no kind, whatever its cell says; label 1 must have one."""
        told = present(spec.column) if spec.column else pl.lit(spec.value)
        kind = pl.when(pl.lit(label) == 0).then(pl.lit(NO_KIND)).otherwise(told)
        self.texts = self.texts.with_columns(kind.alias(_KIND))
        values = spec.values and {**spec.values, NO_KIND: NO_KIND}
        self.text(name, TextColumn(column=_KIND, values=values))
        self._reason(name, [("unknown", (pl.lit(label) == 1) & (pl.lit(self.values[-1]) == NO_KIND))])

    def time(self, name: str, spec: TimeColumn, *, period: Interval | None, delay_days: int = 0) -> Times:
        text = self.texts.select(present(spec.column)).to_series()
        happened = read_times(text, spec.format, spec.zone)
        times = happened + delay_days * DAY
        in_range = times.is_between(FIRST, END - 1).fill_null(False)
        outside = in_range & ~_within(happened, period)
        dated = in_range & ~outside
        found = pl.lit(times)
        self._reason(
            name,
            [
                ("missing", pl.lit(text).is_null()),
                ("unreadable_time", found.is_null()),
                ("time_out_of_range", ~pl.lit(in_range)),
                ("outside_file_period", pl.lit(outside)),
            ],
        )
        kept = times.set(~dated, None)
        self.values.append(kept.cast(pl.Datetime("us", "UTC")).alias(name))
        self.day = kept.cast(pl.Datetime("us")).cast(pl.Date).alias(DS)
        return Times(text, in_range, outside)

    def rows(self, batch: Batch) -> pl.DataFrame:
        where = [pl.Series(LINE, batch.lines, pl.Int64), pl.Series(RAW, batch.raw)]
        reason = pl.coalesce(pl.lit(None, pl.String), *(reason for _, reason in self.reasons)).alias(REASON)
        column = pl.coalesce(
            pl.lit(None, pl.String),
            *(pl.when(reason.is_not_null()).then(pl.lit(name)) for name, reason in self.reasons),
        ).alias(BROKEN)
        broken = self.texts.select(reason, column)
        return pl.DataFrame([*self.values, *where, broken[REASON], broken[BROKEN], self.day])

    def _reason(self, name: str, checks: Iterable[tuple[str, pl.Expr]]) -> None:
        """A reason about a value's absence or its code names the column: missing_user_id, unknown_label."""
        for reason, broken in checks:
            told = f"{reason}_{name}" if reason in ("missing", "unknown") else reason
            self.reasons.append((name, pl.when(broken).then(pl.lit(told))))

    def _value(self, name: str, value: pl.Expr) -> None:
        self.values.append(self.texts.select(value.alias(name)).to_series())

    def _constant(self, name: str, value: object, dtype: pl.DataType) -> None:
        self.values.append(pl.repeat(value, self.texts.height, dtype=dtype, eager=True).alias(name))


def present(column: str) -> pl.Expr:
    """The text, null where it is empty or blank."""
    text = pl.col(column)
    return pl.when(text.str.strip_chars() != "").then(text)


def _within(times: pl.Series, period: Interval | None) -> pl.Series:
    if period is None:
        return pl.repeat(True, len(times), eager=True)
    start, end = (int(moment.timestamp()) * 1_000_000 for moment in (period.start, period.end))
    return times.is_between(start, end - 1).fill_null(False)
