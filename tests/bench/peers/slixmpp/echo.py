"""Echo component on slixmpp.  Usage: echo.py PORT"""
import asyncio
import sys

from slixmpp import ComponentXMPP, Iq
from slixmpp.plugins.xep_0335 import JSON_Container
from slixmpp.xmlstream import ElementBase, register_stanza_plugin
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath


class Order(ElementBase):
    """Payload of scenario `typed`."""

    name = "order"
    namespace = "urn:campanile:bench"
    plugin_attrib = "order"
    interfaces = {"item", "quantity", "express", "note"}
    sub_interfaces = {"note"}


register_stanza_plugin(Iq, Order)
register_stanza_plugin(Iq, JSON_Container)


class Echo(ComponentXMPP):
    def __init__(self, port):
        super().__init__("echo.localhost", "s3cr3t", "127.0.0.1", port)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self["xep_0030"].add_identity("component", "generic", name="echo")
        self.add_event_handler("message", self.echo)
        self.register_handler(Callback("order", StanzaPath("iq@type=set/order"), self.order))
        self.register_handler(Callback("json", StanzaPath("iq@type=set/json"), self.json))

    def echo(self, message):
        if message["type"] in ("chat", "normal") and message["body"]:
            reply = self.make_message(
                mto=message["from"], mfrom=message["to"], mbody=message["body"], mtype=message["type"]
            )
            reply["id"] = message["id"]
            reply.send()

    def order(self, iq):
        reply = iq.reply()
        for name in ("item", "quantity", "express", "note"):
            reply["order"][name] = iq["order"][name]
        reply.send()

    def json(self, iq):
        reply = iq.reply()
        reply["json"]["value"] = iq["json"]["value"]
        reply.send()


async def main():
    component = Echo(int(sys.argv[1]))
    component.connect()
    await component.wait_until("disconnected", timeout=86400)


asyncio.run(main())
