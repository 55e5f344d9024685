import pytest

from ml.errors import InputAbsent
from ml.registry.digest import folder_digest
from ml.registry.fetched import BundleDamaged, require_digest, require_sound


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "trailguard" / "7"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    require_digest(folder, folder_digest(folder))
    return folder


def test_a_sound_copy_is_used_as_often_as_wanted(bundle):
    assert require_sound(bundle) == require_sound(bundle) == bundle


def test_a_copy_that_rots_after_it_was_fetched_is_refused_and_taken_away(bundle):
    (bundle / "model.onnx").write_bytes(b"weighty")
    with pytest.raises(BundleDamaged, match="version=7"):
        require_sound(bundle)
    assert not bundle.exists()


def test_a_copy_that_nobody_fetched_is_absent(tmp_path):
    with pytest.raises(InputAbsent):
        require_sound(tmp_path / "trailguard" / "8")
