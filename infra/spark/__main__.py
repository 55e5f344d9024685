"""`python -m infra.spark`: makes Spark's environment and prints what a shell needs to call its spark-submit."""

import sys

from infra.spark.environment import FOLDER, install, java_home
from ml.errors import TrailguardError


def main() -> None:
    java = java_home()
    install()
    binaries = FOLDER / "bin"
    print(f"export JAVA_HOME={java} PYSPARK_PYTHON={binaries / 'python'} PATH={binaries}:$PATH")  # noqa: T201


if __name__ == "__main__":
    try:
        main()
    except TrailguardError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
