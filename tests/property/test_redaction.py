"""No known secret survives in anything that a bundle is made of, and what holds none is not touched (runtime 2.21, 2.24)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.codec import decode_event, encode_event
from millrace.core.events import Operator
from millrace.shell.redaction import HIDDEN, Redactor, environment_secrets

secrets = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=8, max_size=40).filter(
    lambda text: len(text.strip()) >= 8 and text not in HIDDEN
)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=20)


@given(st.lists(secrets, min_size=1, max_size=4), st.data())
def test_no_known_secret_survives_anywhere_in_a_value(known, data):
    redactor = Redactor(known)
    texts = st.builds(lambda a, b, c: a + b + c, st.text(max_size=9), st.sampled_from(known), st.text(max_size=9))
    value = data.draw(
        st.recursive(
            plain | texts,
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.text(max_size=5), inner, max_size=4),
            max_leaves=12,
        )
    )
    packed = redactor.packed(msgspec.msgpack.encode(value))
    assert not redactor.leaks(packed)
    for secret in known:
        assert secret.encode() not in packed
        assert secret.encode() not in msgspec.json.encode(redactor.value(texts_only(value)))


def texts_only(value):
    """Return the value without what JSON cannot say (bytes, infinities)."""
    if isinstance(value, dict):
        return {key: texts_only(found) for key, found in value.items()}
    if isinstance(value, list):
        return [texts_only(found) for found in value]
    return value if isinstance(value, str) else 0


@given(
    secrets,
    st.dictionaries(
        st.text("abc", max_size=3),
        st.text("xyz0 ", max_size=20) | plain.filter(lambda v: not isinstance(v, bytes)),
        max_size=5,
    ),
)
def test_an_event_without_secrets_keeps_its_bytes(secret, args):
    payload = encode_event(Operator("pause", args, 5))
    assert Redactor([secret]).packed(payload) == payload or Redactor([secret]).leaks(payload)


def test_a_record_of_the_journal_stays_the_event_that_it_was():
    event = Operator("halt", {"reason": "the key hunter2-hunter2 leaked", "n": 3, "x": 0.1}, 7)
    clean = decode_event(Redactor(["hunter2-hunter2"]).packed(encode_event(event)))
    assert clean == Operator("halt", {"reason": f"the key {HIDDEN} leaked", "n": 3, "x": 0.1}, 7)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("api_key=AbCd1234", f"api_key={HIDDEN}"),
        ("API-Key: 'AbCd1234' and more", f"API-Key: '{HIDDEN}' and more"),
        ('{"password": "AbCd1234"}', f'{{"password": "{HIDDEN}"}}'),
        ("Authorization: Bearer abc.def.ghi", f"Authorization: Bearer {HIDDEN}"),
        ("https://ann:AbCd1234@host/x", f"https://ann:{HIDDEN}@host/x"),
        ("https://host:8080/x", "https://host:8080/x"),
        ("-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----", HIDDEN),
        ("key slots/slot1/A/3 came back with another payload", "key slots/slot1/A/3 came back with another payload"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_unknown(text, clean):
    assert Redactor([]).text(text) == clean
    assert Redactor([]).value({"t": [text]}) == {"t": [clean]}


def test_what_stands_under_a_secrets_name_is_taken_out():
    value = {"venue.api_secret": "xy", "api_key": "ab", "token": "", "key": "slots/1", "keys": ["k"]}
    assert Redactor([]).value(value) == {
        "venue.api_secret": HIDDEN,
        "api_key": HIDDEN,
        "token": "",
        "key": "slots/1",
        "keys": ["k"],
    }


@pytest.mark.parametrize(
    "form", ["hunter2+hunter2=", "68756e746572322b68756e746572323d", "hunter2%2Bhunter2%3D", "aHVudGVyMitodW50ZXIyPQ"]
)
def test_other_forms_of_a_secret_are_found(form):
    redactor = Redactor(["hunter2+hunter2="])
    assert redactor.leaks(f"before {form} after".encode())
    assert not redactor.leaks(redactor.text(f"before {form} after").encode())


def test_secrets_of_the_environment_are_known_by_their_names():
    environ = {
        "KRAKEN_API_KEY": "kkkkkkkk", "MILLRACE__VENUE__API_SECRET": "ssssssss", "DB_PASSWORD": "pppppppp",
        "GITHUB_TOKEN": "tttttttt", "AWS_CREDENTIAL": "cccccccc", "PATH": "/usr/bin:/bin", "MONKEY": "business",
        "PASSWORD": "short",
    }  # fmt: skip
    assert environment_secrets(environ) == ["kkkkkkkk", "ssssssss", "pppppppp", "tttttttt", "cccccccc"]
