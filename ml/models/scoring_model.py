"""What a bundle's model is to whoever scores with it."""

from abc import ABC, abstractmethod

import numpy as np

from ml.sequences.features import Steps


class ScoringModel(ABC):
    """Gives a trail the logit of its user being anomalous, given the steps so far.

    A user's logits depend on their own steps alone, whoever else is scored with them.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """As figures call it."""

    @abstractmethod
    def logits(self, steps: Steps) -> np.ndarray:
        """float32 (events,): the logit at every step; later steps never change it."""

    @abstractmethod
    def last_logits(self, steps: Steps) -> np.ndarray:
        """float32 (users,): the logit at each user's last step."""
