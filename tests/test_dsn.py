"""A DSN is understood exactly or refused in plain words, and a password is never shown."""

from __future__ import annotations

import ssl
import traceback
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rcollections.errors import ConfigError
from rcollections.wire.dsn.dsn import Dsn, from_environ, from_mapping, parse

SECRET = "s3cr3tPa55"


# -- what is understood ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h", Dsn(host="h")),
        ("redis://h:7000/3", Dsn(host="h", port=7000, db=3)),
        ("redis://h/2/", Dsn(host="h", db=2)),
        ("redis://", Dsn(host="localhost")),
        ("redis:///2", Dsn(host="localhost", db=2)),
        ("redis://h?db=2", Dsn(host="h", db=2)),
        ("rediss://h", Dsn(host="h", tls=True)),
        ("REDIS://h", Dsn(host="h")),
        ("valkey://h", Dsn(host="h")),
        ("valkeys://h", Dsn(host="h", tls=True)),
        ("caches.interface.Redis://h/1#x", Dsn(host="h", db=1, name="x")),
        ("redis://[::1]:7/0", Dsn(host="::1", port=7)),
        ("redis://[fe80::1%25eth0]", Dsn(host="fe80::1%eth0")),
        ("unix:///run/r.sock", Dsn(path="/run/r.sock")),
        ("unix:///run/r%20r.sock?db=2", Dsn(path="/run/r r.sock", db=2)),
        ("unix://u:p@/r.sock", Dsn(path="/r.sock", user="u", password="p")),
        ("memory://", Dsn(kind="memory")),
        ("memory://a/3#n", Dsn(kind="memory", host="a", db=3, name="n")),
        ("embedded:///var/cache/app", Dsn(kind="embedded", path="/var/cache/app")),
        ("redis://h#a%20b", Dsn(host="h", name="a b")),
        ("redis://h#default", Dsn(host="h")),
        ("redis://h?socket_timeout=0.2&l1=off", Dsn(host="h", timeout=0.2, l1=False)),
        ("redis://h?l1_bytes=512kb&max_value=1GB", Dsn(host="h", l1_bytes=512 * 1024, max_value=1 << 30)),
        ("redis://h?compress_above=1000&protocol=3", Dsn(host="h", compress_above=1000, protocol=3)),
        (
            "redis://h?namespace=app%3A&client_name=web-1",
            Dsn(host="h", namespace="app:", client_name="web-1"),
        ),
        ("redis://h?", Dsn(host="h")),
    ],
)
def test_a_dsn_is_understood(text, expected):
    dsn = parse(text)
    assert dsn == expected
    assert dsn.shown.count("://") == 1


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("secret", "", "secret"),
        (":secret", "", "secret"),
        ("ada:secret", "ada", "secret"),
        ("ada:", "ada", ""),
        ("a%3Ab:p%2F%40%23%3F%25", "a:b", "p/@#?%"),
        ("ada:with:colons", "ada", "with:colons"),
        ("ada:with@at", "ada", "with@at"),
    ],
)
def test_a_lone_login_is_the_password_and_a_pair_is_user_and_password(login, user, password):
    dsn = parse(f"redis://{login}@h/1")
    assert (dsn.user, dsn.password, dsn.host) == (user, password, "h")


def test_the_defaults_are_those_of_the_docs():
    dsn = parse("redis://h")
    assert (dsn.timeout, dsn.connect_timeout, dsn.max_connections, dsn.namespace) == (1.0, 1.0, 50, "")
    assert (dsn.l1, dsn.l1_entries, dsn.l1_bytes, dsn.staleness) == (True, 10_000, 64 * 2**20, 1.0)
    assert (dsn.max_value, dsn.compress_above, dsn.protocol, dsn.port, dsn.db) == (None, None, 2, 6379, 0)


@pytest.mark.parametrize("word", ["on", "true", "1", "yes", "ON"])
def test_switches_have_many_words(word):
    assert parse(f"redis://h?l1={word}").l1 is True


