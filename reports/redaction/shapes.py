"""
What secrets look like, and what they are called.

The shapes of tokens are those that their issuers document and that secret scanners look for. Every repetition has a
bound, or can't overlap with what stands before it: a log of one endless line must not cost minutes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

SECRET = "<redacted>"  # noqa: S105 - what stands in a secret's place

_AWS_SECRET = 40
_AWS_ENTROPY_BITS = 4.3
"""Per character: 40 random ones of base64 have 4.7 on average, seldom below 4.4; words and paths have 4.2 at most."""
_MAX_WINDOWS = 400

_NAME = (
    r"(?:[A-Za-z0-9]{1,40}[_.-]){0,8}?"
    r"(?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?(?:access[_-]?)?key)?|private[_-]?key|signing[_-]?key"
    r"|encryption[_-]?key|account[_-]?key|auth[_-]?key|licen[cs]e[_-]?key|shared[_-]?access[_-]?signature|auth[_-]?token"
    r"|access[_-]?token|token|passw(?:or)?d|passphrase|pwd|credentials?|authorization|cookie|webhook(?:[_-]?url)?)"
)
_ENDING = r"(?:[_-](?:prod|dev|test|staging|main|old|new|value|text|string|\d{1,2}))?"
_LOUD = (
    r"(?:[A-Z0-9]{1,40}_){1,8}(?:KEY|PASS|PW|AUTH|SECRET|DSN|PAT|CREDS)"
    r"|[A-Z0-9_]{0,60}(?:SECRET|PASSWORD|PASSWD)[A-Z0-9_]{0,60}"
)
"""What says secret only as the name of an environment variable: ``observation_key`` is none."""
_SHORT = r"pass|pw|user-?pass|auth|key"
"""What says secret only as the name of an option."""
_SECRET_NAME = re.compile(rf"(?:(?i:{_NAME}{_ENDING})|{_LOUD})")
_NO_SECRET_NAME = re.compile(
    r"(?i:(?:.*[_.-])?(?:pad|eos|bos|unk|sep|cls|mask|stop|start|end|next|prev|first|last|special)[_-]?token"
    r"|(?:old)?pwd)"
)
"""Of a language model's vocabulary; and the shell's working directory."""

_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
ASSIGNED = re.compile(
    rf"(?<![A-Za-z0-9])(?P<name>(?i:{_NAME}{_ENDING})|{_LOUD})"
    rf"(?P<sign>\\?[\"']?\]?\s{{0,9}}(?:=>|:=|=|:(?!//))\s{{0,9}})(?P<value>{_QUOTED}|[^\s,;&)}}\]\"'|]+)"
)
GIVEN = re.compile(
    rf"(?P<name>(?<![^\s\[(,\"'`])(?:--?(?i:{_NAME}{_ENDING}|{_SHORT})|(?<!mkdir )-p))"
    rf"(?P<sign>[\"']?,?(?:\s{{1,9}}|=)|\s{{0,9}}[\"'],\s{{0,9}})(?P<value>{_QUOTED}|[^\s,\]\"']+)"
)
OPTION = re.compile(rf"--?(?:(?i:{_NAME}{_ENDING}|{_SHORT})|{_LOUD})|-p")
_HARMLESS = re.compile(r"(?i:none|null|true|false|auto|[-+]?\d{1,5}(?:\.\d*)?)")
"""What is given to ``n_token`` and its like; of a password even this would be one."""
_NUMBERS_TOO = re.compile(r"(?i:pass|pwd|secret|credential)")
_PORT_OR_PATH = re.compile(r"[\d:.]*|.*/.*")
"""What follows ``-p`` in most programs."""

HEADER = re.compile(r"(?i)\b(?P<name>bearer|authorization\s?[:=]\s?[\"']?(?:basic|token|digest))\s{1,9}[^\s\"',;]+")
URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/@\"'<>]{1,400}@")
PRIVATE = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
TOKENS = re.compile(
    r"github_pat_[A-Za-z0-9_]{22,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|gl(?:pat|rt|dt|ptt|soat|cbt|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|wandb_v\d_[A-Za-z0-9_]{20,}|KGAT_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{30,}"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}|sk-(?=[A-Za-z_-]{0,90}\d)(?=[a-z0-9_-]{0,90}[A-Z])[A-Za-z0-9_-]{20,}"
    r"|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|nvapi-[A-Za-z0-9_-]{40,}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}"
    r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"
    r"|AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,}"
    r"|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/[A-Za-z0-9/_-]+"
    r"|discord(?:app)?\.com/api/webhooks/\d+/[A-Za-z0-9_-]+"
    r"|[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"
    r"|(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|do[opr]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}(?:-\d)?"
    r"|(?:AC|SK|key-)[0-9a-f]{32}|hv[sbr]\.[A-Za-z0-9_-]{24,}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    r"|NRAK-[A-Z0-9]{27}|gl(?:c|sa)_[A-Za-z0-9+/=_]{32,}|lin_api_[A-Za-z0-9]{40}"
    r"|eyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?|eyJ[A-Za-z0-9+/=_-]{40,}"
    r"|(?i:[0-9a-f]{32,})"
)
"""
GitHub, GitLab, Hugging Face, W&B, Kaggle, Replicate, OpenAI and Anthropic, Groq, Perplexity, NVIDIA, Stripe, AWS,
Google, Slack, Discord, Telegram, npm, PyPI, Docker, SendGrid, DigitalOcean, Databricks, Twilio, Mailgun, Vault, age,
New Relic, Grafana, Linear, JWT and Neptune. 32 hexadecimal digits and more are keys of W&B, Kaggle, Comet and others;
of a commit's or a file's checksum nobody needs more than the name of the release.
"""
BASE64 = re.compile(rf"[A-Za-z0-9/+]{{{_AWS_SECRET},}}")


def is_secret_name(name: str) -> bool:
    """Whether a variable, an option or a key of that name holds a secret: ``WANDB_API_KEY``, ``db_password``."""
    return _SECRET_NAME.fullmatch(name.lstrip("-")) is not None and _NO_SECRET_NAME.fullmatch(name) is None


def is_harmless(name: str, value: str) -> bool:
    """Whether a value gives nothing away, although its name says secret."""
    if not value or value.startswith(SECRET) or _NO_SECRET_NAME.fullmatch(name):
        return True
    if name == "-p":
        return _PORT_OR_PATH.fullmatch(value) is not None
    return _HARMLESS.fullmatch(value) is not None and not _NUMBERS_TOO.search(name)


def is_random(text: str) -> bool:
    """Whether somewhere in a word of base64 stands what is as disorderly as AWS' secret keys."""
    starts = range(len(text) - _AWS_SECRET + 1)
    step = max(1, len(starts) // _MAX_WINDOWS)
    return any(_is_disorderly(text[at : at + _AWS_SECRET]) for at in starts[::step])


def _is_disorderly(text: str) -> bool:
    kinds: tuple[Callable[[str], bool], ...] = (str.isupper, str.islower, str.isdigit)
    if not all(any(map(kind, text)) for kind in kinds):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) >= _AWS_ENTROPY_BITS
