"""What spark-submit runs: `spark-submit infra/spark/submit.py STAGE ...` is `python -m ml STAGE ...` on the cluster."""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
runpy.run_module("ml", run_name="__main__")
