"""Passwords and keys: generated at first start, kept in a file of mode 600, printed once."""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from infra.postgres import roles

ROLES = ("airflow", "mlflow", *roles.ROLES)


def password_name(role: str) -> str:
    """The name under which a database role's password is kept, for example MLFLOW_DB_PASSWORD."""
    return f"{role.upper()}_DB_PASSWORD"


def _token() -> str:
    return secrets.token_hex(16)


def _typeable() -> str:
    return secrets.token_urlsafe(12)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


GENERATORS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": _token,
    **{password_name(role): _token for role in ROLES},
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_hex(64),  # signed with HS512, which wants 64 bytes
    "AIRFLOW_API_SECRET_KEY": _token,
    "AIRFLOW_FERNET_KEY": _fernet_key,
    "TRAILGUARD_HOLDOUT_KEY": _token,
    "AIRFLOW_ADMIN_PASSWORD": _typeable,
    "AIRFLOW_VIEWER_PASSWORD": _typeable,
    "MLFLOW_SECRET_KEY": _token,
    "MLFLOW_ADMIN_PASSWORD": _typeable,
    "MLFLOW_PIPELINE_PASSWORD": _token,
    "MLFLOW_PROMOTER_PASSWORD": _token,
    "MLFLOW_VIEWER_PASSWORD": _typeable,
}
PSEUDONYM_KEY = "TRAILGUARD_PSEUDONYM_KEY"  # made only where users are to be known by pseudonyms


def pseudonym_key() -> dict[str, str]:
    """A new one, for ensure_secrets to keep beside the others."""
    return {PSEUDONYM_KEY: secrets.token_hex(32)}


def secrets_file(home: Path) -> Path:
    return home / "secrets.env"


def write_private(path: Path, text: str) -> None:
    """Replaces a file by one that only its owner may read, without a moment in which others could."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(unfinished, path)


def load_secrets(path: Path) -> dict[str, str]:
    """Reads NAME=value lines; a missing file is an empty dict."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def ensure_secrets(path: Path, others: Mapping[str, str] = MappingProxyType({})) -> tuple[dict[str, str], set[str]]:
    """Returns every value of the file and the names that this call added; what is there already stays.

    others: values to be kept beside the generated ones.
    """
    known = load_secrets(path)
    missing = (GENERATORS.keys() | others.keys()) - known.keys()
    if missing:
        known |= {name: value for name, value in others.items() if name in missing}
        known |= {name: generate() for name, generate in GENERATORS.items() if name in missing}
        write_private(path, "".join(f"{name}={value}\n" for name, value in known.items()))
    return known, missing
