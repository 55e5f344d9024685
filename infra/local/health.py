"""Whether a service works: asked over HTTP, as a load balancer or Kubernetes would."""

from datetime import datetime
from functools import lru_cache

import httpx
import psutil

from infra.local.services import Service

HEALTHY = "healthy"


def check(service: Service, process: psutil.Process) -> str:
    """HEALTHY, or what is wrong in a few words."""
    try:
        answer = _client().get(service.health)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    if answer.status_code != httpx.codes.OK:
        return f"HTTP {answer.status_code}"
    return HEALTHY if service.heartbeat is None else _heartbeat(answer.json(), service.heartbeat, process)


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    """One for all: making a client reads every certificate of the machine, 50 ms of work each time."""
    return httpx.Client(trust_env=False, timeout=5)  # loopback is asked directly, whatever proxy the environment names


def _heartbeat(report: dict, key: str, process: psutil.Process) -> str:
    """A heartbeat counts only when this process, not one before it, gave it."""
    beat = report[key].get(f"latest_{key}_heartbeat")
    if beat is None or datetime.fromisoformat(beat).timestamp() < process.create_time():
        return "no heartbeat yet"
    return report[key]["status"]
