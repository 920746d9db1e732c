"""Who may read, write and administer, by keys that are compared in constant time."""

import hashlib
import hmac
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from tesserec.core.errors import BadSpec

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = ("read", "write", "admin")  # each may do what those before it may

SHORTEST = 16  # characters; what is shorter can be guessed


@dataclass(frozen=True)
class Keys:
    """Digests of keys, and what each is good for. Without any, everybody may do everything."""

    digests: Mapping[bytes, Role] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, keys: Mapping[str, Sequence[str]]) -> "Keys":
        """From keys by role. Raises `BadSpec` for unknown roles, short keys, a key of two roles."""
        digests: dict[bytes, Role] = {}
        for role, several in keys.items():
            known = next((one for one in ROLES if one == role), None)
            if known is None:
                raise BadSpec(f"There are no keys for {role!r}.", f"There are {', '.join(ROLES)}.")
            for key in several:
                if len(key) < SHORTEST or not key.isascii() or not key.isprintable():
                    raise BadSpec(
                        f"A {role} key cannot be used.",
                        f"Take {SHORTEST} or more printable ASCII characters, drawn at random.",
                    )
                if digests.setdefault(_digest(key), known) != known:
                    raise BadSpec(f"A {role} key is also another role's.", "Draw one for each.")
        return cls(digests)

    @classmethod
    def read(cls, file: Path | None, environment: Mapping[str, str] = os.environ) -> "Keys":
        """From TESSEREC_READ_KEY, TESSEREC_WRITE_KEY, TESSEREC_ADMIN_KEY, and a file of lists."""
        named = {role: environment.get(f"TESSEREC_{role.upper()}_KEY") for role in ROLES}
        keys: dict[str, list[str]] = {role: [key] for role, key in named.items() if key}
        for role, several in (_table(file) if file else {}).items():
            keys[role] = keys.get(role, []) + ([several] if isinstance(several, str) else several)
        return cls.of(keys)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def role(self, key: str) -> Role | None:
        """What a key is good for; all are compared, so that the time says nothing."""
        asked, found = _digest(key), None
        for digest, role in self.digests.items():
            if hmac.compare_digest(digest, asked):
                found = role
        return found

    def role_of_mark(self, mark: str) -> Role | None:
        """What the key is good for that has such a mark."""
        found = None
        for digest, role in self.digests.items():
            if hmac.compare_digest(_mark(digest), mark):
                found = role
        return found

    def check_host(self, host: str) -> None:
        """Refuse to listen where strangers can come without a key. Raises `BadSpec`."""
        if not self and not is_loopback(host):
            raise BadSpec(
                f"Without keys nobody beyond this machine may be served, and {host} is open.",
                "Set TESSEREC_READ_KEY, or give --keys FILE, or --host 127.0.0.1.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches such an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def may(role: Role | None, wanted: Role) -> bool:
    """Whether a role includes another."""
    return role is not None and ROLES.index(role) >= ROLES.index(wanted)


def mark_of(key: str) -> str:
    """What stands for a key where it is kept: neither the key nor what it is compared by."""
    return _mark(_digest(key))


def _mark(digest: bytes) -> str:
    return hashlib.sha256(b"mark" + digest).hexdigest()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _table(file: Path) -> dict[str, Any]:
    """Keys by role; no message repeats what the file holds. Raises `BadSpec`."""
    try:
        text = file.read_text("utf-8")
        table = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise BadSpec(f"{file} cannot be read: {type(error).__name__}.", _SHAPE) from None
    lists = table.values() if isinstance(table, dict) else [None]
    for keys in lists:
        words = [keys] if isinstance(keys, str) else keys
        if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
            raise BadSpec(f"{file} does not hold keys by role.", _SHAPE)
    return dict(table)


_SHAPE = 'Write JSON or TOML, {"read": ["..."], "write": ["..."], "admin": ["..."]}.'
