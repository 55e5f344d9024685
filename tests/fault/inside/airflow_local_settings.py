"""A cluster policy: what is retried after a minute in production is retried at once where faults are injected."""

from datetime import timedelta


def task_policy(task) -> None:
    task.retry_delay = timedelta(seconds=1)
    task.max_retry_delay = timedelta(seconds=1)  # the delay grows with each try, and a cleared task keeps its tries
