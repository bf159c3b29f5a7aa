"""What sentinels say, and what follows from it: no server is needed for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcollections.wire.failures import ErrorReply
from rcollections.wire.sentinels.words import Heard, Replica, Trouble, Verdict, heard, judged, questions

if TYPE_CHECKING:
    from typing import Any

OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.2", 6379)


def flat(**fields: object) -> list[bytes]:
    return [str(each).replace("_", "-").encode() for pair in fields.items() for each in pair]


def answer(
    address: tuple[str, int] = OLD, epoch: int = 3, others: int = 2, flags: str = "master", **more: object
) -> list[Any]:
    host, port = address
    return [
        [host.encode(), str(port).encode()],
        flat(config_epoch=epoch, num_other_sentinels=others, flags=flags, quorum=2, **more),
        [flat(ip="10.0.1.2", port=26379, runid="b"), flat(ip="10.0.1.3", port=26380, runid="c")],
        [flat(ip="10.0.0.2", port=6379, flags="slave", master_link_status="ok"),
         flat(ip="10.0.0.3", port=6379, flags="s_down,slave", master_link_status="err")],
    ]  # fmt: skip


def test_an_answer() -> None:
    told = heard(answer(down_after_milliseconds=1500))
    assert told == Heard(
        OLD, 3, 3, 1.5, 2, False, {"b": ("10.0.1.2", 26379), "c": ("10.0.1.3", 26380)},
        (Replica(NEW, True), Replica(("10.0.0.3", 6379), False)),
    )  # fmt: skip
    assert len(questions("m")) == 4


def test_an_answer_in_the_form_of_resp3() -> None:
    flat_, maps = answer(), answer()
    maps[1] = dict(zip(maps[1][::2], maps[1][1::2], strict=True))
    maps[2] = [dict(zip(each[::2], each[1::2], strict=True)) for each in maps[2]]
    assert heard(maps) == heard(flat_)


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ([None, ErrorReply("ERR No such master with that name")] + [[]] * 2, "unknown"),
        ([ErrorReply("NOAUTH Authentication required.")] * 4, "login"),
        ([ErrorReply("NOPERM User x has no permissions")] * 4, "login"),
        ([ErrorReply("ERR unknown command 'SENTINEL', with args beginning with")] * 4, "other"),
        ([b"OK", b"OK", b"OK", b"OK"], "other"),
        ([[b"h", b"1"], [b"odd"], [], []], "other"),
    ],
)
def test_what_is_no_answer(replies: list[Any], why: str) -> None:
    told = heard(replies)
    assert isinstance(told, Trouble)
    assert told.why == why


def said(address: tuple[str, int], epoch: int, known: int = 3) -> Heard:
    return Heard(address, epoch, known)


def test_a_majority_is_believed_and_fewer_are_not() -> None:
    two = judged({"a": said(OLD, 1), "b": said(OLD, 1)})
    assert two is not None
    assert (two.address, two.agree, two.known, two.proven) == (OLD, 2, 3, True)
    one = judged({"a": said(OLD, 1)})
    assert one is not None
    assert (one.address, one.proven) == (OLD, False)
    assert judged({}) is None


def test_dead_sentinels_count_as_known() -> None:
    """Two of four are no majority, though both that answer agree."""
    two = judged({"a": said(OLD, 1, 4), "b": said(OLD, 1, 4)})
    assert two is not None
    assert not two.proven


def test_the_highest_epoch_wins_as_soon_as_one_says_it() -> None:
    """A failover has just happened: one has heard of it. It is followed, and proves nothing yet."""
    before = judged({each: said(OLD, 1) for each in "abc"})
    found = judged({"a": said(NEW, 2), "b": said(OLD, 1), "c": said(OLD, 1)}, before)
    assert found is not None
    assert (found.address, found.proven) == (NEW, False)
    found = judged({"a": said(NEW, 2), "b": said(OLD, 1), "c": said(OLD, 1)}, found)
    assert found is not None
    assert found.address == NEW, "it does not go back while the others have not heard of it"
    found = judged({"a": said(NEW, 2), "b": said(NEW, 2), "c": said(OLD, 1)}, found)
    assert found is not None
    assert (found.address, found.proven) == (NEW, True)


def test_a_few_that_were_away_take_nobody_back() -> None:
    """A sentinel that was cut off knows the primary of before."""
    before = judged({each: said(NEW, 2) for each in "abc"})
    found = judged({"c": said(OLD, 1)}, before)
    assert found is not None
    assert (found.address, found.epoch, found.proven) == (NEW, 2, False)


def test_a_majority_that_began_anew_is_believed() -> None:
    """SENTINEL REMOVE and MONITOR set the epoch back."""
    before = judged({each: said(OLD, 7) for each in "abc"})
    found = judged({"a": said(NEW, 0), "b": said(NEW, 0), "c": said(OLD, 7)}, before)
    assert found is not None
    assert (found.address, found.proven) == (NEW, True)


voices = st.dictionaries(
    st.sampled_from("abcde"), st.builds(said, st.sampled_from([OLD, NEW]), st.integers(0, 3), st.integers(1, 5))
)
two = st.just(2)
verdicts = st.none() | st.builds(Verdict, st.sampled_from([OLD, NEW]), st.integers(0, 3), two, two, st.just(3))


@given(voices, verdicts)
def test_no_verdict_goes_back_without_a_majority(words: dict[str, Heard], before: Verdict | None) -> None:
    found = judged(words, before, 9)
    if found is None:
        assert not words
        assert before is None
        return
    if found.proven and words:
        known = max(len(words), *(each.known for each in words.values()))
        agree = [each for each in words.values() if (each.address, each.epoch) == (found.address, found.epoch)]
        assert 2 * len(agree) > known
    elif before is not None:
        assert found.epoch >= before.epoch
