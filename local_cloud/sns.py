"""Messages as Amazon SNS signs them: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html"""

from __future__ import annotations

import base64
import uuid
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now

FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def signer(cloud: Cloud) -> tuple[rsa.RSAPrivateKey, str]:
    """Key and certificate (PEM), made once; kept beside the authority's."""
    key_path, certificate_path = cloud.settings.state / "sns.key", cloud.settings.state / "sns.pem"
    if not certificate_path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.local-cloud.internal")])
        certificate = cloud.ca.certificate_of(name, key.public_key())
        key_path.touch(mode=0o600)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key_path.write_bytes(key.private_bytes(*form))
        certificate_path.write_text(certificate)
    loaded = serialization.load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded, certificate_path.read_text()


def base_url(cloud: Cloud) -> str:
    """Where the certificate is, as seen by machines."""
    return f"http://local-cloud.internal:{cloud.settings.port(8)}"


def sign(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    """A signed message. body: type, message, topic_arn, subject, signature_version (1 or 2); KeyError for a missing one."""
    kind = body.get("type", "Notification")
    if kind not in FIELDS:
        raise ValueError(f"type must be one of {', '.join(FIELDS)}")
    version = str(body.get("signature_version", "1"))
    token = uuid.uuid4().hex
    message: dict[str, Any] = {
        "Type": kind,
        "MessageId": str(uuid.uuid4()),
        "TopicArn": body["topic_arn"],
        "Message": body.get("message", ""),
        "Timestamp": now(),
        "SignatureVersion": version,
        "SigningCertURL": f"{base_url(cloud)}/sns/cert.pem",
    }
    if body.get("subject"):
        message["Subject"] = body["subject"]
    if kind == "SubscriptionConfirmation":
        message["Token"] = token
        message["SubscribeURL"] = body.get("subscribe_url") or f"{base_url(cloud)}/sns/confirm?Token={token}"
    text = "".join(f"{name}\n{message[name]}\n" for name in FIELDS[kind] if name in message)
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = signer(cloud)[0].sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {**message, "Signature": base64.b64encode(signature).decode()}
