#!/usr/bin/env python3
"""A bot behind NATS (pip install nats-py); run several to share the work: on_nats.py NATS_URL"""
import asyncio, json, os, sys, nats

PREFIX, BOT = os.environ.get("PREFIX", "campanile"), os.environ.get("BOT", "bot")


def answer(stanza):
    text = stanza["type"] == "chat" and stanza.get("body")
    return text and {"to": stanza["from"], "body": "you said: " + text}


async def take(stream, message):
    if reply := answer(json.loads(message.data)):
        headers = {"Nats-Msg-Id": "re-" + message.headers["Nats-Msg-Id"]}  # deduplicates replies
        await stream.publish(f"{PREFIX}.out.{BOT}", json.dumps(reply).encode(), headers=headers)
    await message.ack()


async def request(message):
    await message.respond(json.dumps({"version": {"name": "on_nats.py", "version": "1"}}).encode())


async def main():
    client = await nats.connect(sys.argv[1], max_reconnect_attempts=-1)
    stream = client.jetstream()
    await client.subscribe(f"{PREFIX}.iq.{BOT}", queue="bot", cb=request)
    name = PREFIX.replace(".", "-") + "-in"
    work = await stream.pull_subscribe(f"{PREFIX}.in.{BOT}.>", durable=BOT, stream=name)
    while True:
        try:
            for message in await work.fetch(10, timeout=30):
                await take(stream, message)
        except (nats.errors.Error, asyncio.TimeoutError) as error:
            print("retrying:", error, file=sys.stderr)
            await asyncio.sleep(1 if client.is_connected else 5)


asyncio.run(main())
