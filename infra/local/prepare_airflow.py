"""Makes Airflow ready before its first service starts: passwords of its users, database schema, the gpu pool.

Runs Airflow's own commands one after another in this process, because each start of its command line takes 4 s.
"""

import json
import os
from pathlib import Path

from infra.local.environment import USERS
from infra.local.secrets import write_private

COMMANDS = (
    ("db", "migrate"),
    ("pools", "set", "gpu", "1", "one training at a time: they share the accelerator, or the cores"),
)


def write_passwords() -> None:
    """Writes the file that the simple auth manager reads; it would generate and print passwords of its own."""
    passwords = {user: os.environ[name] for user, name in USERS.items()}
    file = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    write_private(file, json.dumps(passwords))


def main() -> None:
    """Needs the services' environment and the users' passwords, as AIRFLOW_ADMIN_PASSWORD and so on."""
    write_passwords()
    from airflow.cli.cli_parser import get_parser

    for command in COMMANDS:
        arguments = get_parser().parse_args(command)
        arguments.func(arguments)


if __name__ == "__main__":
    main()
