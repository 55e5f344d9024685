"""Every handoff between DAGs, in the order data travels."""

from airflow.sdk import Asset

EVENTS = Asset("events")  # validated partitions in the lake
LABELS = Asset("labels")  # rows of the label table
CHALLENGER = Asset("challenger")  # a registered version that waits for promotion
CHAMPION = Asset("champion")  # the version whose flags the recommender reads
FLAGS = Asset("flags")  # a published interval of the flag tables
ALERTS = Asset("alerts")  # what the monitor found wrong, and what it does about it
