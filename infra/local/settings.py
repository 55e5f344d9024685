"""<home>/stack.json: what a later `up` must find again."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ml.files import write_json


@dataclass
class Settings:
    """ports: service -> port. variables: environment beside our own. prepared: schema -> version it stands at.

    secure: whether MLflow asks everybody who they are.
    """

    ports: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    prepared: dict[str, str] = field(default_factory=dict)
    secure: bool = False

    @classmethod
    def load(cls, home: Path) -> "Settings":
        file = home / "stack.json"
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def save(self, home: Path) -> None:
        write_json(home / "stack.json", asdict(self))
