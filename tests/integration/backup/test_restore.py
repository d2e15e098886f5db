"""What a backup is restored onto has nothing yet, neither in its store nor on its log."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

from deploy.local.kafka.broker import Kafka
from deploy.local.up import TOOL
from shared.events.topics import REGISTRY
from shared.ids import new_id
from shared.log.kafka import KafkaLog
from shared.log.kafka_config import KafkaConfig
from shared.mongo import Client


def test_a_log_that_has_events_is_no_place_to_go_on_from(
    kafka: Kafka, mongo_uri: str, mongo: Client, database_name: str, tmp_path: Path
) -> None:
    log_of = {"KAFKA_BOOTSTRAP": kafka.bootstrap, "KAFKA_PREFIX": f"{new_id().lower()}-"}

    def run(*words: str, **told: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "DB_PREFIX": database_name} | log_of | told
        command = [*TOOL, *words, "--data", str(tmp_path / "none")]
        return subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    store, backup = mongo[f"{database_name}_registry"], str(tmp_path / "backup")
    try:
        store["changes"].insert_one({"_id": 1})
        made = run("backup", backup, MONGO_URI=mongo_uri)
        assert made.returncode == 0, made.stderr
        assert "the keys are not in the backup" in made.stderr
        mongo.drop_database(store.name)
        with closing(KafkaLog(KafkaConfig(log_of["KAFKA_BOOTSTRAP"], kafka_prefix=log_of["KAFKA_PREFIX"]))) as log:
            log.append(REGISTRY, [("a firm", b"{}")])
        refused = run("restore", backup, "--mongo", mongo_uri)
        assert refused.returncode == 2
        assert "the log has events already" in refused.stderr
        assert store.name not in mongo.list_database_names()
        fresh = run("restore", backup, KECHUANG_MONGO=mongo_uri, KAFKA_PREFIX=f"{new_id().lower()}-")
        assert fresh.returncode == 0, fresh.stderr
        assert store["changes"].count_documents({}) == 1
    finally:
        for name in ("registry", "metrics"):
            mongo.drop_database(f"{database_name}_{name}")
