"""The client that most Python programs use."""

import os

import requests

base, body = os.environ["BASE"], os.environ["BODY"]
session = requests.Session()
session.headers.update({"X-Api-Key": os.environ["KEY"], "Authorization": f"Bearer {os.environ['TOKEN']}"})

print(session.post(f"{base}/client/sync", data=body, timeout=20).text)
print(session.get(f"{base}/client/sync?entity_type=todo", timeout=20).text)
with session.get(f"{base}/client/sync/stream?entity_type=todo", stream=True, timeout=20) as stream:
    print(next(line[6:].decode() for line in stream.iter_lines() if line.startswith(b"data: ")))
error = session.get(f"{base}/client/sync", timeout=20)
print(error.status_code, error.text)
