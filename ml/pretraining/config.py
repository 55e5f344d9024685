"""How an encoder is pre-trained, as data."""

from enum import StrEnum


class Objective(StrEnum):
    """next-event and masked-event: say what an event is like, from the events before it. coles: tell users apart."""

    NEXT_EVENT = "next-event"
    MASKED_EVENT = "masked-event"
    COLES = "coles"
