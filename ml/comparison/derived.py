"""The comparison that a training asks for: the protocol that follows from its snapshot, nobody having to write one."""

from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ml.comparison.protocol import Model, Period, Protocol, TimeSplit
from ml.training.snapshot import Snapshot

MODELS = (Model.LIGHTGBM, Model.GRU, Model.FUSION, Model.BLEND)  # the ones that have been worth their time
JUDGED = ("calibration", "threshold", "test")


def derive_protocol(snapshot: Snapshot, seed: int) -> Protocol:
    """Judged are the newest matured users, those of the slices JUDGED and whoever else was first seen on the day of the
    first of them. The models know what was known when that day began."""
    begun, shares = snapshot.users["first_event_time"], snapshot.shares
    judged = begun.filter(pc.is_in(snapshot.users["slice"], value_set=pa.array(JUDGED)))
    first = pc.min(judged).as_py().date()
    matured_before = _day_after(snapshot.as_of - snapshot.label_delay)
    return Protocol(
        history=Period(start=pc.min(begun).as_py().date(), end=_day_after(snapshot.as_of)),
        split=TimeSplit(by="time", train_before=first, test_from=first, test_until=matured_before),
        window=snapshot.window,
        validation=shares.validation / (shares.train + shares.validation),
        models=MODELS,
        seeds=(seed,),
    )


def _day_after(moment: datetime) -> date:
    """The first midnight that is not earlier."""
    return (moment + timedelta(days=1) - timedelta(microseconds=1)).date()
