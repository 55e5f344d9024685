"""Which candidate a promotion is about."""

from types import SimpleNamespace

import pytest
from trailguard_promotion import check

pytestmark = pytest.mark.usefixtures("telling_stages")


def registered(*versions: str) -> dict[str, list[SimpleNamespace]]:
    """What Airflow tells of the trainings that started a DAG run."""
    return {"candidate": [SimpleNamespace(extra={"model": "trailguard-candidates", "version": v}) for v in versions]}


BY_HAND = {"candidate": [SimpleNamespace(extra={"from_rest_api": True})]}


@pytest.mark.parametrize(
    ("named", "events", "asked"),
    [
        (None, registered("7"), "7"),
        (None, registered("9", "10"), "10"),
        ("3", {}, "3"),
        (None, {}, ""),
        (None, BY_HAND, ""),
    ],
    ids=[
        "the one that was registered",
        "the newest of several",
        "whom a person names",
        "the newest, where nobody is named",
        "the newest, where a person has created the event",
    ],
)
def test_the_gate_is_asked_about(named: str | None, events: dict, asked: str):
    assert check(named, events)["asked"] == ["check-gate", "--version", asked]