def test_tls_options_come_as_redis_py_takes_them():
    assert parse("rediss://h").ssl == {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    dsn = parse("rediss://h?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem&ssl_min_version=TLSv1.3")
    assert dsn.ssl == {
        "ssl_cert_reqs": "none",
        "ssl_check_hostname": False,
        "ssl_ca_certs": "/ca.pem",
        "ssl_min_version": ssl.TLSVersion.TLSv1_3,
    }


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "form scheme://"),
        ("localhost:6379", "form scheme://"),
        ("redis:/h", "form scheme://"),
        (" redis://h", "no spaces"),
        ("redis://h ", "no spaces"),
        ("redis://h\n", "no spaces"),
        ("rediz://h", r"'rediz' \(did you mean redis\?\): known are redis, rediss, unix"),
        ("http://h", "known are redis"),
        ("caches.interface.Other://h", "caches.interface.Redis"),
        ("redis+sentinel://h", "name of the master"),
        ("redis://a,b", "several hosts"),
        ("redis://h:", "port must be a whole number from 1 to 65535"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:٣", "port"),
        ("redis://::1", "port|brackets"),
        ("redis://[::1", "brackets"),
        ("redis://[nope]", "IPv6"),
        ("redis://h/x", "db"),
        ("redis://h/-1", "db"),
        ("redis://h/1/2", "db"),
        ("redis://h/1?db=2", "given twice"),
        ("redis://h?db=1&db=1", "db is given twice"),
        ("redis://h/%ff", "UTF-8"),
        ("redis://h\udcff", "UTF-8"),
        ("redis://h%0a", "host"),
        ("unix://tmp/x", "three slashes"),
        ("unix://", "three slashes"),
        ("unix:///tmp/%00x", "control characters"),
        ("embedded://", "three slashes"),
        ("embedded://u:p@/tmp", "no login"),
        ("memory://u:p@x", "no login"),
        ("memory://a:1", "at most a name"),
        ("redis://h?timeout", "no value"),
        ("redis://h?timeout=1&timeout=1", r"timeout \(also spelled socket_timeout\) is given twice"),
        ("redis://h?timeout=1&socket_timeout=2", "given twice"),
        ("redis://h?tiemout=1", r"'tiemout' \(did you mean timeout\?\).*connect_timeout"),
        ("redis://h?decode_responses=1", "the options are timeout"),
        ("redis://h?password=x", "before the host"),
        ("redis://h?USERNAME=x", "before the host"),
        *((f"redis://h?timeout={bad}", "timeout must be a number") for bad in ("", "x", "0", "-1", "nan", "inf")),
        *((f"redis://h?max_connections={bad}", "whole number") for bad in ("0", "1.5", "-1", "1_0")),
        *((f"redis://h?l1_bytes={bad}", "number of bytes") for bad in ("0", "64m", "1tb", "-1", "1.5mb")),
        ("redis://h?l1=maybe", "on or off"),
        ("redis://h?protocol=4", "2 or 3"),
        ("redis://h?namespace=%7Ba%7D", "braces"),
        ("redis://h?namespace=a%01", "control"),
        ("redis://h?client_name=a%20b", "spaces"),
        ("redis://h?ssl_cert_reqs=none", "rediss://"),
        ("rediss://h?ssl_cert_reqs=perhaps", "required, optional, none"),
        ("redis://h#a%00", "control"),
        ("redis://:pass/word@h", "%2F"),
        ("redis://:pass#word@h", "%23"),
        ("redis://:pass?word@h", "%3F"),
    ],
)
def test_what_is_wrong_is_a_config_error_that_says_so(text, says):
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        parse(text)


@pytest.mark.parametrize("what", [None, 5, b"redis://h"])
def test_a_dsn_is_text(what):
    with pytest.raises(ConfigError, match="is a str"):
        parse(what)


# -- secrets -----------------------------------------------------------------------------------------------


def assert_silent(text, secret=SECRET):
    """Parse; neither the result's texts nor an error, with its whole traceback, shows the secret."""
    try:
        dsn = parse(text)
    except ConfigError as error:
        seen = str(error) + "".join(traceback.format_exception_only(type(error), error))
        # A cause would bring its own text, which quotes what int() or the decoder was given.
        if error.__context__ is not None and not error.__suppress_context__:
            pytest.fail("a cause is shown")
    else:
        seen = dsn.shown + repr(dsn) + str(dsn)
    assert secret not in seen
    assert quote(secret, safe="") not in seen


def test_the_password_is_not_shown():
    dsn = parse(f"redis://ada:{SECRET}@h/1?timeout=0.5#n")
    assert dsn.password == SECRET
    assert dsn.shown == "redis://ada:***@h:6379/1?timeout=0.5#n"
    assert_silent(f"redis://ada:{SECRET}@h/1")
    assert_silent(f"redis://h?sentinel_password={SECRET}")


pieces = st.sampled_from([*"/?#@:[]%&=.,+ \n\x00", "%zz", "%ff", "redis://", "://", "h", "é", "\udcff", "1", "db"])
junk = st.lists(pieces, max_size=8).map("".join)
schemes = st.sampled_from(["redis", "rediss", "unix", "memory", "embedded", "redis+cluster", "nosuch"])


@given(schemes, junk, junk, junk)
@example("redis", "", "/w", ":1")
def test_no_malformed_dsn_shows_its_password(scheme, before, after, rest):
    # Whatever odd characters are around it, unencoded ones of the password itself included.
    assert_silent(f"{scheme}://{before}:{SECRET}{after}@{rest}")
    assert_silent(f"{scheme}://ada:{before}{SECRET}{after}@h{rest}")
    assert_silent(f"{scheme}:/{before}:{SECRET}{after}@{rest}")


