"""A content digest of a bundle folder, recorded at registration and checked at every fetch."""

import hashlib
from pathlib import Path


def folder_digest(folder: Path, pattern: str = "*") -> str:
    """SHA-256 over the names and contents of the folder's files that match, in name order, as 64 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob(pattern) if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
