"""The model owner: a person who answers by a rule that is said beforehand, from what the question tells and no more."""

from dataclasses import dataclass

APPROVE, REJECT = "Approve", "Reject"
RULE = (
    "I approve a challenger that finds at least half of those whom the champion flags, and flags at most twice as many "
    "users as the champion does. Where there is no champion yet, the gate is enough."
)
SHARED, TIMES = 0.5, 2.0


@dataclass(frozen=True)
class Answer:
    """option: as Airflow offers it. why: in the owner's words."""

    option: str
    why: str


def answer(question: str) -> Answer:
    """question: the body of what promote_model asks, with the gate's report and that of the shadow days."""
    flags = read_agreement(question)
    if flags is None:
        return Answer(APPROVE, "there is no champion to compare it with, and it passed the gate")
    both, champion_alone, challenger_alone = flags
    champion, challenger = both + champion_alone, both + challenger_alone
    told = f"it flags {challenger} users where the champion flags {champion}, {both} of them the same"
    if both < SHARED * champion:
        return Answer(REJECT, f"{told}: it misses more than half of the champion's")
    if challenger > TIMES * champion:
        return Answer(REJECT, f"{told}: that is more than twice as many")
    return Answer(APPROVE, told)


def read_agreement(question: str) -> tuple[int, int, int] | None:
    """Users flagged by both, by the champion alone, by the challenger alone over all shadow days; None without such."""
    for line in question.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "all":
            return tuple(int(cell.split()[0]) for cell in cells[2:5])
    return None
