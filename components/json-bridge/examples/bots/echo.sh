#!/bin/sh
# A bot in shell, with curl and python3: reads events and replies, and listens on no port.
# Run: API=http://127.0.0.1:5391 TOKEN=… sh echo.sh
# The cursor is stored in the file $CURSOR, so that the bot misses nothing after a restart.
CURSOR=${CURSOR:-./cursor}
while :; do
    curl -sN -H "Authorization: Bearer $TOKEN" -H "Accept: application/x-ndjson" \
        "$API/v1/events?kind=message&since=$(cat "$CURSOR" 2>/dev/null || echo 0)" |
    while read -r event; do
        [ -n "$event" ] || continue
        id=$(printf %s "$event" |
            python3 -c 'import json,sys; print(json.load(sys.stdin).get("id", ""))')
        [ -n "$id" ] || continue
        printf %s "$event" | python3 -c '
import json, sys
stanza = json.load(sys.stdin)["stanza"]
if "body" in stanza and stanza["type"] == "chat":
    print(json.dumps({"to": stanza["from"], "body": "you said: " + stanza["body"]}))' |
        while read -r reply; do
            curl -sf -o /dev/null --retry 9 -H "Authorization: Bearer $TOKEN" \
                -H "Content-Type: application/json" -H "Idempotency-Key: answer-$id" \
                -d "$reply" "$API/v1/messages"
        done
        echo "$id" > "$CURSOR"
    done
    sleep 1
done
