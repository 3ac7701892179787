"""Secrets to plant: one of each kind, made from a seed in the shapes that vendors document; none was ever valid.

It stands alone so that a test of one server need not import the bot for it.
"""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

Dress = Callable[[str], str]


@dataclass(frozen=True)
class Secret:
    """``line`` is how it looks in the wild; ``core`` the part that must not be seen anywhere afterwards."""

    kind: str
    line: str
    core: str


def secrets_of(seed: int = 7) -> list[Secret]:
    """One secret of each kind; another seed gives other values of the same shapes."""
    rng = random.Random(seed)

    def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        head = "".join(rng.choice(alphabet) for _ in range(length - 2))
        return head + rng.choice(string.digits) + rng.choice(string.ascii_letters)  # never a plain word

    def upper(length: int) -> str:
        return "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(length))

    def hexed(length: int) -> str:
        return "".join(rng.choice("0123456789abcdef") for _ in range(length))

    made: list[Secret] = []

    def add(kind: str, form: str, core: str) -> None:
        made.append(Secret(kind, form.replace("@@", core), core))

    for word in ("password", "passwd", "PASSWORD", "DB_PASSWORD", "pwd", "passphrase", "secret", "client_secret", "api_key",
                 "apikey", "api-key", "API_KEY", "access_key", "secret_key", "private_key", "credentials", "auth_token",
                 "token", "refresh_token", "AWS_SECRET_ACCESS_KEY", "SENTRY_DSN"):  # fmt: skip
        add(f"{word}=", f"starting with {word}=@@ done", some(20))
    add("password in JSON", '{"level":"info","password":"@@","user":"a"}', some(16))
    add("password in escaped JSON", '"{\\"password\\":\\"@@\\"}"', some(16))
    add("password in Python", "{'password': '@@'}", some(16))
    add("password in YAML", "password: @@", some(16))
    add("short password", "password=@@", some(6))
    add("password with signs", "password=@@", "p!" + some(8) + "#$%^")
    add("password of words in quotes", 'password="@@"', "correct horse battery staple")
    add("flag --password", "mysql --password @@ -h db", some(14))
    add("flag --password=", "mysql --password=@@ -h db", some(14))
    add("flag -token", "vault login -token @@", some(24))
    add("flag --api-key", "run --api-key @@", some(24))
    add("ruby hash", ":password=>'@@'", some(14))
    for scheme in (
        "postgres",
        "postgresql+psycopg",
        "mysql",
        "mongodb",
        "mongodb+srv",
        "redis",
        "rediss",
        "amqp",
        "https",
        "ftp",
    ):
        add(f"{scheme} url", f"connect {scheme}://svc:@@@db.internal:5432/app failed", some(18))
    add("redis without a user", "redis://:@@@cache:6379/0", some(18))
    add("go mysql dsn", "root:@@@tcp(mysql:3306)/shop", some(18))
    add("jdbc query", "jdbc:postgresql://db/app?user=svc&password=@@&ssl=true", some(18))
    add("url query token", "GET /hook?access_token=@@&x=1", some(30))
    add("url query key", "GET /v1/maps?api_key=@@", some(30))
    add("bearer", "Authorization: Bearer @@", some(40))
    add("bearer alone", "sent header bearer @@", some(40))
    add("basic", "Authorization: Basic @@", some(28) + "==")
    add("x-api-key", "x-api-key: @@", some(32))
    add("cookie", "Cookie: sid=@@; theme=dark", some(32))
    add("set-cookie", "Set-Cookie: session=@@; HttpOnly", some(32))
    add("proxy authorization", "Proxy-Authorization: Negotiate @@", some(40))
    add("jwt", "user @@ rejected", f"eyJ{some(30)}.eyJ{some(60)}.{some(43)}")
    add("aws id", "using @@ now", "AKIA" + upper(16))
    add("aws session id", "using @@ now", "ASIA" + upper(16))
    add("github pat", "clone with @@", "ghp_" + some(36))
    add("github server", "clone with @@", "ghs_" + some(36))
    add("github fine-grained", "clone with @@", "github_pat_" + some(22) + "_" + some(59))
    add("gitlab", "clone with @@", "glpat-" + some(20))
    add("slack bot", "post with @@", f"xoxb-{rng.randint(10**10, 10**11)}-{rng.randint(10**11, 10**12)}-{some(24)}")
    add("slack app", "post with @@", f"xapp-1-A{upper(10)}-{rng.randint(10**11, 10**12)}-{hexed(64)}")
    add("slack hook", "post to https://hooks.slack.com/services/@@", f"T{upper(8)}/B{upper(8)}/{some(24)}")
    add("openai", "model key @@", "sk-" + some(48))
    add("openai project", "model key @@", "sk-proj-" + some(60))
    add("anthropic", "model key @@", "sk-ant-api03-" + some(80))
    add("google", "maps key @@", "AIza" + some(35))
    add("npm", "publish with @@", "npm_" + some(36))
    add("vault", "unseal @@", "hvs." + some(24))
    add("sendgrid", "mail by @@", f"SG.{some(22)}.{some(43)}")
    add("stripe", "charge by @@", "sk_" + "live_" + some(24))
    add("stripe restricted", "charge by @@", "rk_" + "live_" + some(24))
    add("twilio", "sms by @@", "SK" + hexed(32))
    add("digitalocean", "deploy by @@", "dop_v1_" + hexed(64))
    add("huggingface", "load by @@", "hf_" + some(34))
    add("pypi", "upload by @@", "pypi-AgEIcHlwaS5vcmc" + some(60))
    add("docker", "push by @@", "dckr_pat_" + some(27))
    add("databricks", "query by @@", "dapi" + hexed(32))
    add("grafana", "push by @@", "glsa_" + some(32) + "_" + hexed(8))
    add("new relic", "push by @@", "NRAK-" + upper(27))
    add("shopify", "shop by @@", "shpat_" + hexed(32))
    add(
        "azure storage",
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=@@;EndpointSuffix=core.windows.net",
        some(86) + "==",
    )
    add("azure sas", "https://x.blob.core.windows.net/c?sv=2024-01-01&sig=@@", some(43) + "%3D")
    add("azure client", "AZURE_CLIENT_SECRET=@@", some(3) + "8Q~" + some(34))
    add("aws presigned", "https://b.s3.amazonaws.com/k?X-Amz-Credential=x&X-Amz-Signature=@@", hexed(64))
    add("telegram", "bot @@ started", f"{rng.randint(10**8, 10**9)}:AA{some(33)}")
    add("discord hook", "post to https://discord.com/api/webhooks/@@", f"{rng.randint(10**17, 10**18)}/{some(68)}")
    add("age key", "decrypt @@", "AGE-SECRET-KEY-1" + upper(58))
    for name in ("RSA ", "EC ", "OPENSSH ", ""):
        body = some(64)
        made.append(
            Secret(f"{name}pem", f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n-----END {name}PRIVATE KEY-----", body)
        )
    add("card", "paid with @@ ok", "4242 4242 4242 4242")
    add("email", "mail to @@ bounced", "jane.doe@customer.example")
    add("split by a zero-width space", "pass\u200bword=@@", some(20))
    add("split by colours", "pass\x1b[1mword=@@", some(20))
    add("full-width equals and caps", "PassWord = @@", some(20))
    return made


GAPS: frozenset[str] = frozenset()
"""Shapes that the redactor does not know when they stand without a word that names them. A new kind goes here until it does."""


def known_secrets(seed: int = 7) -> list[Secret]:
    """Those that must never be seen."""
    return [s for s in secrets_of(seed) if s.kind not in GAPS]
