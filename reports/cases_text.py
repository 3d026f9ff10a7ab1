"""What a terminal shows of the catalogue and of how well it is told."""

from __future__ import annotations

from collections.abc import Sequence

from matrix.cases.question import Answer, Question
from matrix.cases.scoring import HEALTHY, Score, Share, is_right

_SHORT = {
    "healthy": "heal",
    "slow-phase": "slph",
    "slowdown": "sldn",
    "spin": "spin",
    "deadlock": "dead",
    "blocked": "blok",
    "crash": "crsh",
    "exception": "exc",
    "oom": "oom",
    "corruption": "corr",
    "exit-hang": "exit",
}


def line(question: Question, answer: Answer) -> str:
    """One answer: ``c07-2          deadlock    0.97  collect  book        right``"""
    told = f"{answer.told_after_s:5.1f} s" if answer.told_after_s is not None else "       "
    right = _right(question, answer)
    where = f"{answer.phase or '-':<9} {answer.culprit or '-':<20.20}"
    return f"{question.name:<14} {answer.verdict:<11} {answer.confidence:.2f} {told}  {where} {right}"


def _right(question: Question, answer: Answer) -> str:
    if not is_right(question, answer):
        return f"WRONG, it is {' or '.join(question.verdicts)}"
    cause = " or ".join(question.causes) or "none that is known"
    wrong = [] if question.names_cause(answer.cause) else [f"the cause is {cause}"]
    if answer.verdict != HEALTHY and question.phases and answer.phase not in question.phases:
        wrong.append(f"the phase is {' or '.join(question.phases)}")
    if answer.verdict != HEALTHY and question.culprits and answer.culprit not in question.culprits:
        wrong.append(f"the culprit is {' or '.join(question.culprits)}")
    return f"right, but {', '.join(wrong)}" if wrong else "right"


def summary(score: Score) -> str:
    """The confusion matrix, the shares, the reliability, and each mistake."""
    parts = [_confusion(score), _per_verdict(score), _shares(score), _reliability(score)]
    if score.mistakes:
        wrong = [_mistake(item.question, item.answer, item.what) for item in score.mistakes]
        parts.append("\n".join(["wrong:", *wrong]))
    return "\n\n".join(parts)


def _confusion(score: Score) -> str:
    verdicts = [name for name in _SHORT if any(name in pair for pair in score.confusion)]
    head = f"{'true, given':<12}" + "".join(f"{_SHORT[name]:>6}" for name in verdicts)
    rows = [
        f"{true:<12}" + "".join(f"{score.confusion.get((true, given), 0) or '·':>6}" for given in verdicts)
        for true in verdicts
    ]
    return "\n".join([head, *rows])


def _per_verdict(score: Score) -> str:
    head = f"{'verdict':<12}{'precision':>18}{'recall':>18}"
    rows = [
        f"{name:<12}{_share(score.precision[name]):>18}{_share(score.recall[name]):>18}"
        for name in _SHORT
        if name in score.recall
    ]
    return "\n".join([head, *rows])


def _shares(score: Score) -> str:
    rows = [
        ("right verdict", _share(score.verdict)),
        ("right phase", _share(score.phase)),
        ("right culprit", _share(score.culprit)),
        ("right cause where one is claimed", _share(score.cause_claimed)),
        ("known causes that were named", _share(score.cause_known)),
        ("false alarms on healthy runs", f"{score.false_alarms.right} of {score.false_alarms.of}"),
        ("median time to the verdict", f"{score.told_after_s:.1f} s" if score.told_after_s is not None else "-"),
    ]
    return "\n".join(f"{name:<34} {value}" for name, value in rows)


def _reliability(score: Score) -> str:
    rows = ["confidence        right"]
    rows += [f"{low:.2f} .. {high:.2f}  {_share(share):>12}" for low, high, share in score.reliability]
    return "\n".join(rows)


def _share(share: Share) -> str:
    return "-" if share.value is None else f"{share.right}/{share.of} {100 * share.value:5.1f} %"


def _mistake(question: Question, answer: Answer, what: str) -> str:
    given, true = {
        "verdict": (answer.verdict, question.verdicts),
        "phase": (answer.phase, question.phases),
        "culprit": (answer.culprit, question.culprits),
        "cause": (answer.cause, question.causes or (None,)),
    }[what]
    return f"  {question.name:<14} {what}: {given}, true: {' or '.join(map(str, true))} ({question.family})"


def listing(cases: Sequence[tuple[str, str, str, str]]) -> str:
    """
    :param cases: name, family, verdicts, what.
    """
    return "\n".join(f"{name:<5} {family:<12} {verdict:<22} {what}" for name, family, verdict, what in cases)
