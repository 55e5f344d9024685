"""The key to pseudonyms: made only where asked for, kept, told to nobody."""

import json
import subprocess
import sys

import pytest

from infra.local.environment import environment
from infra.local.secrets import PSEUDONYM_KEY, ensure_secrets, pseudonym_key
from infra.local.site import COMPOSE
from ml.ingest.pseudonyms import Pseudonyms
from ml.settings import Settings, SettingsInvalid, settings


def test_a_key_is_made_once_and_only_where_asked_for(tmp_path):
    plain, _ = ensure_secrets(tmp_path / "plain.env")
    assert PSEUDONYM_KEY not in plain
    assert environment(COMPOSE, plain)[PSEUDONYM_KEY] == ""
    first, added = ensure_secrets(tmp_path / "plain.env", pseudonym_key())
    again, added_again = ensure_secrets(tmp_path / "plain.env", pseudonym_key())
    assert (added, added_again) == ({PSEUDONYM_KEY}, set())
    assert environment(COMPOSE, again)[PSEUDONYM_KEY] == first[PSEUDONYM_KEY]
    assert len(first[PSEUDONYM_KEY]) == 64


def test_a_key_shows_in_no_setting_s_text_and_a_short_one_is_refused_without_being_quoted(monkeypatch):
    key = "s3cret" * 6
    assert key not in repr(Settings(pseudonym_key=key))
    monkeypatch.setenv(PSEUDONYM_KEY, "too-short-s3cret")
    settings.cache_clear()
    with pytest.raises(SettingsInvalid, match=r"TRAILGUARD_PSEUDONYM_KEY=.*at least 32") as refused:
        settings()
    settings.cache_clear()
    assert "too-short-s3cret" not in str(refused.value)


@pytest.mark.parametrize("key", ["", "k" * 32])
def test_the_command_line_tells_what_a_user_is_called(tmp_path, key):
    command = [sys.executable, "-m", "ml", "pseudonym", "--user-id", "ann"]
    given = {PSEUDONYM_KEY: key, "TRAILGUARD_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["user_id"] == (Pseudonyms(key).of("ann") if key else "ann")
    assert not key or key not in done.stdout + done.stderr


@pytest.mark.parametrize("asked", [[], ["--user-id", "ann", "--user-digest", "a" * 64], ["--user-digest", "ann"]])
def test_an_erasure_asks_for_one_of_id_and_digest(tmp_path, asked):
    command = [sys.executable, "-m", "ml", "erase-user", "--reason", "x", "--requested-by", "dora", *asked]
    given = {"TRAILGUARD_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Exactly one of the user's id and digest" in done.stderr
