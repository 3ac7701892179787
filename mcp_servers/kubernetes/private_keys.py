"""Private keys in logs: redaction looks at one line at a time, and a key is spread over many. They go before lines are told apart."""

import re

_MOST = 200  # lines of one key; beyond it the end was lost
_BEGIN = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_END = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")
_BODY = re.compile(r"(?:\S{0,60}\s+){0,3}[A-Za-z0-9+/=]{4,200}\s*")  # perhaps behind a time, a stream's name and a flag
_LONG_BODY = re.compile(r"(?:\S{0,60}\s+){0,3}[A-Za-z0-9+/=]{40,200}\s*")
_HEADER = re.compile(r".{0,80}(?:Proc-Type|DEK-Info): .{0,200}")
MARK = "[redacted:pem]"


def without_private_keys(text: str) -> str:
    """``text`` with each private key's lines replaced by one mark; also where the log begins or ends in the middle of a key.

    Lines of others that came in between stay, unless they look like a line of a key.
    """
    if "PRIVATE KEY-----" not in text:
        return text
    kept: list[str] = []
    left = 0  # lines that may still belong to a key which has begun
    for line in text.split("\n"):
        begin, end = _BEGIN.search(line), _END.search(line)
        if begin and (end is None or end.start() < begin.start()):
            kept.append(line[: begin.start()] + MARK)
            left = _MOST
        elif end and not begin:
            if not left:
                _drop_tail(kept)
                kept.append(MARK)
            kept += [rest] if (rest := line[end.end() :]).strip() else []
            left = 0
        elif left and (_BODY.fullmatch(line) or _HEADER.fullmatch(line)):
            left -= 1
        else:
            kept.append(line)  # a whole key in one line is known to the redaction
    return "\n".join(kept)


def _drop_tail(kept: list[str]) -> None:
    """Take back the lines of a key whose beginning lies before the log's."""
    short = 1  # a key's last line may be short
    while kept and (_LONG_BODY.fullmatch(kept[-1]) or (short and _BODY.fullmatch(kept[-1]))):
        kept.pop()
        short = 0
