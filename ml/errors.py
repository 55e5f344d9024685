"""The one base class of every error Trailguard raises on purpose."""

import inspect
from enum import IntEnum


class ExitCode(IntEnum):
    """What a stage's exit status means to whoever started it."""

    OK = 0
    BUG = 1  # unexpected: retrying may help, a report certainly does
    USAGE = 2  # wrong arguments or settings: never retry
    REFUSED = 3  # a gate said no, or the input breaks its contract: never retry
    ABSENT = 4  # an input is not there yet: retry later


class TrailguardError(Exception):
    """Something Trailguard refuses to do.

    The class docstring is the message: its first paragraph tells what happened, the facts follow as name=value,
    and the second paragraph, if there is one, says what to do about it. The facts are attributes of the error.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, **facts: object):
        for name, value in facts.items():
            setattr(self, name, value)
        happened, _, advice = inspect.cleandoc(type(self).__doc__ or "").partition("\n\n")
        told = " ".join(f"{name}={value}" for name, value in facts.items())
        sentences = [" ".join(happened.split()), f"{told}." if told else "", " ".join(advice.split())]
        super().__init__(" ".join(sentence for sentence in sentences if sentence))


class InputAbsent(TrailguardError):
    """An input that this stage needs is not there.

    Run the stage that makes it first, or wait until it has run.
    """

    exit_code = ExitCode.ABSENT