@given(st.text() | junk | st.tuples(schemes, junk).map("://".join))
def test_nothing_but_a_config_error_is_raised(text):
    assert_silent(text, "\x00no such thing")


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_any_password_can_be_written_with_percent_signs(user, password):
    text = f"redis://{quote(user, safe='')}:{quote(password, safe='')}@h"
    if not user.isprintable():
        with pytest.raises(ConfigError):
            parse(text)
    else:
        assert (parse(text).user, parse(text).password) == (user, password)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "timeout": st.floats(0.001, 1000),
            "max_connections": st.integers(1, 10**6),
            "l1": st.booleans(),
            "l1_bytes": st.integers(1, 2**40),
            "max_value": st.integers(1, 2**40),
            "protocol": st.sampled_from([2, 3]),
            "namespace": st.text(st.characters(codec="utf-8", exclude_characters="{}\\:")).filter(str.isprintable),
        },
    ),
    st.sampled_from(["redis://h:1/2#n", "unix:///a?db=1", "memory://m", "embedded:///d", "rediss://[::1]"]),
)
def test_what_is_shown_reads_back_as_the_same(options, text):
    dsn = parse(text).replace(**options)
    assert parse(dsn.shown) == dsn


# -- other ways in -----------------------------------------------------------------------------------------


def test_options_may_stand_beside_the_dsn():
    dsn = from_mapping("sessions", {"dsn": "redis://h?timeout=2&l1=off", "timeout": 0.2, "l1_bytes": "1mb"})
    assert dsn == Dsn(host="h", name="sessions", timeout=0.2, l1=False, l1_bytes=1 << 20)
    assert from_mapping("", {"dsn": "redis://h", "l1": False, "max_connections": 3}).max_connections == 3
    assert from_mapping("a", {"dsn": "redis://h#a"}).name == "a"


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({}, "has no 'dsn'"),
        ({"dsn": 5}, "is a str"),
        ({"dsn": "redis://h#other"}, "'other'"),
        ({"dsn": "redis://h", "tiemout": 1}, "did you mean timeout"),
        ({"dsn": "redis://h", "timeout": True}, "timeout"),
        ({"dsn": "redis://h", "timeout": 10**400}, "timeout"),
        ({"dsn": "redis://h", "max_connections": 1.0}, "whole number"),
        ({"dsn": "redis://h", "l1": 2}, "on or off"),
        ({"dsn": "redis://h", "timeout": 1, "socket_timeout": 1}, "twice"),
        ({"dsn": "redis://h", "password": "x"}, "before the host"),
        ({"dsn": "redis://h", 5: 1}, "strings"),
        ("redis://h", "mapping"),
    ],
)
def test_a_wrong_mapping_is_named(mapping, says):
    with pytest.raises(ConfigError, match=f"'sessions'.*{says}"):
        from_mapping("sessions", mapping)


def test_a_copy_with_other_options_is_checked_like_a_dsn():
    dsn = parse("embedded:///d?timeout=2")
    moved = dsn.replace(kind="server", path="/d/s", socket_timeout=0.5)
    assert (moved.kind, moved.path, moved.timeout, dsn.timeout) == ("server", "/d/s", 0.5, 2.0)
    for wrong in ({"timeout": 0}, {"nosuch": 1}, {"port": "x"}, {"db": -1}, {"password": "x"}):
        with pytest.raises(ConfigError):
            dsn.replace(**wrong)


def test_the_environment_gives_the_connections_in_order():
    found = from_environ(
        {
            "CACHES_DSN": "redis://a",
            "CACHES_DSN_1": "redis://b#one",
            "CACHES_DSN_2": "redis://c#two",
            "PATH": "x",
        }
    )
    assert {name: dsn.host for name, dsn in found.items()} == {"": "a", "one": "b", "two": "c"}
    assert from_environ({}) == {}
    assert from_environ({"CACHES_DSN": "", "CACHES_DSN_1": "redis://b#one"})["one"].host == "b"


def test_a_gap_in_the_numbers_is_warned_about_and_ends_the_reading():
    environ = {"CACHES_DSN_1": "redis://a#a", "CACHES_DSN_2": "", "CACHES_DSN_3": f"redis://:{SECRET}@c#c"}
    with pytest.warns(UserWarning, match="CACHES_DSN_3 ignored.*CACHES_DSN_2 is not set") as caught:
        assert list(from_environ(environ)) == ["a"]
    assert SECRET not in str(caught[0].message)
    with pytest.warns(UserWarning, match="CACHES_DSN_0 ignored"):
        from_environ({"CACHES_DSN_0": "redis://a"})


def test_one_name_for_two_servers_is_refused_and_for_one_server_fine():
    assert len(from_environ({"CACHES_DSN": "redis://a", "CACHES_DSN_1": "valkey://a:6379/0"})) == 1
    with pytest.raises(ValueError, match="CACHES_DSN_1 and CACHES_DSN both define the default connection"):
        from_environ({"CACHES_DSN": "redis://a", "CACHES_DSN_1": "redis://b"})
    with pytest.raises(ConfigError, match="'x', differently") as caught:
        from_environ({"CACHES_DSN": "redis://:1@a#x", "CACHES_DSN_1": f"redis://:{SECRET}@a#x"})
    assert SECRET not in str(caught.value)


def test_an_error_names_the_variable():
    with pytest.raises(ConfigError, match=r"CACHES_DSN_1: .*port") as caught:
        from_environ({"CACHES_DSN": "redis://a", "CACHES_DSN_1": f"redis://:{SECRET}@b:x"})
    assert SECRET not in str(caught.value)
