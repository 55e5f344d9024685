"""The quarantine contract: every row that broke a contract, whole, with where it stood and why it was refused."""

import pyarrow as pa

VERSION = 1
ERASED = "erased"  # the reason of a row of a user who was erased; nothing else is left of it than its line

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("source_file", pa.string(), nullable=False),  # relative to the dataset's folder
        pa.field("source_line", pa.int64(), nullable=False),  # 1 is the file's first line; for Parquet, its first row
        pa.field("column", pa.string()),  # the contract's column that broke, absent when the whole line did
        pa.field("reason", pa.string(), nullable=False),  # stable snake_case id
        pa.field("raw", pa.string(), nullable=False),  # the raw line, or Parquet's flat columns as JSON
    ]
)
