"""Every fault, by group."""

from tests.fault import killed

GROUPS = (killed,)
FAULTS = tuple(fault for group in GROUPS for fault in group.FAULTS)
