"""The client that many newer Python programs use."""

import os

import httpx2

body = os.environ["BODY"]
headers = {"X-Api-Key": os.environ["KEY"], "Authorization": f"Bearer {os.environ['TOKEN']}"}

with httpx2.Client(base_url=os.environ["BASE"], headers=headers, timeout=20) as http:
    print(http.post("/client/sync", content=body).text)
    print(http.get("/client/sync?entity_type=todo").text)
    with http.stream("GET", "/client/sync/stream?entity_type=todo") as stream:
        print(next(line[6:] for line in stream.iter_lines() if line.startswith("data: ")))
    error = http.get("/client/sync")
    print(error.status_code, error.text)
