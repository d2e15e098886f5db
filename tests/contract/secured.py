"""A broker that takes clients by TLS and SCRAM only, with certificates of keytool's own making."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deploy.local.kafka.broker import Kafka

LISTENER, USER, PASSWORD, STORE_PASSWORD = "SECURE", "kechuang", "correct-horse", "keystore-secret"


def start(folder: Path) -> tuple[Kafka, Path]:
    """The broker, and the certificate that its clients trust."""
    keystore, certificate = folder / "broker.p12", folder / "broker.pem"
    keytool(
        "-genkeypair", "-alias", "broker", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=localhost",
        "-ext", "san=dns:localhost,ip:127.0.0.1", "-ext", "bc:c", "-validity", "2", "-storetype", "PKCS12",
        "-keystore", str(keystore), "-storepass", STORE_PASSWORD,
    )
    keytool(
        "-exportcert", "-rfc", "-alias", "broker", "-keystore", str(keystore), "-storepass", STORE_PASSWORD,
        "-file", str(certificate),
    )
    settings = {
        "ssl.keystore.location": str(keystore),
        "ssl.keystore.password": STORE_PASSWORD,
        "ssl.keystore.type": "PKCS12",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    }
    named = {f"listener.name.{LISTENER.lower()}.{name}": value for name, value in settings.items()}
    return Kafka(folder, listeners={LISTENER: "SASL_SSL"}, settings=named, scram={USER: PASSWORD}), certificate


def keytool(*words: str) -> None:
    subprocess.run(["keytool", *words], stdin=subprocess.DEVNULL, capture_output=True, check=True)
