"""Reads each message of a directory by the email package and prints what it finds, a JSON object a line."""

import email
import hashlib
import json
import pathlib
import sys
from email import policy


def people(message, name):
    # Names without spaces: before 3.13 one more stands between two encoded-words.
    field = message[name]
    return [f"{a.display_name.replace(' ', '')}|{a.addr_spec}" for a in field.addresses] if field else None


def leaf(part):
    kind = part.get_content_type()
    body = part.get_payload(decode=True)
    if kind == "message/rfc822":
        digest = str(part.get_payload(0)["Subject"])
    else:
        if kind.startswith("text/"):
            body = body.replace(b"\r\n", b"\n")
        digest = hashlib.sha256(body).hexdigest()
    return {
        "Type": kind,
        "Charset": part.get_param("charset", "").lower(),
        "Filename": part.get_filename(""),
        "Disposition": part.get_content_disposition() or "",
        "ContentID": str(part.get("Content-ID", "")),
        "SHA256": digest,
    }


def leaves(part):
    if part.get_content_maintype() == "multipart":
        return [found for inner in part.iter_parts() for found in leaves(inner)]
    return [leaf(part)]


for name in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    message = email.message_from_bytes(name.read_bytes(), policy=policy.SMTP)
    for part in message.walk():
        if part.defects:
            sys.exit(f"{name.name}: {part.defects}")
    print(json.dumps({
        "Subject": str(message["Subject"]),
        "Date": str(message["Date"]),
        "MessageID": str(message["Message-ID"]),
        "Extra": str(message["X-Corpus"]),
        "From": people(message, "From"),
        "To": people(message, "To"),
        "Cc": people(message, "Cc"),
        "Parts": leaves(message),
    }))
