#!/usr/bin/env python3
"""A bot that reads Server-Sent Events and listens on no port, standard library only.
Run: API=http://127.0.0.1:5391 TOKEN=… python3 sse.py"""
import json, os, time, urllib.request

API, TOKEN = os.environ["API"], os.environ["TOKEN"]


def request(path, body=None, **headers):
    headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"} | headers
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(API + path, data, headers))


def answer(stanza, cursor):
    if stanza.get("body") and stanza["type"] == "chat":
        reply = {"to": stanza["from"], "body": "you said: " + stanza["body"]}
        request("/v1/messages", reply, **{"Idempotency-Key": "answer-" + cursor}).close()


cursor, done = "0", "0"
while True:
    try:
        for line in request("/v1/events?kind=message", **{"Last-Event-ID": done}):
            field, _, value = line.decode().strip().partition(": ")
            if field == "id":
                cursor = value
            elif field == "data" and cursor != done:
                answer(json.loads(value), cursor)
                done = cursor
    except OSError:
        time.sleep(1)
