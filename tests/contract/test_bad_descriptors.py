"""Any descriptor is refused at a place in it, or works on files that it fits and refuses those that it does not."""

import re
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from ml.contracts.intervals import Interval
from ml.datasets.descriptor import DescriptorInvalid, load_descriptor
from ml.errors import ExitCode, TrailguardError
from ml.ingest.ingest import stage_events, stage_labels
from ml.ingest.lake import EventLake
from tests.bad_descriptors import descriptors

DAY = Interval.parse("2014-03-01", "2014-03-02")
EVENTS = "id,user,at,kind,price,note,rating\ne1,u1,2014-03-01T10:00:00Z,v,1,n,3\ne2,u2,never,w,x,n,\n"
LABELS = "user,verdict,told\nu1,-1,26/02/2014 10:00\nu2,0,never\n"
RUN = settings(
    max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def test_any_descriptor_is_refused_at_a_place_or_works():
    seen = Counter()

    @RUN
    @given(descriptors())
    def read_any(data):
        with tempfile.TemporaryDirectory() as folder:
            seen[outcome(Path(folder) / "shop", data)] += 1

    read_any()
    assert seen["refused"] > 100
    assert seen["staged"] > 10
    assert seen["files refused"] > 0


def outcome(root: Path, data: bytes) -> str:
    for name, text in (("events/2014-03-01.csv", EVENTS), ("labels/l.csv", LABELS)):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text)
    path = root / "dataset.yaml"
    path.write_bytes(data)
    try:
        descriptor = load_descriptor(path)
    except DescriptorInvalid as error:
        assert re.search(rf"{re.escape(str(path))}:\d+:\d+ ", str(error))  # noqa: PT017 (any descriptor, most refused)
        return "refused"
    try:
        totals = [stage(descriptor, DAY, EventLake(root / "lake")).total for stage in (stage_events, stage_labels)]
    except TrailguardError as error:
        if error.exit_code is ExitCode.BUG:
            raise
        return "files refused"
    assert all(total.rows_in == total.accepted + total.duplicate + total.quarantined for total in totals)
    assert {found.name for found in root.parent.rglob("*") if found.is_file() and "lake" not in found.parts} == {
        "2014-03-01.csv", "l.csv", "dataset.yaml",
    }  # fmt: skip
    return "staged"
