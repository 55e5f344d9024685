"""Every handoff between DAGs, in the order data travels."""

from airflow.sdk import Asset

EVENTS = Asset("events")  # validated partitions in the lake
LABELS = Asset("labels")  # rows of the label table
CANDIDATE = Asset("candidate")  # a registered version that wants to be promoted; `extra` says which
CHAMPION = Asset("champion")  # the version whose flags the recommender reads
FLAGS = Asset("flags")  # a published interval of the flag tables
ALERTS = Asset("alerts")  # what the monitor found wrong, and what it does about it
