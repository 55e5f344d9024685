"""What an init container runs before everything else: databases, roles, and the trailguard schema."""

import os

from infra.local.databases import create_roles_and_databases
from infra.postgres.migrate import migrate


def main() -> None:
    """Needs TRAILGUARD_SUPERUSER_URL, TRAILGUARD_OWNER_URL and every role's <ROLE>_DB_PASSWORD."""
    create_roles_and_databases(os.environ["TRAILGUARD_SUPERUSER_URL"], os.environ)
    for name in migrate(os.environ["TRAILGUARD_OWNER_URL"]):
        print(name)  # noqa: T201 (the container's log)


if __name__ == "__main__":
    main()
