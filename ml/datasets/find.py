"""Finds the dataset that a user means: a shipped one by name, their own by path."""

from pathlib import Path

from ml.datasets.descriptor import Descriptor, load_descriptor, shipped_names
from ml.errors import ExitCode, TrailguardError

OWN = "dataset.yaml"


class DatasetUnknown(TrailguardError):
    """No dataset goes by that name or path.

    Give a shipped name, the path of a descriptor, a folder that holds a dataset.yaml, or a folder named like a shipped
    descriptor.
    """

    exit_code = ExitCode.USAGE


def find_dataset(data: str) -> Descriptor:
    """The descriptor that `data` means, with the folder of its files where that is known.

    A folder or file of that path wins over a shipped name. Raises DatasetUnknown, DescriptorInvalid.
    """
    try:
        path = Path(data).expanduser()
        found = next((place for place in (path, path / OWN) if place.is_file()), None)
        name = path.resolve().name if path.is_dir() else ""
    except (OSError, ValueError, RuntimeError):  # longer than any path, no text, or the home of nobody
        raise DatasetUnknown(data=ascii(data), shipped=", ".join(shipped_names())) from None
    if found:
        return load_descriptor(found)
    if name in shipped_names():
        return load_descriptor(name, folder=path)
    if data in shipped_names():
        return load_descriptor(data)
    raise DatasetUnknown(data=repr(data), shipped=", ".join(shipped_names()))
