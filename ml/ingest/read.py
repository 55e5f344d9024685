"""Streams any supported data file as batches of text columns."""

from collections.abc import Iterable, Iterator

from ml.datasets.file_pattern import SourceFile
from ml.ingest.batch import Batch


def read_rows(
    source: SourceFile, asked: Iterable[str], *, required: Iterable[str] = (), one_line: Iterable[str] = ()
) -> Iterator[Batch]:
    """Yields every row of a CSV, JSON-lines or Parquet file, in batches of bounded size; no line is lost.

    A line that is no row is in `rejects`; a blank line is nothing. For Parquet a row's number stands for its line.
    asked: columns to return. required: those that each JSON-lines file must have; CSV and Parquet must have all.
    one_line: columns whose values never hold a line break, by which a CSV quote left open is told from a long value.
    Raises ColumnAbsent, HeaderUnreadable, ColumnNested, SourceUnreadable.
    """
    name = source.name.removesuffix(".gz")
    if name.endswith(".csv"):
        from ml.ingest.read_csv import CsvReader

        return CsvReader(source, asked, one_line).read()
    if name.endswith(".jsonl"):
        from ml.ingest.read_json import JsonLinesReader

        return JsonLinesReader(source, asked, required).read()
    from ml.ingest.read_parquet import ParquetReader

    return ParquetReader(source, asked).read()
