"""A container's health check: `python -m infra.docker.check_health URL [COMPONENT]`, exit status 0 when healthy.

Standard library only, because it runs every few seconds in every container.
"""

import json
import sys
import urllib.error
import urllib.request


def is_healthy(url: str, component: str | None = None) -> bool:
    """Whether the address answers, and what Airflow's health report says of one of its components."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own address, from the Compose file)
            return component is None or json.load(answer)[component]["status"] == "healthy"
    except urllib.error.URLError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(*sys.argv[1:]) else 1)
