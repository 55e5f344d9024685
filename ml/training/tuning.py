"""How a model is fine-tuned, as data."""

from enum import StrEnum


class Tuning(StrEnum):
    """Which weights move: all, low-rank adapters of them and the head, or the head alone."""

    FULL = "full"
    LORA = "lora"
    FROZEN = "frozen"
