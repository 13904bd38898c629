#!/usr/bin/python3
"""aiosmtplib, once: see README.md for what is handed over and the exit codes."""

import asyncio
import binascii
import os
import sys

import aiosmtplib

env = os.environ
host = sys.argv[1] if len(sys.argv) > 1 else env["PARLEY_HOST"]
port = int(sys.argv[2] if len(sys.argv) > 2 else env["PARLEY_PORT"])
tls = env.get("PARLEY_TLS", "none")


def sort(code):
    """The exit code for a reply; without one (-1, None) it is worth another try."""
    return 69 if code and 500 <= code <= 599 else 75


async def run():
    if env.get("PARLEY_TOKEN") or env.get("PARLEY_PROTO", "smtp") != "smtp":
        return 89
    client = aiosmtplib.SMTP(
        hostname=host,
        port=port,
        local_hostname=env["PARLEY_HELLO"],
        timeout=float(env.get("PARLEY_TIMEOUT", "30")),
        use_tls=tls == "implicit",
        start_tls=tls == "starttls",
        cert_bundle=env.get("PARLEY_CA") or None,
        username=env.get("PARLEY_USER") or None,
        password=env.get("PARLEY_PASSWORD") or None,
    )
    await client.connect()
    try:
        return await send(client)
    finally:  # what comes of QUIT changes nothing about the message
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError):
            client.close()


async def send(client):
    options = []
    if not (env["PARLEY_FROM"] + env["PARLEY_RCPTS"]).isascii():
        await client.ehlo()
        if not client.supports_extension("smtputf8"):
            return 78
        options = ["SMTPUTF8"]
    with open(env["PARLEY_FILE"], "rb") as f:
        content = f.read()
    refused, _ = await client.sendmail(env["PARLEY_FROM"], env["PARLEY_RCPTS"].split(","), content, mail_options=options)
    return max((sort(r.code) for r in refused.values()), default=0)


try:
    sys.exit(asyncio.run(run()))
except aiosmtplib.SMTPNotSupported as e:
    print(e, file=sys.stderr)
    sys.exit(78)
except aiosmtplib.SMTPRecipientsRefused as e:
    print(e, file=sys.stderr)
    sys.exit(min(sort(r.code) for r in e.recipients))
except aiosmtplib.SMTPResponseException as e:
    print(repr(e), file=sys.stderr)
    sys.exit(sort(e.code))
except (aiosmtplib.SMTPException, OSError) as e:
    print(repr(e), file=sys.stderr)
    sys.exit(75)
except ValueError as e:
    if isinstance(e, binascii.Error):  # it is the server that has said something odd
        raise
    print(e, file=sys.stderr)  # what was handed over cannot be said
    sys.exit(65)
