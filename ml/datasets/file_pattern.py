"""Finds a dataset's files by a pattern such as `events/%Y-%m.csv.gz` and tells which period each file holds."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from ml.contracts.intervals import Interval
from ml.errors import TrailguardError

FORMATS = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
_FIELDS = {"Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}"}
LONGEST_PART, LONGEST_PATTERN = 255, 1024  # bytes; of a name, file systems take no more
_TOKEN = re.compile(r"\*\*/|\*|\?|%.?|[^*?%]+")


class FileNameWrong(TrailguardError):
    """A data file's name matches the descriptor's pattern, but its date does not exist, or it is no UTF-8.

    Rename the file.
    """


@dataclass(frozen=True)
class SourceFile:
    """name: relative to the dataset's folder. period: the UTC interval whose rows the file holds, if its name says."""

    path: Path
    name: str
    period: Interval | None = None


def _checked(pattern: str) -> str:
    parts = PurePosixPath(pattern)
    if parts.is_absolute() or ".." in parts.parts or "\\" in pattern or "\0" in pattern:
        raise ValueError("a path stays inside the dataset's folder: relative, with / and without ..")
    if not pattern.endswith(FORMATS):
        raise ValueError(f"files must end in one of {', '.join(FORMATS)}")
    if len(pattern.encode()) > LONGEST_PATTERN or any(len(part.encode()) > LONGEST_PART for part in parts.parts):
        raise ValueError("the path is longer than any file's")
    if any("**" in part and part != "**" for part in parts.parts):
        raise ValueError("** stands for whole folders: put it between slashes")
    fields = {token[1:] for token in _TOKEN.findall(pattern) if token.startswith("%")}
    if unknown := fields - set(_FIELDS):
        raise ValueError(f"%{min(unknown)} is not one of %Y, %m, %d, %H")
    if fields != set(list(_FIELDS)[: len(fields)]):
        raise ValueError("a finer field needs the coarser ones: %Y, then %m, then %d, then %H")
    return pattern


FilePattern = Annotated[str, AfterValidator(_checked)]


def find_files(folder: Path, pattern: str, zone: str) -> list[SourceFile]:
    """Every file in the folder that matches, sorted by name. Raises FileNameWrong."""
    return sorted(_matches(folder, pattern, ZoneInfo(zone)), key=lambda source: source.name)


def _matches(folder: Path, pattern: str, zone: ZoneInfo) -> Iterator[SourceFile]:
    expression = re.compile(_expression(pattern))
    for path in folder.glob(re.sub(r"%.", "*", pattern).replace("[", "[[]")):
        name = _utf8(path.relative_to(folder).as_posix())
        matched = expression.fullmatch(name)
        if matched and path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            yield SourceFile(path, name, _period(name, matched.groupdict(), zone))


def _utf8(name: str) -> str:
    """The name itself. Python spells bytes of a file's name that are no UTF-8 as halves of characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise FileNameWrong(file=os.fsencode(name).decode("utf-8", errors="backslashreplace")) from None
    return name


def _expression(pattern: str) -> str:
    wild = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    seen, parts = set(), []
    for token in _TOKEN.findall(pattern):
        if token.startswith("%"):
            field = token[1:]
            parts.append(f"(?P={field})" if field in seen else f"(?P<{field}>{_FIELDS[field]})")
            seen.add(field)
        else:
            parts.append(wild.get(token) or re.escape(token))
    return "".join(parts)


def _period(name: str, fields: dict[str, str], zone: ZoneInfo) -> Interval | None:
    if not fields:
        return None
    year, month, day, hour = (int(fields.get(field, least)) for field, least in zip("YmdH", (1, 1, 1, 0), strict=True))
    try:
        start = datetime(year, month, day, hour, tzinfo=zone)
        return Interval(start.astimezone(UTC), _next(start, len(fields)).astimezone(UTC))
    except (ValueError, OverflowError):  # the calendar's last year has no next one
        raise FileNameWrong(file=name) from None


def _next(start: datetime, fields: int) -> datetime:
    """The local start of the period that follows one named by that many fields."""
    if fields == 1:
        return start.replace(year=start.year + 1)
    if fields == 2:
        return (start + timedelta(days=31)).replace(day=1)
    if fields == 3:
        return start + timedelta(days=1)
    return (start.astimezone(UTC) + timedelta(hours=1)).astimezone(start.tzinfo)
