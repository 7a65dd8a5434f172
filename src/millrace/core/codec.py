"""Bytes for events, commands and snapshots, and the running hash of what was decided.

MessagePack through msgspec: typed, compact, and the same bytes for the same value in every process, which strict replay
compares. The hash is a chain (each link hashes the previous link and the new bytes) so that a snapshot can carry it.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from millrace.core.commands import Command
from millrace.core.events import Event

_encoder = msgspec.msgpack.Encoder()
_event_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
_commands_decoder: msgspec.msgpack.Decoder[list[Command]] = msgspec.msgpack.Decoder(list[Command])
_plain_decoder = msgspec.msgpack.Decoder()

EMPTY_HASH = b"\0" * 16
"""The hash before the first command."""


def encode_event(event: Event) -> bytes:
    """Return the event's bytes."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> Event:
    """Return the event of these bytes; raises msgspec.DecodeError when they are none."""
    return _event_decoder.decode(data)


def encode_commands(commands: list[Command]) -> bytes:
    """Return the bytes of one step's commands."""
    return _encoder.encode(commands)


def decode_commands(data: bytes) -> list[Command]:
    """Return the commands of these bytes."""
    return _commands_decoder.decode(data)


def encode_state(state: dict[str, Any]) -> bytes:
    """Return the bytes of a snapshot made of builtins."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> dict[str, Any]:
    """Return the builtins of a snapshot."""
    state: dict[str, Any] = _plain_decoder.decode(data)
    return state


def chain(link: bytes, commands: bytes) -> bytes:
    """Return the next link: the hash of the previous link and the new commands' bytes (16 bytes)."""
    return blake2b(commands, key=link, digest_size=16).digest()
