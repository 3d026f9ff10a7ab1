"""
A bug report for the libraries' maintainers, in the form that stable-baselines3 and sb3-contrib ask for.

Its headings are those of their template ``bug_report.yml``: Bug, To Reproduce, Relevant log output / Error message,
System Info, Checklist. What is rendered here must have been redacted before (:mod:`reports.redaction.document`): markup
would hide tokens from it. Local variables are in it only if they were asked for, twice.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from probes import causes, code
from probes.diagnosis import Diagnosis, Evidence
from reports import local_variables, wording
from reports import markdown as md
from reports.issue.reproducer import Reproducer
from reports.local_variables import ThreadVariables

REPRODUCER = "reproducer.py"
_CONTRIB = "sb3_contrib"
_MAX_FRAMES = 30
_MAX_STACKS = 3
_MAX_EVIDENCE = 12
_MAX_MESSAGE = 4000
_NOT_TOLD = ("preflight", "wait-graph")
"""Advice for the user, and what is a table in the report."""
_AGENT = "/probes/agent/"
"""Of the run's own FreezeLab, which need not be this one."""
_OF_DEATH = ("uncaught-exception", "memory-error", "death-stack")
_SYSTEM = (
    ("Stable-Baselines3", "stable-baselines3"),
    ("SB3-Contrib", "sb3-contrib"),
    ("PyTorch", "torch"),
    ("Numpy", "numpy"),
    ("Cloudpickle", "cloudpickle"),
    ("Gymnasium", "gymnasium"),
    ("OpenAI Gym", "gym"),
)
"""Named and ordered as ``sb3.get_system_info()`` does."""


@dataclass(frozen=True)
class Example:
    """What shows the failure to somebody else; all of it redacted."""

    reproducer: Reproducer | None = None
    why_none: str | None = None
    """Why there is no reproducer."""
    story: tuple[str, ...] = ()
    """What bisecting and shrinking have found, in sentences without their full stops."""
    command: tuple[str, ...] = ()
    """What the reproducer is made of, where that is not the command of the run that is reported."""


def render(diagnosis: Diagnosis, example: Example, variables: Sequence[ThreadVariables] = ()) -> str:
    """
    The report as GitHub-flavoured markdown.

    :param diagnosis: redacted.
    :param variables: local variables to be shown, redacted.
    """
    reproducer = example.reproducer
    return (
        "\n\n".join(
            (
                _title(diagnosis),
                *_for_the_author(diagnosis, reproducer),
                "### 🐛 Bug",
                *_bug(diagnosis),
                "### To Reproduce",
                *_to_reproduce(diagnosis, example),
                "### Relevant log output / Error message",
                *_log(diagnosis),
                *local_variables.folds(variables),
                "### System Info",
                _system(diagnosis),
                "### Checklist",
                _checklist(diagnosis, reproducer),
            )
        )
        + "\n"
    )


def project(diagnosis: Diagnosis) -> str:
    """Whose maintainers it is for: that of the culprit, and sb3-contrib if its algorithm trained."""
    culprit = diagnosis.culprit.library if diagnosis.culprit else None
    algorithm = str((diagnosis.environment.get("training") or {}).get("algorithm_module") or "")
    if culprit == _CONTRIB or (culprit != "stable_baselines3" and algorithm.startswith(_CONTRIB)):
        return "sb3-contrib"
    return "stable-baselines3"


def _title(diagnosis: Diagnosis) -> str:
    where = f" in {diagnosis.culprit.function}" if diagnosis.culprit else ""
    step = f" at step {diagnosis.step}" if diagnosis.step is not None else ""
    during = f" during {diagnosis.phase}" if diagnosis.phase else ""
    return f"# [Bug]: {md.text(f'{diagnosis.verdict}{during}{step}{where}')}"


def _for_the_author(diagnosis: Diagnosis, reproducer: Reproducer | None) -> Iterator[str]:
    """Hints that GitHub does not show."""
    hints = [
        f"For the issue tracker of {project(diagnosis)}: the first line is the title, the rest the text.",
        "Read it before you send it: secrets, user names and home folders were replaced as far as they were known.",
    ]
    culprit = diagnosis.culprit
    if culprit is not None and culprit.library is None:
        hints.append("The culprit is code of your own: the maintainers can hardly help, unless a library led there.")
    if reproducer is not None:
        hints.append(f"The code under To Reproduce lies beside this file as {REPRODUCER}; run it once yourself.")
    # Two hyphens would end the comment.
    yield "<!--\n" + "\n".join(hints).replace("--", "- -") + "\n-->"


def _bug(diagnosis: Diagnosis) -> Iterator[str]:
    yield md.text(diagnosis.summary)
    yield (
        f"FreezeLab's verdict is {md.code(diagnosis.verdict)} (confidence {diagnosis.confidence:.2f})"
        + (f", in {md.code(wording.place(diagnosis.culprit))}" if diagnosis.culprit else "")
        + "."
    )
    cause = causes.by_id(diagnosis.cause)
    if cause is not None:
        yield f"{cause.explanation}\n\n**What helps:** {cause.advice} (<{cause.reference}>)"
    rows = wording.visible_iterations(diagnosis)
    if rows:
        yield md.table(
            ("at step", "rollout", "the update after it", "minibatches"),
            [
                (
                    str(row["step"]),
                    wording.seconds(row["collect_s"]),
                    wording.seconds(row["train_s"]),
                    str(row["minibatches"]),
                )
                for row in rows[:5]
            ],
            numeric=range(4),
        )
    yield from _evidence(diagnosis.evidence)


def _evidence(items: tuple[Evidence, ...]) -> Iterator[str]:
    said = [
        f"- after {wording.seconds(item.at_s)}: {md.text(item.says)}" for item in items if item.kind not in _NOT_TOLD
    ]
    if said:
        yield md.fold("What was seen", "\n".join(said[:_MAX_EVIDENCE]))


