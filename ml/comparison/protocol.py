"""The protocol of a comparison: a YAML file that says who is learned from, who is judged, when, and by which models."""

from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ml.datasets.columns import Name, Strict
from ml.datasets.yaml_lines import load_validated
from ml.errors import ExitCode, TrailguardError

SHIPPED = Path(__file__).parent / "protocols"
Days = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]


class ProtocolInvalid(TrailguardError):
    """A protocol is wrong.

    Mend it at the line and column named above; ml/comparison/protocol.py lists every key.
    """

    exit_code = ExitCode.USAGE


class Model(StrEnum):
    """What can be compared; the baseline always is. UNSUPERVISED models learn from good users alone."""

    LIGHTGBM = "lightgbm"
    GRU = "gru"
    LSTM = "lstm"
    TRANSFORMER = "transformer"
    FUSION = "fusion"
    BLEND = "blend"
    ISOLATION_FOREST = "isolation_forest"
    ONE_CLASS = "one_class"
    COMPLEMENTARY_GAN = "complementary_gan"
    PRETRAINED = "pretrained"
    LORA = "lora"
    FROZEN = "frozen"
    SECOND_LOOK = "second_look"
    DOUBTING = "doubting"
    SELF_TRAINED = "self_trained"


# a fusion, fine-tuned in one way or another
PRETRAINED = (Model.PRETRAINED, Model.LORA, Model.FROZEN, Model.SELF_TRAINED)
UNSUPERVISED = (Model.ISOLATION_FOREST, Model.ONE_CLASS, Model.COMPLEMENTARY_GAN)


def _default_models(given: dict[str, object]) -> tuple[Model, ...]:
    if given.get("learn_from") == "good":
        return (Model.ISOLATION_FOREST, Model.ONE_CLASS)
    return (Model.LIGHTGBM, Model.FUSION)


class Period(Strict):
    """The days of the dataset that exist for the comparison, [start, end)."""

    start: date
    end: date

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("a history ends after it starts")
        return self


class TimeSplit(Strict):
    """Trained as of train_before; judged are the users first seen in [test_from, test_until)."""

    by: Literal["time"]
    train_before: date
    test_from: date
    test_until: date

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if not self.train_before <= self.test_from < self.test_until:
            raise ValueError("train_before, test_from and test_until must follow each other")
        return self


class UserSplit(Strict):
    """Every user is judged once, by a model that was trained on the other folds' users."""

    by: Literal["user"]
    folds: Annotated[int, Field(ge=2, le=20)] = 5


class PrequentialSplit(Strict):
    """Fold after fold in time: `train_days` of first-seen users, `delay_days` in which their labels arrive, then
    `test_days`. The last fold's test days end where the history does, less the label delay; each fold before it lies
    test_days earlier."""

    by: Literal["prequential"]
    train_days: Days
    delay_days: Annotated[int, Field(ge=0)]
    test_days: Days
    folds: Annotated[int, Field(ge=1, le=50)]


class Protocol(Strict):
    """The YAML document.

    predict: users after `prefixes` events, or single events given their past.
    users: who takes part: `matured`, where a user whom no label calls anomalous within the label delay counts as good,
        or `labelled`, only users with a label of their own.
    event_types: where events are judged, only events of these types; absent, all are.
    learn_from: everybody, or `good` users alone, as in a shop that has no bad labels: nothing that rests on a bad label
        is then used in training, calibration or thresholds.
    label_share: the share of users of whom training is told what they are called, drawn by each seed; the others have
        no label then, nor do they count as good.
    flipped_labels: the share of the labelled users whose labels are turned round before it is told them.
    balanced_test: as many good as anomalous users are judged, drawn once, whatever the models' seeds.
    unseen: kinds of label that training never sees; the judged users and events of these kinds are judged all the same.
    window: events kept of each user. prefixes: after how many events users are judged; `all` is the newest window.
    validation: the share of training users, the newest of them, that stops, chooses and calibrates.
    refit: whether a model is then fitted again, with what was chosen, to training and validation users together.
    controls: the model that is trained anew on trails from which something was taken away; absent, none is.
    budget: users flagged a day, for precision at a budget.
    """

    history: Period
    split: Annotated[TimeSplit | UserSplit | PrequentialSplit, Field(discriminator="by")]
    predict: Literal["users", "events"] = "users"
    users: Literal["matured", "labelled"] = "matured"
    event_types: tuple[Name, ...] = ()
    unseen: tuple[Name, ...] = ()
    window: Annotated[int, Field(ge=2, le=1024)] = 64
    prefixes: Annotated[tuple[Annotated[int, Field(ge=1)] | Literal["all"], ...], Field(min_length=1)] = (
        3,
        5,
        10,
        "all",
    )
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    learn_from: Literal["all", "good"] = "all"
    balanced_test: bool = False
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    flipped_labels: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    refit: bool = True
    models: Annotated[tuple[Model, ...], Field(min_length=1, default_factory=_default_models)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    controls: Model | None = None
    budget: Annotated[int, Field(ge=1)] = 20

    @property
    def spoils_labels(self) -> bool:
        """Whether training is told few labels or wrong ones."""
        return self.label_share < 1 or self.flipped_labels > 0

    @property
    def baseline(self) -> Model:
        """What every other model is compared to, on the same users and columns."""
        return Model.ISOLATION_FOREST if self.learn_from == "good" else Model.LIGHTGBM

    @field_validator("models", "controls")
    @classmethod
    def can_learn(cls, given: object, info: ValidationInfo) -> object:
        """Refuses models that need bad labels where there are none."""
        models = given if isinstance(given, tuple) else (given,) if given else ()
        supervised = ", ".join(model for model in models if model not in UNSUPERVISED)
        if info.data.get("learn_from") == "good" and supervised:
            raise ValueError(f"{supervised} cannot learn from good users alone; {', '.join(UNSUPERVISED)} can")
        return given

    @model_validator(mode="after")
    def labelled_users(self) -> Self:
        if self.flipped_labels and self.users != "labelled":
            raise ValueError("flipped_labels is for users: labelled")
        if self.spoils_labels and self.predict == "events":
            raise ValueError("label_share and flipped_labels are for users, not for events")
        if self.predict == "users" and Model.SECOND_LOOK in (*self.models, self.controls):
            raise ValueError("second_look is for events, not for users")
        if self.predict == "events" and Model.DOUBTING in (*self.models, self.controls):
            raise ValueError("doubting is for users, not for events")
        if self.predict == "events" and not set(PRETRAINED).isdisjoint(self.models):
            raise ValueError(f"{', '.join(PRETRAINED)} are for users, not for events")
        if self.controls in PRETRAINED:
            raise ValueError("nothing is taken from the trails of pre-training, so no control can be pre-trained")
        return self

    @model_validator(mode="after")
    def good_users_not_events(self) -> Self:
        if self.predict == "events" and (self.balanced_test or not set(UNSUPERVISED).isdisjoint(self.models)):
            raise ValueError(f"balanced_test and {', '.join(UNSUPERVISED)} are for users, not for events")
        return self


def load_protocol(reference: str | Path) -> Protocol:
    """Reads a protocol by its shipped name or its path. Raises ProtocolInvalid naming file, line and column."""
    shipped = SHIPPED / f"{reference}.yaml"
    return load_validated(shipped if shipped.is_file() else Path(reference), Protocol, ProtocolInvalid)


def moment(day: date) -> datetime:
    """Its first moment, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
