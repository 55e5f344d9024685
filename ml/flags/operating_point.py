"""The threshold that a model version's bundle carries, under the id by which the flags name it."""

import hashlib
import json
from pathlib import Path

from ml.contracts.flags import Threshold
from ml.contracts.intervals import parse_time
from ml.errors import InputAbsent

FILE = "threshold.json"


def read_threshold(bundle: Path, model_name: str, model_version: str) -> Threshold:
    """Raises InputAbsent where the bundle carries none. The id follows from the content: same facts, same id."""
    path = bundle / FILE
    if not path.exists():
        raise InputAbsent(threshold=path)
    facts = json.loads(path.read_text())
    content = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    return Threshold(
        threshold_id=f"{model_name}-{model_version}-{content}",
        model_name=model_name,
        model_version=model_version,
        **facts | {"valid_from": parse_time(facts["valid_from"])},
    )
