"""Who gets which partitions: numbers, not places, since partition N of every topic must come to the same member.

Cooperative (KIP-429): a number that has to move is given to nobody until its old owner has let it go, and the others
work on meanwhile. Sticky: whoever has a number keeps it as long as the shares stay even.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor, RebalanceProtocol
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

VERSION = 2  # of the protocol: with what a member owned, and since when


def share(partitions: int, owned: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The numbers 0 … partitions-1 over the members, evenly (shares differ by one at most), moving as few as can be.

    `owned` names every member with the numbers it has now; one claimed twice stays with the first who claims it.
    """
    members = sorted(owned)
    least, more = divmod(partitions, len(members))
    shares: dict[str, list[int]] = {member: [] for member in members}
    free = set(range(partitions))
    for member in sorted(members, key=lambda each: (-len(owned[each]), each)):  # who has much may keep the larger share
        room = least + (1 if more > 0 else 0)
        kept = [number for number in sorted(set(owned[member])) if number in free][:room]
        more -= len(kept) > least
        shares[member] = kept
        free -= set(kept)
    for number in sorted(free):
        min(shares.items(), key=lambda each: (len(each[1]), each[0]))[1].append(number)
    return {member: sorted(numbers) for member, numbers in shares.items()}


def handed_over(shares: Mapping[str, Sequence[int]], owned: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """What each member may take now: what it has already, and what nobody else still has."""
    holders: dict[int, set[str]] = {}
    for member, numbers in owned.items():
        for number in numbers:
            holders.setdefault(number, set()).add(member)
    return {
        member: [number for number in numbers if holders.get(number, set()) <= {member}] for member, numbers in shares.items()
    }


class CoPartitionAssignor(AbstractPartitionAssignor):
    """kafka-python's own hook for it. All members of a group subscribe to the same topics.

    `held` tells what this member holds. It is asked at each join rather than noted at each assignment: a member that
    the group had given up while it slept holds nothing any more, and would keep from everyone what it claimed.
    """

    name = "kechuang-copartition"
    version = VERSION

    def __init__(self, held: Callable[[], Iterable[TopicPartition]]) -> None:
        self._held = held
        self._generation = -1

    def supported_protocols(self) -> list[RebalanceProtocol]:
        """Cooperative only."""
        return [RebalanceProtocol.COOPERATIVE]

    def metadata(self, topics: Sequence[str]) -> ConsumerProtocolSubscription:
        """What this member tells the leader: what it owns, and since which generation."""
        place = ConsumerProtocolSubscription.TopicPartition
        by_topic: dict[str, list[int]] = {}
        for each in self._held():
            by_topic.setdefault(each.topic, []).append(each.partition)
        owned = [place(topic=topic, partitions=sorted(numbers)) for topic, numbers in by_topic.items()]
        return ConsumerProtocolSubscription(
            version=self.version, topics=sorted(topics), user_data=b"", owned_partitions=owned, generation_id=self._generation
        )

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, ConsumerProtocolAssignment]:
        """The leader's decision for everyone."""
        topics = sorted({topic for member in members for topic in member.metadata.topics})
        partitions = max((len(cluster.partitions_for_topic(topic) or ()) for topic in topics), default=0)
        owned = claims({member.member_id: member.metadata for member in members})
        taken = handed_over(share(partitions, owned), owned)
        return {
            member: ConsumerProtocolAssignment(self.version, [(topic, numbers) for topic in topics] if numbers else [], b"")
            for member, numbers in taken.items()
        }

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Remember since when this member holds what it holds."""
        self._generation = generation


def claims(subscriptions: Mapping[str, Any]) -> dict[str, list[int]]:
    """The numbers that each member owns; a claim of an older generation yields to a newer one."""
    newest: dict[int, int] = {}
    told: dict[str, tuple[int, set[int]]] = {}
    for member, subscription in subscriptions.items():
        generation = int(getattr(subscription, "generation_id", -1))
        numbers = {number for place in subscription.owned_partitions or () for number in place.partitions}
        told[member] = generation, numbers
        for number in numbers:
            newest[number] = max(newest.get(number, -1), generation)
    return {
        member: sorted(number for number in numbers if newest[number] == generation)
        for member, (generation, numbers) in told.items()
    }
