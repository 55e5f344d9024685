"""What a deployment decides: read once from the environment, frozen, passed down."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml.errors import ExitCode, TrailguardError


class SettingsInvalid(TrailguardError):
    """A setting is missing or wrong.

    Each is an environment variable; `python -m infra.local env` prints those of the running stack.
    """

    exit_code = ExitCode.USAGE


class Settings(BaseSettings):
    """Environment variables TRAILGUARD_*, in upper case."""

    model_config = SettingsConfigDict(env_prefix="TRAILGUARD_", frozen=True, extra="forbid")

    home: Path = Path(".trailguard/current")
    dataset: str = "marketplace"  # a shipped descriptor's name, a descriptor's path or a folder
    database_url: str = ""  # SQLAlchemy URL of the writer role
    mlflow_tracking_uri: str = ""
    model_name: str = "trailguard"  # in production; candidates are versions of a model of their own
    pseudonym_key: SecretStr = SecretStr("")  # users are known by a hash under this key alone; none: by the shop's ids
    window: int = Field(64, ge=8)  # newest events of a user that the model sees
    precision_floor: float = Field(0.9, gt=0, lt=1)  # of flags, at `confidence`
    fpr_ceiling: float = Field(0.05, gt=0, le=1)  # largest share of good users that may be flagged, at `confidence`
    alert_budget: float = Field(0.2, gt=0, le=1)  # largest share of an interval's scored users that may be flagged
    confidence: float = Field(0.95, gt=0.5, lt=1)
    holdout_share: float = Field(0.02, ge=0, lt=0.5)  # of would-be flags, never acted on
    holdout_key: SecretStr = SecretStr("")  # decides who is held out; whoever knows it can tell
    shadow_days: int = Field(3, ge=0)  # for which a challenger is scored beside the champion before a person is asked
    alert_webhook: SecretStr = SecretStr("")  # address that alerts are posted to; it may hold a key
    flag_expiry_days: int = Field(30, ge=1)
    users_per_shard: int = Field(250_000, ge=1)
    quarantine_limit: float = Field(0.05, ge=0, le=1)  # largest share of a batch's rows that may be quarantined
    events_at_once: int = Field(1_500_000, ge=1)  # held in memory while sequences are built
    lake: Path = Field(default_factory=lambda known: known["home"] / "lake")
    data_docs: Path = Field(default_factory=lambda known: known["home"] / "data_docs")

    @property
    def candidates_name(self) -> str:
        """The registered model that training writes; a promotion copies its versions."""
        return f"{self.model_name}-candidates"

    @property
    def backbones_name(self) -> str:
        return f"{self.model_name}-backbone"

    @field_validator("pseudonym_key")
    @classmethod
    def long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < 32:
            raise ValueError("a pseudonym key has at least 32 characters")
        return key

    def changed(self, values: dict[str, str]) -> "Settings":
        """The same with other values for some. Raises SettingsInvalid."""
        return _checked(**self.model_dump() | values)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings. Raises SettingsInvalid, naming each variable that is wrong."""
    return _checked()


def _checked(**values: object) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = {f"TRAILGUARD_{'_'.join(map(str, item['loc'])).upper()}": item["msg"] for item in error.errors()}
        raise SettingsInvalid(**wrong) from None
