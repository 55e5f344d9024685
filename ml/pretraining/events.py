"""Pretexts about single events: what comes next, and what was hidden.

Both ask a linear layer above the backbone for an event's codes (cross-entropy) and for those of its numbers that
describe the event by itself (squared error); running aggregates are left out, for the step before gives them away.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from ml.models.config import ModelConfig
from ml.pretraining.pretext import TooFewTrails
from ml.sequences.batches import each_batch, pad_values
from ml.sequences.features import PADDING, Featurizer, Steps
from ml.training.batches import SHOWN_CLOSED, OpenedDays, PackedBatch
from ml.training.config import TrainingConfig
from ml.training.dealing import Dealer
from ml.training.learner import Learner
from ml.training.trainer import choose_pack

HIDDEN = 0.15  # share of events, as in BERT (Devlin et al. 2018, arXiv:1810.04805)
TOKENS = 4096


class EventLoss(keras.losses.Loss):
    """For each step the mean squared error of its numbers plus the mean cross-entropy, in nats, of its codes.

    Call arguments:
        targets: float32 (..., numbers + codes).
        given: float32 (..., numbers + sum(sizes)): numbers, then each code's logits.
    """

    def __init__(self, numbers: int, sizes: tuple[int, ...]):
        super().__init__(name="event_loss", reduction="sum")
        self.numbers, self.sizes = numbers, sizes

    def call(self, targets: object, given: object) -> object:
        losses, begin = [], self.numbers
        for index, size in enumerate(self.sizes, start=self.numbers):
            code = ops.cast(targets[..., index], "int32")
            logits = given[..., begin : begin + size]
            losses.append(ops.sparse_categorical_crossentropy(code, logits, from_logits=True))
            begin += size
        loss = sum(losses) / len(losses)
        if self.numbers:
            errors = ops.square(targets[..., : self.numbers] - given[..., : self.numbers])
            loss = loss + ops.mean(errors, axis=-1)
        return loss


@dataclass(frozen=True)
class Question:
    """numeric, categorical: the inputs to show, of all events. asked: bool (events,), where something is asked.
    answers: int64 (events,), the event that is asked for there."""

    numeric: np.ndarray
    categorical: np.ndarray
    asked: np.ndarray
    answers: np.ndarray


class EventPretext:
    """See Pretext.

    Next event: at each step, what is the following one? Masked event: some steps' inputs are hidden (numbers are
    shown as their mean, codes as that of padding, whose embeddings say "hidden" from then on), and there, what was
    it? A causal encoder sees the past alone, so a hidden event is told from those before it and from where it stands.
    """

    def __init__(
        self,
        backbone: keras.Model,
        training: Steps,
        held_out: Steps,
        shape: ModelConfig,
        featurizer: Featurizer,
        config: TrainingConfig,
        seed: int,
        *,
        masked: bool,
    ):
        """Raises TooFewTrails."""
        self.training, self.held_out, self.seed, self.masked = training, held_out, seed, masked
        for steps in (training, held_out):
            if steps.lengths.max(initial=0) < 2:
                raise TooFewTrails(training=len(training.lengths), held_out=len(held_out.lengths))
        self.numbers = featurizer.single_event_columns
        self.loss = EventLoss(len(self.numbers), shape.vocabulary_sizes)
        self.model = _ask(backbone, len(self.numbers) + sum(shape.vocabulary_sizes))
        self.opened = OpenedDays(featurizer)
        pack = choose_pack(self.model)
        self.dealer = Dealer(training.offsets, featurizer.window, pack, users_per_step=config.users_per_step)

    def __len__(self) -> int:
        return len(self.dealer)

    def trainer(self, learner: Learner) -> keras.Model:
        return learner.trainer(self.dealer.packing)

    def epoch(self, number: int) -> Iterator[PackedBatch]:
        rng = np.random.default_rng([self.seed, number])
        question = self._put(self.training, rng)
        for users in self.dealer.deal(rng):
            events, real = self.dealer.lay(users)
            asked = question.asked[events] & real
            yield PackedBatch(
                {"numeric": question.numeric[events][None], "categorical": question.categorical[events][None]},
                self._answers(self.training, question.answers[events])[None],
                (asked / max(1, asked.sum())).astype(np.float32)[None],
            )

    def judge(self) -> float:
        question = self._put(self.held_out, np.random.default_rng(self.seed))
        answers = self._answers(self.held_out, question.answers)
        shown, total = Steps(question.numeric, question.categorical, self.held_out.offsets), 0.0
        for batch, inputs in each_batch(shown, tokens=TOKENS):
            weights = pad_values(question.asked.astype(np.float32), shown.offsets, batch)
            events = pad_values(np.arange(len(answers)), shown.offsets, batch)
            total += float(self.loss(answers[events], self.model.predict_on_batch(inputs), sample_weight=weights))
        return total / max(1, int(question.asked.sum()))

    def _put(self, steps: Steps, rng: np.random.Generator) -> Question:
        """Closing steps are shown both ways, half the time each, as a model that starts from here will see them."""
        events = np.arange(len(steps.numeric))
        numeric, categorical = steps.numeric.copy(), steps.categorical.copy()
        self.opened.apply(numeric, rng.random(len(events)) >= SHOWN_CLOSED)
        if not self.masked:
            last = np.zeros(len(events), bool)
            last[steps.offsets[1:] - 1] = True
            return Question(numeric, categorical, ~last, np.minimum(events + 1, len(events) - 1))
        hidden = rng.random(len(events)) < HIDDEN
        numeric[hidden], categorical[hidden] = 0.0, PADDING
        return Question(numeric, categorical, hidden, events)

    def _answers(self, steps: Steps, events: np.ndarray) -> np.ndarray:
        """float32 (..., numbers + codes)."""
        return np.concatenate([steps.numeric[events][..., self.numbers], steps.categorical[events]], axis=-1)


def _ask(backbone: keras.Model, outputs: int) -> keras.Model:
    answer = layers.Dense(outputs, name="answer")(backbone.output)
    return keras.Model(backbone.input, answer, name="event_pretext")
