"""
Tokens as their issuers shape them, made up at random: none of them ever opened anything.

They are put together here piece by piece, so that no scanner of repositories takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable

_ALNUM = string.ascii_letters + string.digits
_URLSAFE = _ALNUM + "-_"
_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits

Make = Callable[[random.Random], str]


def _of(prefix: str, alphabet: str, length: int, suffix: str = "") -> Make:
    return lambda chance: prefix + "".join(chance.choices(alphabet, k=length)) + suffix


def _joined(*parts: Make, sign: str = "") -> Make:
    return lambda chance: sign.join(part(chance) for part in parts)


def _b64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _jwt(chance: random.Random) -> str:
    head, body = _b64({"alg": "HS256", "typ": "JWT"}), _b64({"sub": str(chance.random()), "iat": 1516239022})
    return f"{head}.{body}." + _of("", _URLSAFE, 43)(chance)


def _neptune(chance: random.Random) -> str:
    return _b64({"api_address": "https://example.com", "api_key": _of("", _HEX, 32)(chance)})


def _aws_secret(chance: random.Random) -> str:
    # Forty characters of all kinds, as forty random ones are but for one in some millions.
    return _joined(_of("", _ALNUM, 12), _of("/", _ALNUM, 8), _of("+K", _ALNUM, 16), _of("7z", "", 0))(chance)[:40]


def _pem(kind: str) -> Make:
    def make(chance: random.Random) -> str:
        lines = "\n".join(_of("", _ALNUM + "+/", 64)(chance) for _ in range(4))
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"

    return make


SHAPES: dict[str, Make] = {
    "GitHub, personal": _of("gh" + "p_", _ALNUM, 36),
    "GitHub, OAuth": _of("gh" + "o_", _ALNUM, 36),
    "GitHub, user to server": _of("gh" + "u_", _ALNUM, 36),
    "GitHub, server to server": _of("gh" + "s_", _ALNUM, 36),
    "GitHub, refresh": _of("gh" + "r_", _ALNUM, 76),
    "GitHub, fine-grained": _joined(_of("github" + "_pat_", _ALNUM, 22), _of("_", _ALNUM, 59)),
    "GitLab, personal": _of("gl" + "pat-", _URLSAFE, 20),
    "GitLab, runner": _of("gl" + "rt-", _URLSAFE, 20),
    "Hugging Face": _of("h" + "f_", string.ascii_letters, 34),
    "Weights & Biases, older": _of("", _HEX, 40),
    "Weights & Biases": _of("wandb" + "_v1_", _ALNUM, 60),
    "Neptune": _neptune,
    "Comet": _of("", _HEX, 32),
    "Kaggle": _of("KGA" + "T_", _HEX, 32),
    "Replicate": _of("r" + "8_", _ALNUM, 37),
    "OpenAI, older": _of("s" + "k-", _ALNUM, 48),
    "OpenAI, project": _of("s" + "k-proj-", _URLSAFE, 120),
    "Anthropic": _of("s" + "k-ant-api03-", _URLSAFE, 93, "AA"),
    "Groq": _of("gs" + "k_", _ALNUM, 52),
    "NVIDIA": _of("nv" + "api-", _URLSAFE, 64),
    "AWS, key id": _of("AK" + "IA", _UPPER, 16),
    "AWS, key id of a session": _of("AS" + "IA", _UPPER, 16),
    "AWS, secret key": _aws_secret,
    "Google, API key": _of("AI" + "za", _URLSAFE, 35),
    "Google, OAuth secret": _of("GOC" + "SPX-", _URLSAFE, 28),
    "Google, OAuth access": _of("ya" + "29.", _URLSAFE, 60),
    "Slack, bot": _joined(_of("xo" + "xb-", string.digits, 12), _of("-", string.digits, 12), _of("-", _ALNUM, 24)),
    "Slack, user": _joined(_of("xo" + "xp-", string.digits, 12), _of("-", _HEX, 32)),
    "Slack, app": _joined(_of("xa" + "pp-1-", _UPPER, 11), _of("-", _HEX, 64)),
    "Slack, webhook": _joined(
        _of("hooks.slack" + ".com/services/T", _UPPER, 10), _of("/B", _UPPER, 10), _of("/", _ALNUM, 24)
    ),
    "Discord, bot": _joined(_of("M", _ALNUM, 25), _of(".", _ALNUM, 6), _of(".", _URLSAFE, 38)),
    "Discord, webhook": _joined(_of("discord" + ".com/api/webhooks/", string.digits, 18), _of("/", _URLSAFE, 68)),
    "Telegram": _joined(_of("", "123456789", 10), _of(":A" + "A", _URLSAFE, 33)),
    "npm": _of("np" + "m_", _ALNUM, 36),
    "PyPI": _of("py" + "pi-AgEIcHlwaS5vcmc", _URLSAFE, 120),
    "Docker Hub": _of("dck" + "r_pat_", _URLSAFE, 27),
    "SendGrid": _joined(_of("S" + "G.", _URLSAFE, 22), _of(".", _URLSAFE, 43)),
    "Stripe, live": _of("s" + "k_live_", _ALNUM, 24),
    "Stripe, restricted": _of("r" + "k_live_", _ALNUM, 24),
    "DigitalOcean": _of("do" + "p_v1_", _HEX, 64),
    "Databricks": _of("da" + "pi", _HEX, 32),
    "Twilio": _of("S" + "K", _HEX, 32),
    "Mailgun": _of("ke" + "y-", _HEX, 32),
    "Vault": _of("hv" + "s.", _URLSAFE, 90),
    "age": _of("AGE-SECRET-" + "KEY-1", _UPPER, 58),
    "New Relic": _of("NR" + "AK-", _UPPER, 27),
    "Grafana": _joined(_of("gl" + "sa_", _ALNUM, 32), _of("_", _HEX, 8)),
    "JSON Web Token": _jwt,
    "RSA key": _pem("RSA "),
    "OpenSSH key": _pem("OPENSSH "),
    "PKCS 8 key": _pem(""),
}


def token(issuer: str, seed: int = 0) -> str:
    """One of an issuer's shape, the same for the same seed."""
    return SHAPES[issuer](random.Random(f"{issuer} {seed}"))  # noqa: S311 - it opens nothing


PLACED: dict[str, str] = {
    "URL's password": "https://mira:{}@registry.example.com/simple",
    "bearer header": "Authorization: Bearer {}",
    "basic header": "{{'Authorization': 'Basic {}'}}",
    "environment variable": "WANDB_API_KEY={} python train.py",
    "exported variable": "export DB_PASSWORD='{}'",
    "its repr": "environ({{'SHELL': '/bin/sh', 'MY_SERVICE_SECRET': '{}'}})",
    "JSON": '{{"name": "x", "api_key": "{}", "n": 3}}',
    "YAML": "access_token: {}",
    "keyword": "wandb.login(key=None, api_key='{}', relogin=True)",
    "option": "python train.py --password {} --lr 3e-4",
    "option with a sign": "python train.py --auth-token={} --lr 3e-4",
    "its list": "['python', 'train.py', '--api-key', '{}', '--seed', '0']",
    "short option": "mysql -u root -p {} freezes",
    "query": "GET https://example.com/v1?token={}&page=2",
    "Azure": "AccountName=box;AccountKey={};EndpointSuffix=core.windows.net",
}
"""Where a secret of no shape at all is given away by what stands before it."""
SHAPELESS = ("hunter2", "correct.horse", "pa55w0rd!", "qwertyuiop")
