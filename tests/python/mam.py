#!/usr/bin/env python3
"""Tests an archive with slixmpp's MAM plugin.

Usage: mam.py HOST PORT JID PASSWORD ARCHIVE COUNT

Sends COUNT messages, waits for the receipt of the last one, and queries them in every way the plugin supports.
Exits with 0 and prints "all tests passed", or fails with the assertion.
"""
import asyncio
import sys
import xml.etree.ElementTree as ET
from datetime import timedelta

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Collector
from slixmpp.xmlstream.matcher import MatchXMLMask

NO_TLS = {"unencrypted_plain": True, "unencrypted_scram": True, "encrypted_plain": True}
MAM, DATA, RSM = "urn:xmpp:mam:2", "jabber:x:data", "http://jabber.org/protocol/rsm"


class Tester:
    def __init__(self, host, port, jid, password, archive, count):
        self.archive, self.count = archive, count
        client = self.client = ClientXMPP(jid, password, plugin_config={"feature_mechanisms": NO_TLS})
        client.enable_plaintext, client.enable_starttls, client.enable_direct_tls = True, False, False
        for plugin in ("xep_0030", "xep_0059", "xep_0184", "xep_0313", "xep_0203"):
            client.register_plugin(plugin)
        self.receipts = {}
        client.add_event_handler("receipt_received", self.received)
        self.online = asyncio.get_running_loop().create_future()
        client.add_event_handler("session_start", lambda _: self.online.set_result(None))
        client.connect(host, port)

    def received(self, message):
        waiting = self.receipts.pop(message["receipt"], None)
        if waiting:
            waiting.set_result(None)

    async def fill(self):
        """Sends the messages. Waits for a receipt after every 1,000, because floods by one sender are rejected."""
        for number in range(self.count):
            last = number % 1000 == 999 or number == self.count - 1
            request = "<request xmlns='urn:xmpp:receipts'/>" if last else ""
            self.client.send_raw("<message to='%s' type='chat' id='f%d'><body>n%d of %s</body>%s</message>"
                                 % (self.archive, number, number, "odd" if number % 2 else "even", request))
            if last:
                waiting = self.receipts["f%d" % number] = asyncio.get_running_loop().create_future()
                await asyncio.wait_for(waiting, 120)

    async def walk(self, reverse, page):
        found = []
        async for message in self.client.plugin["xep_0313"].iterate(self.archive, reverse=reverse, rsm={"max": page}):
            found.append(self.number(message))
        return found

    def number(self, message):
        body = message["mam_result"]["forwarded"]["stanza"]["body"]
        return int(body.split()[0][1:])

    async def ask(self, fields=(), rsm="", flip=False, **options):
        """Sends a query with parameters that the plugin does not support. Returns (ids, numbers, fin)."""
        plugin = self.client.plugin["xep_0313"]
        iq, mask = plugin._pre_mam_retrieve(self.archive, **options)
        query = iq["mam"].xml
        form = query.find("{%s}x" % DATA)
        if form is None and fields:
            form = ET.SubElement(query, "{%s}x" % DATA, type="submit")
            ET.SubElement(ET.SubElement(form, "{%s}field" % DATA, var="FORM_TYPE"), "{%s}value" % DATA).text = MAM
        for name, values in fields:
            field = ET.SubElement(form, "{%s}field" % DATA, var=name)
            for value in values:
                ET.SubElement(field, "{%s}value" % DATA).text = value
        if rsm:
            query.append(ET.fromstring("<set xmlns='%s'>%s</set>" % (RSM, rsm)))
        if flip:
            ET.SubElement(query, "{%s}flip-page" % MAM)
        collector = Collector("asked " + iq["id"], MatchXMLMask(str(mask)))
        self.client.register_handler(collector)
        try:
            answer = await iq.send(timeout=60)
        finally:
            found = collector.stop()
        return [m["mam_result"]["id"] for m in found], [self.number(m) for m in found], answer["mam_fin"]

    async def condition(self, **query):
        try:
            await self.ask(**query)
        except IqError as error:
            return error.iq["error"]["condition"]
        return None

    async def check(self):
        every = list(range(self.count))
        forward = await self.walk(False, 250)
        assert forward == every, ("forward", len(forward), forward[:20])
        backward = await self.walk(True, 250)
        assert backward == every[::-1], ("backward", len(backward), backward[:20])

        ids, first, fin = await self.ask(rsm="<max>10</max>")
        assert first == every[:10] and fin["rsm"]["count"] == str(self.count), (first, str(fin))
        assert fin["rsm"]["first"] == ids[0] and fin["rsm"]["last"] == ids[-1] and fin.xml.get("complete") is None
        last_ids, last, fin = await self.ask(rsm="<max>10</max><before/>")
        assert last == every[-10:] and fin.xml.get("complete") is None, (last, str(fin))
        _, last, fin = await self.ask(rsm="<max>10</max><before/>", flip=True)
        assert last == every[-10:][::-1] and fin["rsm"]["first"] == last_ids[0], (last, str(fin))
        _, usual, _ = await self.ask()
        assert usual == every[:50], usual
        _, most, _ = await self.ask(rsm="<max>9999</max>")
        assert most == every[:250], len(most)

        _, some, _ = await self.ask(fields=[("ids", [ids[7], ids[2]])])
        assert some == [2, 7], some
        _, some, _ = await self.ask(fields=[("after-id", [ids[2]]), ("before-id", [ids[5]])])
        assert some == [3, 4], some
        _, some, _ = await self.ask(fields=[("{urn:xmpp:fulltext:0}fulltext", ["ODD n3"])])
        assert some == [3], some
        assert await self.condition(fields=[("ids", ["28482-98726-73623"])]) == "item-not-found"
        assert await self.condition(rsm="<after>28482-98726-73623</after>") == "item-not-found"
        assert await self.condition(fields=[("colour", ["blue"])]) == "feature-not-implemented"

        plugin = self.client.plugin["xep_0313"]
        metadata = (await plugin.get_archive_metadata(self.archive))["mam_metadata"]
        assert (metadata["start"]["id"], metadata["end"]["id"]) == (ids[0], last_ids[-1]), str(metadata)
        start, end = metadata["start"]["timestamp"], metadata["end"]["timestamp"]
        _, some, fin = await self.ask(start=start, end=end, rsm="<max>0</max>")
        assert some == [] and fin["rsm"]["count"] == str(self.count), str(fin)
        _, some, fin = await self.ask(start=end + timedelta(seconds=1))
        assert some == [] and fin.xml.get("complete") == "true", str(fin)
        _, some, _ = await self.ask(end=start)
        assert some == [0], some
        own = self.client.boundjid
        for with_jid, count in ((own.bare, self.count), (own.full, None), ("unknown@localhost", 0)):
            _, some, fin = await self.ask(with_jid=with_jid, rsm="<max>5</max>")
            assert some == (every[:5] if count != 0 else []), (with_jid, some)
            assert count is None or fin["rsm"]["count"] == str(count), (with_jid, str(fin))
        fields = await plugin.get_fields(self.archive)
        names = set(fields.get_fields())
        wanted = {"with", "start", "end", "before-id", "after-id", "ids", "include-groupchat"}
        assert wanted <= names, names


async def main():
    host, port, jid, password, archive, count = sys.argv[1:]
    tester = Tester(host, int(port), jid, password, archive, int(count))
    await asyncio.wait_for(tester.online, 30)
    await tester.fill()
    await tester.check()
    tester.client.disconnect()
    print("all tests passed", flush=True)


asyncio.run(main())
