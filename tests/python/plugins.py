#!/usr/bin/env python3
"""Tests a component with slixmpp's plugins.

Usage: plugins.py HOST PORT JID PASSWORD SHOP

Each plugin is used as documented. Prints a line for each that works, and a traceback for each that does not. Exits with 0
if all work.
"""
import asyncio
import hashlib
import sys
import time
import traceback
from datetime import datetime, timezone

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError

NO_TLS = {"unencrypted_plain": True, "unencrypted_scram": True, "encrypted_plain": True}
PLUGINS = ["0004", "0030", "0050", "0054", "0059", "0092", "0115", "0153", "0184", "0199", "0202", "0335"]
DISCO, COMMANDS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/commands"
ITEMS = "http://jabber.org/protocol/disco#items"
SHELVES = 250
WITHIN = 20


class Customer:
    def __init__(self, host, port, jid, password, shop):
        self.shop, self.keeper = shop, "keeper@" + shop
        client = self.client = ClientXMPP(jid, password, plugin_config={"feature_mechanisms": NO_TLS})
        client.enable_plaintext, client.enable_starttls, client.enable_direct_tls = True, False, False
        for number in PLUGINS:
            client.register_plugin("xep_" + number)
        self.online = self.next_event("session_start")
        client.connect(host, port)

    def plugin(self, number):
        return self.client.plugin["xep_" + number]

    def next_event(self, name, fits=lambda _: True):
        """Waits for the next matching event of this name. Plugins report through events."""
        future = asyncio.get_running_loop().create_future()

        def happened(data):
            if fits(data) and not future.done():
                future.set_result(data)
                self.client.del_event_handler(name, happened)

        self.client.add_event_handler(name, happened)
        return asyncio.wait_for(future, WITHIN)

    async def xep_0030(self):
        info = await self.plugin("0030").get_info(self.shop)
        features = info["disco_info"]["features"]
        assert {DISCO, COMMANDS, "urn:xmpp:ping", "urn:xmpp:time", "jabber:iq:version", "vcard-temp"} <= set(features), features
        info = await self.plugin("0030").get_info(self.keeper)
        assert ("client", "bot", "en", "Shopkeeper") in info["disco_info"]["identities"], info
        assert "urn:xmpp:receipts" in info["disco_info"]["features"], info
        assert await self.plugin("0030").supports(self.shop, feature=COMMANDS)
        # has_identity is not usable: with 0115 loaded, slixmpp 1.17 does not await its cache and always fails.
        items = await self.plugin("0030").get_items(self.shop)
        assert any(item[0] == self.keeper for item in items["disco_items"]["items"]), items
        try:
            await self.plugin("0030").get_info(self.shop, node="no such node")
            raise AssertionError("an unknown node was found")
        except IqError as error:
            assert error.condition == "item-not-found", error

    async def xep_0059(self):
        """Pages forward and backward, seven items each."""
        for reverse in (False, True):
            found, pages = [], 0
            query = self.client.make_iq_get(ito=self.shop)
            query.enable("disco_items")
            async for page in self.plugin("0059").iterate(query, "disco_items", "items", amount=7, reverse=reverse):
                items = [item.get("node") for item in page["disco_items"].xml.iterfind("{%s}item" % ITEMS)]
                assert 0 < len(items) <= 7 and page["disco_items"]["rsm"]["count"], page
                found, pages = items + found if reverse else found + items, pages + 1
            shelves = [node for node in found if node]
            assert shelves == ["shelf-%d" % number for number in range(SHELVES)], shelves
            assert pages == (len(found) + 6) // 7, pages

    async def xep_0050(self):
        """Discovers a command, completes its two steps, cancels it, and submits invalid values."""
        listed = await self.plugin("0050").get_commands(self.shop)
        assert (self.shop, "order", "Order something") in listed["disco_items"]["items"], listed
        done = asyncio.get_running_loop().create_future()

        def first(iq, session):
            form = iq["command"]["form"]
            assert form["title"] == "An order" and iq["command"]["status"] == "executing", iq
            assert form.get_fields()["sku"]["label"] == "Article", iq
            session["payload"], session["next"] = self.filled(form, sku="tea", count="3"), second
            self.plugin("0050").continue_command(session)

        def second(iq, session):
            form = iq["command"]["form"]
            assert form["title"] == "Its way" and "complete" in iq["command"]["actions"], iq
            session["payload"], session["next"] = self.filled(form, express=True), last
            self.plugin("0050").complete_command(session)

        def last(iq, session):
            assert iq["command"]["status"] == "completed", iq
            done.set_result(iq["command"]["form"].get_values())

        self.start({"next": first}, done)
        values = await asyncio.wait_for(done, WITHIN)
        assert (values["sku"], values["count"]) == ("tea", "3"), values
        await self.cancelled()
        await self.corrected()

    async def cancelled(self):
        done = asyncio.get_running_loop().create_future()

        def first(iq, session):
            session["payload"], session["next"] = None, lambda iq, _: done.set_result(iq["command"]["status"])
            self.plugin("0050").cancel_command(session)

        self.start({"next": first}, done)
        assert await asyncio.wait_for(done, WITHIN) == "canceled"

    async def corrected(self):
        """An invalid form is rejected with a reason, and the step can be repeated."""
        done = asyncio.get_running_loop().create_future()

        def first(iq, session):
            form = iq["command"]["form"]

            def refused(iq, session):
                assert iq["error"]["condition"] == "bad-request" and "count" in iq["error"]["text"], iq
                session["payload"] = self.filled(form, sku="tea", count="1")
                session["next"] = lambda iq, _: done.set_result(iq["command"]["form"].get_values())
                self.plugin("0050").continue_command(session)

            session["payload"], session["error"] = self.filled(form, sku="tea", count="many"), refused
            self.plugin("0050").continue_command(session)

        self.start({"next": first}, done)
        values = await asyncio.wait_for(done, WITHIN)
        assert (values["sku"], values["count"]) == ("tea", "1"), values

    def start(self, session, done):
        session["error"] = lambda iq, _: done.set_exception(AssertionError(str(iq)))
        self.plugin("0050").start_command(self.shop, "order", session)

    def filled(self, form, **values):
        answer = self.plugin("0004").make_form(ftype="submit")
        for var, value in values.items():
            answer.add_field(var=var, ftype=form.get_fields()[var]["type"], value=value)
        return answer

    async def xep_0004(self):
        """Submits a command's form as slixmpp builds it from the field types."""
        iq = await self.plugin("0050").send_command(self.shop, "order")
        form = iq["command"]["form"]
        fields = form.get_fields()
        assert form["type"] == "form" and list(fields) == ["sku", "count"], iq
        assert all(field["required"] and field["type"] == "text-single" for field in fields.values()), iq
        form.reply()
        form.set_values({"sku": "coffee", "count": "1"})
        iq = await self.plugin("0050").send_command(self.shop, "order", payload=form, sessionid=iq["command"]["sessionid"])
        assert iq["command"]["form"]["type"] == "result", iq
        assert iq["command"]["form"].get_values() == {"sku": "coffee", "count": "1"}, iq

    async def xep_0054(self):
        card = (await self.plugin("0054").get_vcard(self.keeper))["vcard_temp"]
        assert (card["FN"], card["DESC"]) == ("Shopkeeper", "Sells tea"), card
        assert card["PHOTO"]["TYPE"] == "image/png" and card["PHOTO"]["BINVAL"].startswith(b"\x89PNG"), card
        assert (await self.plugin("0054").get_vcard(self.shop))["vcard_temp"]["FN"] == "The shop"
        self.photo = hashlib.sha1(card["PHOTO"]["BINVAL"]).hexdigest()

    async def xep_0115(self):
        """The hash in the bot's presence matches its disco#info, and the photo hash its vCard (XEP-0153)."""
        bot = lambda presence: presence["from"].bare == self.keeper and presence["type"] == "available"
        seen, changed = self.next_event("entity_caps", bot), self.next_event("vcard_avatar_update", bot)
        seen, changed = asyncio.ensure_future(seen), asyncio.ensure_future(changed)
        self.client.send_presence()
        await self.client.get_roster()
        self.client.send_presence_subscription(self.keeper, ptype="subscribe")
        presence = await seen
        ver, end = presence["caps"]["ver"], time.monotonic() + WITHIN
        while (known := await self.plugin("0115").get_caps(jid=presence["from"])) is None:
            assert time.monotonic() < end, "%s is not the hash of the disco#info" % ver
            await asyncio.sleep(0.01)
        assert "urn:xmpp:receipts" in known["features"], known
        assert await self.plugin("0115").get_verstring(presence["from"]) == ver
        assert (await changed)["vcard_temp_update"]["photo"] == self.photo

    async def xep_0184(self):
        message = self.client.make_message(mto=self.keeper, mbody="one tea, please", mtype="chat")
        message["request_receipt"] = True
        message["id"] = "receipt-1"
        received = self.next_event("receipt_received", lambda it: it["receipt"] == "receipt-1")
        answer = self.next_event("message", lambda it: it["body"] == "one tea, please")
        message.send()
        receipt, answer = await asyncio.gather(received, answer)
        assert receipt["from"].bare == answer["from"].bare == self.keeper, receipt

    async def xep_0092(self):
        version = (await self.plugin("0092").get_version(self.shop))["software_version"]
        assert (version["name"], version["version"]) == ("a shop", "1.2.3"), version

    async def xep_0199(self):
        assert await self.plugin("0199").ping(self.shop, timeout=WITHIN) < WITHIN

    async def xep_0202(self):
        stanza = await self.plugin("0202").get_entity_time(self.shop)
        try:
            time_sent = stanza["entity_time"]["time"]
        except ValueError:
            # slixmpp 1.17 appends a second Z to the one required by XEP-0202, and cannot parse any reply, the server's included.
            await self.assert_server_time_is_unreadable()
            text = stanza.xml.findtext("{urn:xmpp:time}time/{urn:xmpp:time}utc")
            time_sent = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
        assert abs((datetime.now(timezone.utc) - time_sent).total_seconds()) < 60, time_sent

    async def assert_server_time_is_unreadable(self):
        stanza = await self.plugin("0202").get_entity_time(self.client.boundjid.domain)
        assert stanza["type"] == "result", stanza
        try:
            time_sent = stanza["entity_time"]["time"]
        except ValueError:
            return
        raise AssertionError("slixmpp can parse the server's time: %s" % time_sent)

    async def xep_0335(self):
        message = self.client.make_message(mto=self.shop, mtype="chat")
        message["json"]["value"] = {"sku": "tea", "count": 2}
        answer = self.next_event("json_container")
        self.client.add_filter("in", self.emit_json_event)
        message.send()
        assert (await answer)["json"]["value"] == {"sku": "tea", "count": 4}

    def emit_json_event(self, stanza):
        """Emits an event for JSON containers, because the plugin has none."""
        if stanza.xml.find("{urn:xmpp:json:0}json") is not None:
            self.client.event("json_container", stanza)
        return stanza


async def main():
    host, port, jid, password, shop = sys.argv[1:]
    customer = Customer(host, int(port), jid, password, shop)
    await customer.online
    failed = False
    # 0054 before 0115: the photo hash in the presence must match the vCard.
    for number in ["0030", "0059", "0004", "0050", "0054", "0115", "0184", "0092", "0199", "0202", "0335"]:
        try:
            await asyncio.wait_for(getattr(customer, "xep_" + number)(), 2 * WITHIN)
            print(number, flush=True)
        except Exception:
            failed = True
            print("%s failed: %s" % (number, traceback.format_exc()), flush=True)
    customer.client.disconnect()
    await asyncio.wait_for(customer.client.disconnected, WITHIN)
    sys.exit(failed)


if __name__ == "__main__":
    asyncio.run(main())
