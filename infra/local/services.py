"""What runs, declared once: the embedded stack starts these commands, and a test holds docker-compose.yml to them."""

from dataclasses import dataclass

from infra.local.site import Site

MONITOR = "/api/v2/monitor/health"
PREPARE_MLFLOW = ("python", "-m", "infra.local.prepare_mlflow")
PREPARE_ACCOUNTS = ("python", "-m", "infra.local.prepare_accounts")
PREPARE_AIRFLOW = ("python", "-m", "infra.local.prepare_airflow")


@dataclass(frozen=True)
class Service:
    """A long-running program.

    command: `python` stands for the interpreter that the deployment uses.
    health: the address that tells, by HTTP, whether it works.
    heartbeat: its key in Airflow's health report; None when it is the server that answers.
    opens: the address that a person opens in a browser.
    """

    name: str
    command: tuple[str, ...]
    health: str
    heartbeat: str | None = None
    opens: str | None = None


def services(site: Site) -> tuple[Service, ...]:
    """In the order in which they are started; PostgreSQL, which they all need, comes before."""
    monitor = f"http://{site.airflow}{MONITOR}"
    mlflow_port = site.mlflow.rpartition(":")[2]
    mlflow_options = ("--host", site.bind, "--port", mlflow_port, "--workers", "1", "--serve-artifacts")
    # with workspaces, who was granted nothing may do nothing; without them anybody could create models and experiments
    guard = ("--app-name", "basic-auth", "--enable-workspaces") if site.secure else ()
    # Airflow's log servers would listen on every interface; the API server reads the files from the shared folder
    no_log_server = "--skip-serve-logs"
    return (
        Service(
            "mlflow",
            ("python", "-m", "mlflow", "server", *mlflow_options, *guard),
            f"http://{site.mlflow}/health",
            opens=f"http://{site.mlflow}",
        ),
        Service(
            "api-server",
            ("python", "-m", "airflow", "api-server"),
            monitor,
            opens=f"http://{site.airflow_in_browser}",
        ),
        Service("scheduler", ("python", "-m", "airflow", "scheduler", no_log_server), monitor, "scheduler"),
        Service("dag-processor", ("python", "-m", "airflow", "dag-processor"), monitor, "dag_processor"),
        Service("triggerer", ("python", "-m", "airflow", "triggerer", no_log_server), monitor, "triggerer"),
    )
