"""A stream never waits, never holds more than its bound, and says why it ended."""

import os
import socket

import pytest

from millrace.core.failure import WorldError
from millrace.shell.stream import Leash, Listener, Stream, dial, wait

MS = 1_000_000
SECOND = 1_000 * MS


@pytest.fixture
def pair():
    ours, theirs = (Stream(end) for end in tcp_pair())
    yield ours, theirs
    ours.end("the test is over")
    theirs.end("the test is over")


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


def received(stream, count):
    found = b""
    while len(found) < count and not stream.ended:
        wait((stream,), SECOND)
        found += stream.receive()
    return found


def test_bytes_go_both_ways(pair):
    ours, theirs = pair
    ours.send(b"there")
    theirs.send(b"back")
    assert received(theirs, 5) == b"there"
    assert received(ours, 4) == b"back"
    assert ours.receive() == b""


def test_what_the_peer_has_no_room_for_waits_and_arrives_whole(pair):
    ours, theirs = pair
    sent = os.urandom(8 * 2**20)
    ours.send(sent)
    assert ours.wants_to_write
    found = b""
    while len(found) < len(sent):
        wait((theirs,), SECOND)
        found += theirs.receive()
        ours.flush()
    assert found == sent
    assert not ours.wants_to_write


def test_a_peer_that_does_not_read_is_let_go():
    near, far = tcp_pair()
    ours = Stream(near, unsent_bytes=1_000)
    while not ours.ended:
        ours.send(b"x" * 100_000)
    assert "reads too slowly" in ours.ended
    assert not ours.wants_to_write
    ours.send(b"more")
    assert ours.receive() == b""
    far.close()


def test_an_end_comes_after_what_was_said_before_it(pair):
    ours, theirs = pair
    ours.send(b"last words")
    ours.end("we go")
    assert received(theirs, 99) == b"last words"
    assert theirs.ended == "the peer closed the connection"
    theirs.end("another reason")
    assert theirs.ended == "the peer closed the connection"


def test_a_reset_is_an_end_with_its_reason():
    near, far = tcp_pair()
    ours = Stream(near)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    wait((ours,), SECOND)
    assert ours.receive() == b""
    assert ours.ended.startswith("connection lost: ")


def test_dialling_where_nobody_listens_says_so():
    listener = Listener()
    listener.close()
    with pytest.raises(WorldError, match=f"nobody answers on 127.0.0.1:{listener.port}"):
        dial(listener.port)


def test_a_listener_takes_who_dials():
    listener = Listener()
    assert listener.accept() is None
    ours = dial(listener.port)
    wait((listener,), SECOND)
    theirs = listener.accept()
    assert theirs is not None
    ours.send(b"x")
    assert received(theirs, 1) == b"x"
    ours.end("done")
    theirs.end("done")
    listener.close()


def test_a_leash_is_cut_when_its_holder_goes():
    read, write = os.pipe()
    leash = Leash(read)
    assert not leash.is_cut()
    os.close(write)
    assert leash.is_cut()
    wait((leash,), 3_600 * SECOND)
    os.close(read)
