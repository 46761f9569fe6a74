#!/usr/bin/env python3
"""A bot in Python, standard library only: answers messages and IQs. HOOK_SECRET is the webhook's secret."""
import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))


def is_signed(headers, body):
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    signed = hmac.new(KEY, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(signed).decode()
    given = headers.get("webhook-signature", "").split()
    return abs(time.time() - int(stamp)) < 300 and any(hmac.compare_digest(wanted, one) for one in given)


class Bot(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(self.headers, body):
            return self.answer(401)
        stanza = json.loads(body)
        if stanza["kind"] == "iq":
            return self.answer(200, {"version": {"name": "echo.py", "version": "1"}})
        self.answer(200, {"body": "you said: " + stanza["body"]}) if "body" in stanza else self.answer(204)

    def answer(self, status, reply=None):
        body = b"" if reply is None else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bot).serve_forever()
