"""Alerts told to whoever listens at an address."""

from collections.abc import Mapping

import httpx

from ml.errors import ExitCode, TrailguardError

TIMEOUT = 10.0  # seconds


class WebhookUnheard(TrailguardError):
    """The webhook did not take the alerts.

    They are in alert_history all the same. See whether its address (TRAILGUARD_ALERT_WEBHOOK) is right and answers.
    """

    exit_code = ExitCode.ABSENT


def send(address: str, told: Mapping[str, object]) -> None:
    """POSTs JSON. Raises WebhookUnheard, without the address, which may hold a key."""
    try:
        httpx.post(address, json=told, timeout=TIMEOUT).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise WebhookUnheard(status=error.response.status_code) from None
    except httpx.HTTPError as error:
        raise WebhookUnheard(said=type(error).__name__) from None
