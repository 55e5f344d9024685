"""Models compared under one protocol: on anyone's files, without Airflow, a database or a registry."""
