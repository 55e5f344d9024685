"""Where a training stands, as one file: written after each epoch, whole or not at all. Holds no pickle."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ml.files import new_file

Arrays = list[np.ndarray]


@dataclass
class Progress:
    """Everything that the next epoch depends on.

    losses: the curves so far. averaged_steps: see AveragedWeights. arrays: name -> the weights, in the model's order.
    """

    losses: dict[str, list[float]]
    averaged_steps: int
    arrays: dict[str, Arrays] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """path: of the file. key: what the training is of; another training's checkpoint is not gone on from."""

    path: Path
    key: dict[str, object]

    def save(self, progress: Progress) -> None:
        facts = {"key": self.key, "losses": progress.losses, "averaged_steps": progress.averaged_steps}
        named = {
            f"{name}.{index}": array for name, arrays in progress.arrays.items() for index, array in enumerate(arrays)
        }
        with new_file(self.path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, facts=np.array(json.dumps(facts)), **named)

    def load(self) -> Progress | None:
        """None where there is none, or another training's."""
        if not self.path.exists():
            return None
        with np.load(self.path, allow_pickle=False) as found:
            facts = json.loads(str(found["facts"]))
            if facts["key"] != json.loads(json.dumps(self.key)):
                return None
            arrays: dict[str, dict[int, np.ndarray]] = {}
            for name in set(found.files) - {"facts"}:
                part, index = name.rsplit(".", 1)
                arrays.setdefault(part, {})[int(index)] = found[name]
        ordered = {name: [pieces[index] for index in sorted(pieces)] for name, pieces in arrays.items()}
        return Progress(facts["losses"], facts["averaged_steps"], ordered)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
