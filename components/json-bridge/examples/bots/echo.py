#!/usr/bin/env python3
"""A webhook bot, standard library only. Run: HOOK_SECRET=whsec_… python3 echo.py PORT"""
import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))


def is_signed(headers, body):
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    signed = hmac.new(KEY, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(signed).decode()
    sent = headers.get("webhook-signature", "").split()
    return abs(time.time() - int(stamp)) < 300 and any(hmac.compare_digest(wanted, s) for s in sent)


class Bot(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(self.headers, body):
            return self.answer(401)
        stanza = json.loads(body)
        if stanza["kind"] == "iq":
            return self.answer(200, {"version": {"name": "echo.py", "version": "1"}})
        text = stanza.get("body") if stanza["type"] != "error" else None
        self.answer(200 if text else 204, text and {"body": "you said: " + text})

    def answer(self, status, reply=None):
        body = b"" if reply is None else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bot).serve_forever()
