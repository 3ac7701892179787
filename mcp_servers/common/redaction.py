"""Secrets do not leave a server, whatever text they travel in.

Three nets, in this order of trust: by construction (tools never read Secret data and show environment literals as `hashed` marks), by
key (`redact_tree` replaces the values of keys that name a credential) and by pattern (`redact`). All patterns run on RE2, so a line that
an attacker writes costs linear time, and on at most `WINDOW` characters of a string. The nets leave alone what root-cause work needs:
trace ids, pod names, image digests, exit codes, IP addresses.
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import re2

WINDOW = 8192  # characters of one string that may leave; what lies beyond is cut off
_MARGIN = (
    1024  # characters beyond it that are looked at too, so that the cut does not split a secret out of its pattern
)

_KEY = re2.compile(
    r"(?i)(pass(word|wd|phrase)?$|passw|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie"
    r"|session[_-]?id|^dsn$|[_-]dsn$|conn(ection)?[_-]?str(ing)?)"
)
# Keys that speak of a credential without holding it: a reference, a file, a count.
_KEY_HARMLESS = re2.compile(
    r"(?i)(name|ref|refs|path|file|count|seconds|type|kind|missing|expir[a-z]*|tokens|allowed)$"
)

_WORDS = r"(?:password|passwd|passphrase|pwd|secret|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credentials?|dsn)"
_HEADERS = "set-cookie|cookie|proxy-authorization|authorization|x-api-key|x-auth-token"
_QUOTED = r"\\{0,2}[\"'](?P<quoted>[^\"'\\\n]+)\\{0,2}[\"']"

_PROSE = re2.compile(r"(?i)(?:credentials?|secret): ")

Sub = Callable[[Any], str]


def _is_prose(match: Any, whole: str, value: str) -> bool:
    """``secret: not found`` and ``no credentials: the name is wrong`` are sentences: a bare word, a colon, lower-case words behind.

    Passwords and keys get no such benefit: there a plain word may well be the value.
    """
    if not (value.isascii() and value.isalpha() and value.islower()) or match.group("quoted") is not None:
        return False
    rest = str(match.string)[match.end() : match.end() + 2]
    return _PROSE.match(whole) is not None and (rest[:1] == " " and rest[1:2].isalpha())


def _pair(match: Any) -> str:
    """``name=value`` and its kin: the name stays, the value goes, quotes are kept so that JSON stays readable."""
    whole: str = match.group(0)
    quoted = match.group("quoted")
    value: str = quoted if quoted is not None else match.group("plain")
    if value.startswith("[redacted") or _is_prose(match, whole, value):
        return whole
    at = whole.rfind(value)
    return f"{whole[:at]}[redacted]{whole[at + len(value) :]}"


def _token_pair(match: Any) -> str:
    """``token: abcdef`` is a sentence, ``token: abc123`` a credential: only values with a digit or sixteen characters go."""
    quoted = match.group("quoted")
    value: str = quoted if quoted is not None else match.group("plain")
    telling = len(value) >= 16 or any(c.isdigit() or c in "_./+=-" for c in value)
    return _pair(match) if telling and len(value) >= 6 else str(match.group(0))


def _bearer(match: Any) -> str:
    value: str = match.group("value")
    if any(c.isdigit() or c in "=._-" for c in value):
        return f"{match.group('scheme')} [redacted]"
    return str(match.group(0))


def _card(match: Any) -> str:
    text: str = match.group(0)
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return text
    total = sum(d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits)))
    return "[card]" if total % 10 == 0 else text


def _rules() -> list[tuple[Any, str | Sub]]:
    plain = r"(?P<plain>[^\s\"'&,;<>{}()\[\]\\][^\s\"'&,;<>{}\\]*)"
    rules: list[tuple[str, str | Sub]] = [
        (r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\z)", "[redacted:pem]"),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", "[redacted:jwt]"),
        (r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:\"']*:[^\s/@\"']+@", r"\1[redacted]@"),
        (r"\b[\w.-]{1,64}:[^\s:@/\"']+@(tcp|udp|unix)\(", r"[redacted]@\1("),
        (rf"(?i)\b({_HEADERS})(\\{{0,2}}[\"']?\s*[:=]\s*)[^\r\n]+", r"\1\2[redacted]"),
        (r"(?i)\b(?P<scheme>bearer|basic)\s+(?P<value>[A-Za-z0-9+/=._~-]{12,})", _bearer),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "[redacted:aws]"),
        (r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}", "[redacted:github]"),
        (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}", "[redacted:slack]"),
        (r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[^\s\"'<>]+", "[redacted:slack]"),
        (r"\bsk-[A-Za-z0-9_-]{20,}|\bAIza[0-9A-Za-z_-]{35}|\bglpat-[\w-]{20,}|\bnpm_[A-Za-z0-9]{30,}", "[redacted:key]"),
        (r"\bhv[sb]\.[A-Za-z0-9_-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}", "[redacted:key]"),
        (r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|\bSK[0-9a-f]{32}\b|\bNRAK-[A-Z0-9]{27}", "[redacted:key]"),
        (r"\bdop_v1_[0-9a-f]{64}|\bhf_[A-Za-z0-9]{30,}|\bpypi-[\w-]{40,}|\bdckr_pat_[\w-]{20,}", "[redacted:key]"),
        (r"\bdapi[0-9a-f]{32}|\bglsa_\w{30,}|\bshp(?:at|ss|ca|pa)_[0-9a-f]{32}|\bAGE-SECRET-KEY-1[A-Z0-9]+", "[redacted:key]"),
        (r"\b\d{8,10}:AA[\w-]{33}|discord(?:app)?\.com/api/webhooks/[^\s\"'<>]+", "[redacted:key]"),
        (r"(?i)\b(AccountKey|SharedAccessSignature)=[^\s;\"']+", r"\1=[redacted]"),
        (r"(?i)([?&](?:sig|x-amz-signature|x-amz-security-token|x-goog-signature)=)[^&\s\"'<>]+", r"\1[redacted]"),
        (rf"(?i)[\w.-]{{0,40}}{_WORDS}[\w.-]{{0,24}}\\{{0,2}}[\"']?\s{{0,4}}[:=]>?\s{{0,4}}(?:{_QUOTED}|{plain})", _pair),
        (rf"(?i)--?[\w-]{{0,30}}(?:password|passwd|secret|api-?key|access-?key|token)\s+(?:{_QUOTED}|{plain})", _pair),
        (rf"(?i)[\w.-]{{0,40}}token\\{{0,2}}[\"']?\s{{0,4}}[:=]>?\s{{0,4}}(?:{_QUOTED}|{plain})", _token_pair),
        (r"\b[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b", "[email]"),
        (r"\b\d(?:[ -]?\d){12,18}\b", _card),
    ]  # fmt: skip
    return [(re2.compile(pattern), repl) for pattern, repl in rules]


_RULES = _rules()
# Runs that may be an address; `ipaddress` decides.
_ADDRESSES = (
    re2.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re2.compile(r"(?i)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}"),
)
_SUSPICIOUS = re2.compile(
    r"(?i)pass|pwd|secret|token|key|cred|dsn|author|cookie|bearer|basic|@|://|eyJ|AKIA|ASIA|gh[pousr]_|github_pat|glpat"
    r"|xox|xapp|sk-|AIza|npm_|hv[sb]\.|SG\.|\d(?:[ -]?\d){12}"
    r"|[sr]k_|SK[0-9a-f]{8}|NRAK|dop_v1|hf_|pypi-|dckr_|dapi|glsa_|shp(?:at|ss|ca|pa)_|:AA|discord|[?&](?:sig|x-amz|x-goog)|signature"
)


@dataclass(frozen=True)
class Redactor:
    """The nets, with what an operator adds.

    ``extra`` are RE2 patterns whose matches become ``[redacted]``; ``keys`` are further key names (lower case) whose values go;
    ``hash_key`` keys the marks of `hashed`. ``ips`` puts such marks in place of IP addresses (loopback ones stay: they point to nobody).
    Raises `ValueError` on a pattern that RE2 refuses.
    """

    extra: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    hash_key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)
    emails: bool = True
    ips: bool = False

    def __post_init__(self) -> None:
        for pattern in self.extra:
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"redaction pattern {pattern!r} is not RE2 syntax: {error}") from error

    def text(self, text: str) -> str:
        """``text`` without secrets; cut at `WINDOW` characters."""
        beyond = len(text) - WINDOW
        if beyond <= 0:
            return self._without_secrets(text)
        shown = self._without_secrets(text[: WINDOW + _MARGIN])
        mark = f"...[+{beyond}]"
        return shown[: WINDOW - len(mark)] + mark

    def _without_secrets(self, text: str) -> str:
        for pattern in self.extra:
            text = str(re2.sub(pattern, "[redacted]", text))
        if self.ips:
            for addresses in _ADDRESSES:
                text = str(addresses.sub(self._address, text))
        if not _SUSPICIOUS.search(text):
            return text
        for compiled, replacement in _RULES:
            if replacement == "[email]" and not self.emails:
                continue
            text = str(compiled.sub(replacement, text))
        return text

    def _address(self, match: Any) -> str:
        found: str = match.group(0)
        told = found if found.endswith("::") else found.rstrip(":")
        before, after = match.string[: match.start()][-2:], match.string[match.start() + len(told) :][:2]
        # Part of a longer word (a version, ``std::string``) is no address, nor are two words around "::".
        if before[-1:].isalnum() or after[:1].isalnum() or not any(c.isdigit() for c in told):
            return found
        if (before[-1:] == "." and before[:1].isdigit()) or (after[:1] == "." and after[1:].isdigit()):
            return found
        try:
            address = ipaddress.ip_address(told)
        except ValueError:
            return found
        if address.is_loopback or address.is_unspecified:
            return found
        return f"ip{self.hashed(str(address))}{found[len(told) :]}"

    def names_secret(self, key: str) -> bool:
        """Whether a key of that name holds a credential (``DB_PASSWORD`` does, ``secretName`` does not)."""
        if key.lower() in self.keys:
            return True
        return bool(_KEY.search(key)) and not _KEY_HARMLESS.search(key)

    def tree(self, value: Any, key: str = "") -> Any:
        """A copy of JSON-like ``value`` with secrets replaced, by key and by pattern. Keys themselves are kept."""
        if isinstance(value, str):
            return "[redacted]" if value and self.names_secret(key) else self.text(value)
        if isinstance(value, dict):
            return {name: self.tree(inner, str(name)) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(inner, key) for inner in value]
        return value

    def hashed(self, value: str) -> str:
        """A short keyed mark: equal values show equal marks within one process, and the mark tells nothing about the value."""
        return "#" + hmac.new(self.hash_key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:8]


def redactor(
    extra: Iterable[str] = (), keys: Iterable[str] = (), hash_key: str = "", emails: bool = True, ips: bool = False
) -> Redactor:
    """A `Redactor` from settings; an empty ``hash_key`` means a random one for this process."""
    mark = hash_key.encode() if hash_key else os.urandom(16)
    return Redactor(tuple(extra), frozenset(k.lower() for k in keys), mark, emails, ips)


_DEFAULT = Redactor()
redact = _DEFAULT.text
redact_tree = _DEFAULT.tree
hashed = _DEFAULT.hashed
names_secret = _DEFAULT.names_secret
