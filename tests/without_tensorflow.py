"""Runs a piece of Python where TensorFlow cannot be imported, on JAX."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_without_tensorflow(code: str) -> subprocess.CompletedProcess:
    """What it printed, as text."""
    environment = {"KERAS_BACKEND": "jax", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    blocked = f"import sys\nsys.modules['tensorflow'] = None\n{code}"
    return subprocess.run(
        [sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
