"""Every fault, by group."""

from tests.fault import killed, labels, mlflow, models, partitions, postgres, services, storage, training, triggers

GROUPS = (killed, services, postgres, mlflow, models, training, storage, partitions, labels, triggers)
FAULTS = tuple(fault for group in GROUPS for fault in group.FAULTS)
