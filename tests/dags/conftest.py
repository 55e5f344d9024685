"""The DAG files as Airflow reads them, from a bag over a throw-away Airflow home."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TELLS = "import json, os, sys\nprint(json.dumps({'asked': sys.argv[1:], **os.environ}))\n"


@pytest.fixture(scope="session")
def dags(tmp_path_factory: pytest.TempPathFactory):
    os.environ.update(
        AIRFLOW_HOME=str(tmp_path_factory.mktemp("airflow")),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
        AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL="error",
    )
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture
def telling_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages, of ml and of `telling`, that do nothing but tell what they were asked and their environment."""
    (tmp_path / "telling.py").write_text(TELLS)
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "__main__.py").write_text(TELLS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