def _to_reproduce(diagnosis: Diagnosis, example: Example) -> Iterator[str]:
    reproducer, why_none = example.reproducer, example.why_none
    if example.story:
        yield " ".join(f"{md.text(each)}." for each in example.story)
    if reproducer is None:
        yield f"It was seen with this command{f'; {md.text(why_none)}' if why_none else ''}:"
        yield md.block(shlex.join(diagnosis.command), "bash")
        if example.command and example.command != diagnosis.command:
            yield "Shrunk, that is:"
            yield md.block(shlex.join(example.command), "bash")
        return
    whose = "shrunk run" if example.command and example.command != diagnosis.command else "run"
    yield f"One file, with the versions of the {whose} at its head:"
    yield md.block(shlex.join(["uv", "run", REPRODUCER, *reproducer.arguments]), "bash")
    yield md.block(reproducer.text, "python")
    if reproducer.notes:
        yield f"Wherein it differs from the {whose}: " + "; ".join(md.text(note) for note in reproducer.notes) + "."


def _log(diagnosis: Diagnosis) -> Iterator[str]:
    told = False
    if diagnosis.signal is not None:
        after = f", after: {diagnosis.signal.heap_message}" if diagnosis.signal.heap_message else ""
        yield md.block(f"ended by {diagnosis.signal.name}{after}")
        told = True
    stacks = [item for item in diagnosis.evidence if item.detail.get("frames")]
    stacks.sort(key=lambda item: item.kind not in _OF_DEATH)
    for place, item in enumerate(stacks[:_MAX_STACKS]):
        told = True
        error = item.detail.get("type")
        first = f"{error}: {item.detail.get('message')}"[:_MAX_MESSAGE] + "\n" if error else ""
        shown = md.block(first + "\n".join(_frames(item)))
        if place:
            yield md.fold(f"{item.kind}, innermost call first", shown)
        else:
            yield f"{md.text(item.kind)}, innermost call first ('>' marks code outside torch, numpy and Python itself):"
            yield shown
    profile = next((item for item in diagnosis.evidence if item.kind == "samples" and item.detail.get("rows")), None)
    if profile is not None:
        told = True
        yield md.block(_profile(profile))
    if not told:
        yield "No stack was taken."


def _frames(item: Evidence) -> Iterator[str]:
    """The calls that matter: of a run of engine frames (torch, numpy, Python itself) the first says enough."""
    frames = item.detail["frames"]
    if isinstance(frames[0], dict):  # a traceback comes outermost first
        frames = [[row["function"], row["file"], row["line"]] for row in reversed(frames)]
    frames = [frame for frame in frames if not code.is_ours(str(frame[1])) and _AGENT not in str(frame[1])]
    left_out = 0
    before = False
    for function, file, line in frames[:_MAX_FRAMES]:
        engine = code.is_engine(str(file))
        if engine and before:
            left_out += 1
            continue
        if left_out:
            yield f"    … {left_out} more of torch, numpy or Python"
            left_out = 0
        yield f"{'  ' if engine else '> '}{function}  {code.place(str(file), line)}"
        before = engine
    rest = left_out + max(0, len(frames) - _MAX_FRAMES)
    if rest:
        yield f"    … {rest} more"


def _profile(item: Evidence) -> str:
    lines = [f"{item.detail.get('samples')} samples below {item.detail.get('below')}:"]
    lines += [f"{row['share']:6.0%}  {row['function']}  {row['place']}" for row in item.detail["rows"]]
    return "\n".join(lines)


def _system(diagnosis: Diagnosis) -> str:
    environment = diagnosis.environment
    training = environment.get("training") or {}
    known = {
        **{str(name).replace("_", "-"): version for name, version in (training.get("libraries") or {}).items()},
        **(environment.get("packages") or {}),
    }
    cpu = environment.get("cpu") or {}
    rows = [
        ("OS", environment.get("platform")),
        ("Python", environment.get("python")),
        *((title, known.get(name)) for title, name in _SYSTEM),
        ("Device", training.get("device")),
        ("GPU", environment.get("gpu") or "none seen"),
        ("CPU", f"{cpu.get('model')}, {cpu.get('cores')} cores" if cpu.get("model") else None),
        ("WSL", "yes" if environment.get("wsl") else None),
        ("Threads of torch", training.get("torch_threads")),
    ]
    lines = [f"- {title}: {md.text(value)}" for title, value in rows if value is not None]
    settings = training.get("hyperparameters") or {}
    if training.get("algorithm"):
        told = ", ".join(f"{name}={value}" for name, value in settings.items() if value is not None)
        lines.append(f"- Algorithm: {md.text(training['algorithm'])} ({md.text(told)})")
    return "\n".join(lines)


def _checklist(diagnosis: Diagnosis, reproducer: Reproducer | None) -> str:
    """What a program can see to is ticked; the rest is for the author."""
    contrib = project(diagnosis) == "sb3-contrib"
    owner, docs = (
        ("Stable-Baselines-Team/stable-baselines3-contrib", "sb3-contrib")
        if contrib
        else ("DLR-RM/stable-baselines3", "stable-baselines3")
    )
    boxes: Iterable[tuple[bool, str]] = (
        (False, f"No [issue](https://github.com/{owner}/issues) in the repository is about the same thing"),
        (False, f"The [documentation](https://{docs}.readthedocs.io/en/master/) has no answer"),
        (reproducer is not None, "There is a minimal example that reproduces it"),
        (True, "Code and stack traces are in code blocks"),
    )
    return "\n".join(f"- [{'x' if ticked else ' '}] {what}" for ticked, what in boxes)
