"""Shares of partitions: whole, even, sticky, and handed over without two owners."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

from shared.log.copartition import CoPartitionAssignor, claims, handed_over, share

members = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=6, unique=True)


@st.composite
def groups(draw: st.DrawFn) -> tuple[int, dict[str, list[int]]]:
    partitions, names = draw(st.integers(1, 16)), draw(members)
    owned: dict[str, list[int]] = {name: [] for name in names}
    for number in range(draw(st.integers(0, partitions))):
        owned[draw(st.sampled_from(names))].append(number)
    return partitions, owned


@given(groups())
def test_every_partition_has_one_owner_and_shares_are_even(group: tuple[int, dict[str, list[int]]]) -> None:
    partitions, owned = group
    shares = share(partitions, owned)
    assert shares.keys() == owned.keys()
    assert sorted(number for numbers in shares.values() for number in numbers) == list(range(partitions))
    sizes = [len(numbers) for numbers in shares.values()]
    assert max(sizes) - min(sizes) <= 1


@given(groups())
def test_who_must_give_gives_only_what_is_over(group: tuple[int, dict[str, list[int]]]) -> None:
    partitions, owned = group
    shares = share(partitions, owned)
    assert share(partitions, shares) == shares  # nothing moves once it is even
    for member, numbers in owned.items():
        assert len(set(numbers) & set(shares[member])) >= min(len(numbers), partitions // len(owned))


@given(groups())
def test_two_rounds_hand_everything_over_and_nobody_ever_shares(group: tuple[int, dict[str, list[int]]]) -> None:
    partitions, owned = group
    first = handed_over(share(partitions, owned), owned)
    for member, numbers in first.items():
        others = {number for other, theirs in owned.items() if other != member for number in theirs}
        assert not set(numbers) & others
    second = handed_over(share(partitions, first), first)
    assert sorted(number for numbers in second.values() for number in numbers) == list(range(partitions))


def test_a_partition_that_two_claim_is_nobodys_until_both_let_go() -> None:
    owned = {"a": [0, 1], "b": [1]}
    assert all(1 not in numbers for numbers in handed_over(share(2, owned), owned).values())


def test_who_was_given_up_while_it_slept_claims_nothing() -> None:
    held = {TopicPartition("t", 0), TopicPartition("t", 1)}
    assignor = CoPartitionAssignor(lambda: held)
    assignor.on_assignment(ConsumerProtocolAssignment(2, [("t", [0, 1])], b""), 7)
    assert claims({"a": assignor.metadata(["t"])}) == {"a": [0, 1]}
    held.clear()  # kafka-python takes all away when the group no longer knows the member, without asking the assignor
    assert claims({"a": assignor.metadata(["t"])}) == {"a": []}
