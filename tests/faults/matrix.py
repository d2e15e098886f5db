"""The fault matrix: every row with its fault. `make faults` runs all of it, `make test` in brief what one broker and one mongod can."""

from __future__ import annotations

from tests.faults import broker, clocks, delivery, network, processes, storage
from tests.faults.rows import Row
from tests.faults.stand import Setting

KAFKA = Setting(brokers=1)
THREE_BROKERS = Setting(brokers=3, environ=(("KAFKA_REPLICATION", "3"), ("KAFKA_MIN_INSYNC", "2")))

MATRIX = (
    Row("1", "web worker killed between write and commit", processes.kill_web, "SIGKILL of a random web worker"),
    Row("2", "reply to a commit lost", storage.lose_commit_replies, "failCommand: connection closed, or result unknown"),
    Row("3", "storm of write conflicts", storage.storm_of_conflicts, "failCommand on one write in ten; 16 clients on one document"),
    Row("4", "relay killed before and after publishing", processes.kill_relay, "SIGKILL of the relay that holds the lease"),
    Row("5", "two relays at once", processes.split_brain, "SIGSTOP of the holder past its lease, SIGCONT"),
    Row("6", "consumer killed between state and position", processes.kill_ingest, "SIGKILL of a consumer; its commit cut off"),
    Row("7", "every event delivered again", delivery.duplicate, "each entry 1 to 5 times more, the whole topic twice",
        delivery.again_from_the_start, turn=1),
    Row("8", "events in another order", delivery.reorder, "shuffled within and across keys before the relay brings them"),
    Row("9", "poison on the log", delivery.poison, "one entry in ten unreadable, of twelve kinds", delivery.look_at_letters, turn=1),
    Row("10", "broker away", broker.take_the_broker_away, "SIGKILL, then SIGSTOP of the broker", setting=KAFKA, needs=broker.no_broker),
    Row("10w", "broker comes back without its disk", broker.lose_the_disk, "SIGKILL, folder wiped", setting=KAFKA,
        only_full=True, needs=broker.no_broker),
    Row("11", "MongoDB frozen, killed, restarted", storage.take_the_store_away, "SIGSTOP, SIGKILL of mongod"),
    Row("12", "rebalance storm", broker.storm_of_rebalances, "consumers join, leave, are killed, sleep past their session",
        setting=KAFKA, needs=broker.no_broker),
    Row("13", "wrong clocks; a midnight without traffic", clocks.skew, "wall clocks +3 d and -1 d on every service",
        clocks.midnight, turn=2),
    Row("15", "disk full", storage.fill_the_disk, "the store's file system filled",
        setting=Setting(small_disk=True)),
    Row("16", "bad network", network.hold_on, "200 ms, 5 % lost, cut, half-open, single bytes; slow-loris; deaf stream clients",
        before=network.take_the_bad_line),
    Row("17", "rolling restart of every process", processes.rolling_restart, "SIGTERM to each process in turn"),
    Row("18", "rebuilt under load; a byte flipped", delivery.rebuild_under_load, "rebuild from log and stores; a dossier's byte",
        delivery.rebuild_and_compare, turn=-1),
    Row("N", "consumer that starts with nothing", delivery.start_with_nothing, "positions, state and the group's offsets dropped",
        delivery.forget_offsets),
    Row("S", "stream worker with 200 clients killed", processes.kill_streams, "SIGKILL of the stream workers", processes.compare_streams),
    Row("L", "leading broker of three killed", broker.kill_the_leader, "SIGKILL of a partition's leader", setting=THREE_BROKERS,
        only_full=True, needs=broker.no_broker),
    Row("P", "primary of three killed", storage.kill_primary, "SIGKILL of the primary", setting=Setting(nodes=3), only_full=True),
)
