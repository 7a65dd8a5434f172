"""Takes secrets out of what leaves this machine (runtime 2.21 rule 7, 2.24).

What is known to be secret is searched for by its bytes, in every form in which a text may hold it, and what looks like
a secret by the words before it. A text is rewritten in place, so that an event stays the event that it was and a bundle
without secrets still replays. `leaks` asks again about the finished bytes: what it finds is never written.
"""

import os
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

HIDDEN: Final = "[secret]"
_LEAST_CHARS: Final = 6
"""A shorter text occurs by chance, and is no secret that could be kept."""
_LEAST_ENVIRONMENT_CHARS: Final = 8
_WORDS: Final = r"secret|passphrase|password|passwd|api[-_ ]?key|private[-_ ]?key|access[-_ ]?key|auth[-_ ]?token|token"
_NAME: Final = re.compile(rf"{_WORDS}|pwd|pass$|credential|auth$|_key$|^key$", re.IGNORECASE)
_FIELD: Final = re.compile(rf"(?:^|[._-])(?:{_WORDS}|credentials?)$", re.IGNORECASE)
_LOOKS: Final = re.compile(
    rf"((?:{_WORDS}|authorization)['\"]?\s*[=:]\s*['\"]?(?:bearer\s+|basic\s+)?|bearer\s+)[^\s'\"&,;@]{{4,}}",
    re.IGNORECASE,
)
_IN_ADDRESS: Final = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_SUSPECT: Final = re.compile(rf"{_WORDS}|credential|authorization|bearer|://|PRIVATE KEY".encode(), re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Tell whether what stands under this name is to be kept: an environment variable, a configuration key."""
    return _NAME.search(name) is not None


def environment_secrets(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the values of the process's environment whose names say that they are secret."""
    held = os.environ if environ is None else environ
    return [value for name, value in held.items() if len(value) >= _LEAST_ENVIRONMENT_CHARS and is_secret_name(name)]


class Redactor:
    """Knows the secrets and replaces them; each in plain, quoted, escaped, base64 and hexadecimal form."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile(b"|".join(re.escape(form) for form in longest_first)) if forms else None
        self._known_text = re.compile("|".join(re.escape(form.decode()) for form in longest_first)) if forms else None

    def leaks(self, data: bytes) -> bool:
        """Tell whether a known secret stands in these bytes."""
        return self._known is not None and self._known.search(data) is not None

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known_text is not None:
            text = self._known_text.sub(HIDDEN, text)
        for place in (_LOOKS, _IN_ADDRESS):
            text = place.sub(rf"\g<1>{HIDDEN}", text)
        return _PEM.sub(HIDDEN, text)

    def value(self, value: Any) -> Any:
        """Return builtins without secrets, in texts, in keys, and under names that say so."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self._field(key, found) for key, found in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(found) for found in value]
        if isinstance(value, bytes) and self._known is not None:
            return self._known.sub(HIDDEN.encode(), value)
        return value

    def _field(self, name: object, value: Any) -> Any:
        if isinstance(name, str) and isinstance(value, str) and value and _FIELD.search(name):
            return HIDDEN
        return self.value(value)

    def packed(self, payload: bytes) -> bytes:
        """Return a MessagePack value without secrets: the same bytes when there are none."""
        if not (self.leaks(payload) or _SUSPECT.search(payload)):
            return payload
        value = msgspec.msgpack.decode(payload)
        clean = self.value(value)
        return payload if clean == value else msgspec.msgpack.encode(clean)


def _forms(secret: str) -> set[bytes]:
    """Return how a secret may be written; of one with several lines each line is one."""
    parts = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
    forms: set[bytes] = set()
    for part in parts:
        if len(part) >= _LEAST_CHARS:
            plain = part.encode()
            forms |= {plain, msgspec.json.encode(part)[1:-1], quote(part, safe="").encode(), plain.hex().encode()}
            forms.add(b64encode(plain).rstrip(b"="))
    return forms
