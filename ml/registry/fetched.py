"""Fetched model bundles: each time one is used, whether it still is what was registered."""

import shutil
from pathlib import Path

from ml.errors import InputAbsent, TrailguardError
from ml.files import write_text
from ml.registry.digest import folder_digest


class BundleDamaged(TrailguardError):
    """A fetched model bundle differs from what was registered, so it is not loaded.

    The copy is gone: clear the stage that plans, which fetches another. Where that is refused too, restore the artifact
    in MLflow's store, or roll the alias back to a sound version.
    """


def require_digest(bundle: Path, recorded: str) -> None:
    """Takes the copy away where it has another digest, and else notes the digest beside it. Raises BundleDamaged."""
    found = folder_digest(bundle)
    if found != recorded:
        shutil.rmtree(bundle)
        raise BundleDamaged(model=bundle.parent.name, version=bundle.name, recorded=recorded[:12], found=found[:12])
    note = _note(bundle)
    if not note.is_file() or note.read_text() != recorded:
        write_text(note, recorded)


def require_sound(bundle: Path) -> Path:
    """The bundle, which was fetched earlier; MLflow is not asked. Raises InputAbsent, BundleDamaged."""
    note = _note(bundle)
    if not (bundle.is_dir() and note.is_file()):
        raise InputAbsent(bundle=bundle)
    require_digest(bundle, note.read_text())
    return bundle


def _note(bundle: Path) -> Path:
    return bundle.with_name(f"{bundle.name}.sha256")
