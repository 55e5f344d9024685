import stat

from infra.local.secrets import GENERATORS, ensure_secrets


def test_secrets_are_readable_by_their_owner_only(tmp_path):
    ensure_secrets(tmp_path / "secrets.env")
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


def test_every_secret_is_generated_once(tmp_path):
    first, generated = ensure_secrets(tmp_path / "secrets.env")
    again, generated_again = ensure_secrets(tmp_path / "secrets.env")
    assert generated == first.keys() == GENERATORS.keys()
    assert (again, generated_again) == (first, set())


def test_no_two_secrets_are_alike(tmp_path):
    one, _ = ensure_secrets(tmp_path / "one.env")
    other, _ = ensure_secrets(tmp_path / "other.env")
    assert len({*one.values(), *other.values()}) == 2 * len(GENERATORS)


def test_a_secret_that_a_person_set_stays(tmp_path):
    file = tmp_path / "secrets.env"
    file.write_text("# chosen by hand\nMLFLOW_DB_PASSWORD=a=b\n")
    secrets, generated = ensure_secrets(file)
    assert secrets["MLFLOW_DB_PASSWORD"] == "a=b"
    assert generated == GENERATORS.keys() - {"MLFLOW_DB_PASSWORD"}
