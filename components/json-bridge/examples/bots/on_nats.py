#!/usr/bin/env python3
"""A bot in Python behind NATS (pip install nats-py): start it as often as you like, all share the work."""
import asyncio, json, os, sys, nats

PREFIX, BOT = os.environ.get("PREFIX", "campanile"), os.environ.get("BOT", "bot")


def answer(stanza):
    return {"to": stanza["from"], "body": "you said: " + stanza["body"]} if "body" in stanza else None


async def take(stream, message):
    stanza = json.loads(message.data)
    if reply := answer(stanza):
        # The same id for the same message: should it come again, the answer is not sent twice.
        headers = {"Nats-Msg-Id": "re-" + message.headers["Nats-Msg-Id"]}
        await stream.publish(f"{PREFIX}.out.{BOT}", json.dumps(reply).encode(), headers=headers)
    await message.ack()


async def request(message):
    await message.respond(json.dumps({"version": {"name": "on_nats.py", "version": "1"}}).encode())


async def main():
    client = await nats.connect(sys.argv[1], max_reconnect_attempts=-1)
    stream = client.jetstream()
    await client.subscribe(f"{PREFIX}.iq.{BOT}", queue="bot", cb=request)
    work = await stream.pull_subscribe(f"{PREFIX}.in.{BOT}.>", durable=BOT, stream=PREFIX.replace(".", "-") + "-in")
    while True:
        try:
            for message in await work.fetch(10, timeout=30):
                await take(stream, message)
        except (nats.errors.Error, asyncio.TimeoutError) as error:
            print("again:", error, file=sys.stderr)
            await asyncio.sleep(1 if client.is_connected else 5)


asyncio.run(main())
