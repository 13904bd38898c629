"""Sends a load by Python's smtplib: the flags of the other clients, the same line."""

import argparse
import json
import resource
import smtplib
import time

p = argparse.ArgumentParser()
p.add_argument("--addr", required=True)
p.add_argument("--messages", type=int, default=1000)
p.add_argument("--size", type=int, default=4096)
p.add_argument("--rcpts", type=int, default=1)
p.add_argument("--sessions", type=int, default=1)
p.add_argument("--mode", default="plain")
p.add_argument("--inflight", type=int, default=1)
p.add_argument("--body-file", required=True)
p.add_argument("--reconnect", action="store_true")
a = p.parse_args()

host, port = a.addr.rsplit(":", 1)
with open(a.body_file, "rb") as f:
    content = f.read()
recipients = ["recipient%d@mx.example" % i for i in range(a.rcpts)]


def connect():
    return smtplib.SMTP(host, int(port), local_hostname="client.example")


def send(n, kept):
    for _ in range(n):
        c = connect() if kept is None else kept
        c.sendmail("sender@client.example", recipients, content)
        if kept is None:
            c.quit()


kept = None if a.reconnect else connect()
send(4 if a.size < 1 << 20 else 1, kept)
before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
send(a.messages, kept)
took, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
if kept is not None:
    kept.quit()
print(
    json.dumps(
        {
            "seconds": took,
            "messages": a.messages,
            "cpu_user": after.ru_utime - before.ru_utime,
            "cpu_sys": after.ru_stime - before.ru_stime,
        }
    )
)
