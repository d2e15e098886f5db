"""`make kafka`: one broker for a developer, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from deploy.local.kafka.broker import Kafka
from shared.errors import ConfigError
from shared.process import stopped_by_signal

POLL_S = 0.2


def main() -> int:
    """Run until told to stop; 1 when a node ended by itself."""
    parser = argparse.ArgumentParser(prog="make kafka", description=__doc__)
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, default=Path(".kafka/data"))
    options = parser.parse_args()
    stop = stopped_by_signal(signal.SIGHUP)
    try:
        with Kafka(options.data.absolute(), port=options.port) as cluster:
            print(f"ready 127.0.0.1:{options.port} (Ctrl-C stops it; data: {options.data})", flush=True)
            while not stop.wait(POLL_S):
                if not cluster.nodes[0].running:
                    print(f"the broker ended: {cluster.nodes[0].log_tail()}", file=sys.stderr)
                    return 1
    except ConfigError as error:
        print(f"make kafka: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
