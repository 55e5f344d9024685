"""The registered model as MLflow loads it: from this code and the bundle beside it, without a pickle.

MLflow runs this file (models from code) with a copy of the `ml` package beside it, so that a process without this
repository can load and score.
"""

import mlflow
import pandas as pd


class TrailModel(mlflow.pyfunc.PythonModel):
    """Scores whole trails.

    predict takes event rows as `ml.registry.model_input` describes them and
    returns one row for each user: user_id, evidence (see ml.contracts.scores.Evidence), and logit and score, nan unless
    the evidence is sufficient.
    """

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        from pathlib import Path

        from ml.scoring.scorer import Scorer

        self.scorer = Scorer.load(Path(context.artifacts["bundle"]))

    def predict(
        self, context: mlflow.pyfunc.PythonModelContext, model_input: pd.DataFrame, params=None
    ) -> pd.DataFrame:
        from ml.registry.model_input import from_model_input

        sequences = from_model_input(model_input)
        judged = self.scorer.score_users(sequences)
        return pd.DataFrame({"user_id": sequences.user_ids.to_pylist(), **vars(judged)}).rename(
            columns={"logits": "logit", "scores": "score"}
        )


mlflow.models.set_model(TrailModel())
