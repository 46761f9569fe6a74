#!/usr/bin/env python3
"""A slixmpp client controlled by JSON lines on standard input. Events are printed as JSON lines.

Command                                                                           Event
  {"do": "login", "jid": J, "password": P, "host": H, "port": N}                  {"event": "online", "jid": FULL}
  {"do": "message", "id": I, "to": J, "type": T, "body": B|null, "children": XML}
  {"do": "presence", "to": J|null, "type": T|null, "children": XML}
  {"do": "iq", "tag": N, "type": "get"|"set", "to": J|null, "payload": XML}        {"event": "answer", "tag": N, "xml": XML}
  {"do": "disco", "tag": N, "what": "info"|"items", "to": J, "node": NODE|null}    the same
  {"do": "raw", "xml": TEXT}
  {"do": "logout"}                                                                {"event": "offline", "reason": TEXT}
Every received stanza, responses included: {"event": "stanza", "xml": XML}.
An iq without a response: {"event": "failed", "tag": N, "reason": TEXT}. The program ends with its input.
"""
import asyncio
import json
import re
import sys
import xml.etree.ElementTree as ET

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout

CLIENT = "{jabber:client}"
NO_TLS = {"unencrypted_plain": True, "unencrypted_scram": True, "encrypted_plain": True}
ANSWER_WITHIN = 15
TAG = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def as_text(xml):
    # slixmpp's own tostring drops attributes in unknown namespaces.
    return ET.tostring(xml, encoding="unicode")


def elements(text):
    return list(ET.fromstring('<all xmlns="jabber:client">%s</all>' % text))


class Client(ClientXMPP):
    """Passes only complete tags to the parser.

    expat defers incomplete tokens until twice as much input is buffered (since CVE-2023-52425; Debian's version too), and
    would hold back a long tag and all input after it until more arrives.
    """

    held = b""

    def data_received(self, data):
        data = self.held + data
        end = max((tag.end() for tag in TAG.finditer(data)), default=0)
        self.held = data[end:]
        if end:
            super().data_received(data[:end])


class Driver:
    def __init__(self):
        self.client = None
        self.tasks = set()

    def login(self, jid, password, host, port):
        client = self.client = Client(jid, password, plugin_config={"feature_mechanisms": NO_TLS})
        client.enable_plaintext, client.enable_starttls, client.enable_direct_tls = True, False, False
        client.auto_authorize = None  # tests handle subscriptions
        client.register_plugin("xep_0030")
        client.add_event_handler("session_start", lambda _: tell("online", jid=client.boundjid.full))
        client.add_event_handler("disconnected", lambda reason: tell("offline", reason=str(reason)))
        client.add_event_handler("failed_all_auth", lambda _: tell("offline", reason="not authenticated"))
        client.add_filter("in", self.received)
        client.connect(host, port)

    def received(self, stanza):
        if stanza.xml.tag in (CLIENT + "message", CLIENT + "presence", CLIENT + "iq"):
            tell("stanza", xml=as_text(stanza.xml))
        return stanza

    def message(self, id, to, type, body, children):
        stanza = self.client.make_message(mto=to, mbody=body, mtype=type)
        stanza["id"] = id
        self.send_with(stanza, children)

    def presence(self, to, type, children):
        self.send_with(self.client.make_presence(pto=to, ptype=type), children)

    def send_with(self, stanza, children):
        for element in elements(children):
            stanza.append(element)
        stanza.send()

    def iq(self, tag, type, to, payload):
        stanza = self.client.make_iq(ito=to, itype=type)
        for element in elements(payload):
            stanza.append(element)
        self.ask(tag, stanza.send(timeout=ANSWER_WITHIN))

    def disco(self, tag, what, to, node):
        plugin = self.client["xep_0030"]
        get = plugin.get_info if what == "info" else plugin.get_items
        self.ask(tag, get(jid=to, node=node, local=False, timeout=ANSWER_WITHIN))

    def ask(self, tag, question):
        task = asyncio.ensure_future(self.answer(tag, question))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, tag, question):
        try:
            stanza = await question
        except IqError as error:
            stanza = error.iq
        except IqTimeout:
            return tell("failed", tag=tag, reason="no response within %d s" % ANSWER_WITHIN)
        except Exception as error:  # reports any exception of slixmpp to the test
            return tell("failed", tag=tag, reason=repr(error))
        tell("answer", tag=tag, xml=as_text(stanza.xml))

    def raw(self, xml):
        self.client.send_raw(xml)

    def logout(self):
        self.client.disconnect()


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    driver = Driver()
    while line := await reader.readline():
        command = json.loads(line)
        getattr(driver, command.pop("do"))(**command)


if __name__ == "__main__":
    asyncio.run(main())
