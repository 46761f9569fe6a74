#!/usr/bin/env python3
"""Generates the dashboard: grafana/make.py > grafana/dashboard.json."""
import json

SOURCE = {"type": "prometheus", "uid": "${source}"}
MINE = 'job="$job", component=~"$component"'

# Title, unit, width out of 24, type, queries with their legends, and description.
ROWS = [
    ("Connections", [
        ("Ready", "bool_yes_no", 6, "stat", [(f"min by (component) (campanile_component_ready{{{MINE}}})", "{{component}}")],
         "Mounted, with proof no older than 10 s that stanzas reach the component."),
        ("Age of the last proof", "s", 6, "timeseries", [(f"campanile_component_keepalive_age_seconds{{{MINE}}}", "{{component}}")],
         "A ping through the server, or stanzas from others. Above 10 s the component is not ready."),
        ("Reconnects by cause", "short", 12, "timeseries",
         [(f"sum by (component, cause) (increase(campanile_reconnects_total{{{MINE}}}[$__rate_interval]))", "{{component}} {{cause}}")],
         "Lost connections and failed attempts."),
    ]),
    ("Stanzas", [
        ("Handled, by kind", "ops", 8, "timeseries",
         [(f"sum by (kind, type) (rate(campanile_stanzas_total{{{MINE}}}[$__rate_interval]))", "{{kind}} {{type}}")],
         "Stanzas that reached a handler."),
        ("Not done, by outcome", "ops", 8, "timeseries",
         [(f'sum by (component, outcome) (rate(campanile_stanzas_total{{{MINE}, outcome!="done"}}[$__rate_interval]))',
           "{{component}} {{outcome}}")],
         "refused: rejected by a handler; failed: no route, or an internal failure; abandoned: timeout, panic, shutdown."),
        ("Rejected, by reason", "ops", 8, "timeseries",
         [(f"sum by (component, reason) (rate(campanile_stanzas_turned_away_total{{{MINE}}}[$__rate_interval]))",
           "{{component}} {{reason}}")],
         "Stanzas rejected before any handler. stray: for another domain, see global_routes; shed: queue full."),
        ("Handler time", "s", 8, "timeseries",
         [(f"histogram_quantile({q}, sum by (kind, le) (rate(campanile_handler_seconds_bucket{{{MINE}}}[$__rate_interval])))",
           f"{{{{kind}}}} p{q * 100:g}") for q in (0.5, 0.99)],
         "Time from the end of the queue to the reply."),
        ("Sent", "ops", 8, "timeseries",
         [(f"sum by (component) (rate(campanile_stanzas_sent_total{{{MINE}}}[$__rate_interval]))", "{{component}}")],
         "Stanzas written to the server, including replies."),
        ("Faults", "short", 8, "timeseries",
         [(f"sum by (component, fault) (increase(campanile_faults_total{{{MINE}}}[$__rate_interval]))", "{{component}} {{fault}}")],
         "panic and fault are internal errors; the log has each with sender and id."),
    ]),
    ("Queues and requests", [
        ("Queues, share of their limit", "percentunit", 12, "timeseries",
         [(f"campanile_queue_length{{{MINE}}} / campanile_queue_limit{{{MINE}}}", "{{component}} {{queue}}")],
         "At 100 % senders get an error and are asked to try again."),
        ("IQ response time", "s", 6, "timeseries",
         [(f"histogram_quantile({q}, sum by (component, le) (rate(campanile_iq_seconds_bucket{{{MINE}}}[$__rate_interval])))",
           f"{{{{component}}}} p{q * 100:g}") for q in (0.5, 0.99)],
         "Time until the response to an IQ request."),
        ("IQ requests, by outcome", "ops", 6, "timeseries",
         [(f"sum by (component, outcome) (rate(campanile_iq_total{{{MINE}}}[$__rate_interval]))", "{{component}} {{outcome}}")],
         "unanswered: no response in time."),
    ]),
    ("Bots and archives", [
        ("Messages to webhooks", "ops", 8, "timeseries",
         [(f"sum by (component, outcome) (rate(campanile_webhook_messages_total{{{MINE}}}[$__rate_interval]))", "{{component}} {{outcome}}"),
          (f"sum by (component) (rate(campanile_webhook_retries_total{{{MINE}}}[$__rate_interval]))", "{{component}} retried")],
         "dead: given up; see campanile outbox list."),
        ("Waiting messages", "short", 8, "timeseries", [(f"campanile_webhook_waiting{{{MINE}}}", "{{component}}")],
         "Messages for webhooks; on disk if there is an outbox."),
        ("Archive: stored and failed", "ops", 4, "timeseries",
         [(f"sum by (component, outcome) (rate(campanile_store_entries_total{{{MINE}}}[$__rate_interval]))", "{{component}} {{outcome}}")],
         "failed: check disk and database."),
        ("Archive: commit time", "s", 4, "timeseries",
         [(f"histogram_quantile(0.99, sum by (component, le) (rate(campanile_store_commit_seconds_bucket{{{MINE}}}[$__rate_interval])))",
           "{{component}} p99")],
         "One group commit stores many entries."),
    ]),
    ("Process", [
        ("CPU", "percentunit", 8, "timeseries", [('rate(process_cpu_seconds_total{job="$job"}[$__rate_interval])', "{{instance}}")],
         "1 is one core."),
        ("Memory", "bytes", 8, "timeseries", [('process_resident_memory_bytes{job="$job"}', "{{instance}}")], "Resident memory."),
        ("Log events", "ops", 8, "timeseries",
         [('sum by (level) (rate(campanile_log_events_total{job="$job"}[$__rate_interval]))', "{{level}}"),
          ('rate(campanile_log_events_suppressed_total{job="$job"}[$__rate_interval])', "suppressed")],
         "Warnings and errors, and lines suppressed because they were logged too often."),
    ]),
]
HEIGHT = 8


def panel(number, title, unit, width, kind, queries, description, x, y):
    result = {
        "id": number, "type": kind, "title": title, "description": description, "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + at), "datasource": SOURCE, "expr": expr, "legendFormat": legend, "range": True}
            for at, (expr, legend) in enumerate(queries)
        ],
    }
    if kind == "timeseries":
        result["options"] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}
    else:
        result["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
        result["fieldConfig"]["defaults"]["thresholds"] = {
            "mode": "absolute", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}],
        }
    return result


def panels():
    number = y = 0
    for title, row in ROWS:
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}}
        y, x = y + 1, 0
        for each in row:
            if x + each[2] > 24:
                y, x = y + HEIGHT, 0
            number += 1
            yield panel(number, *each, x, y)
            x += each[2]
        y += HEIGHT


def variable(name, label, query, multi=False):
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
        "refresh": 2, "sort": 1, "multi": multi, "includeAll": multi, "current": {"text": "All", "value": "$__all"} if multi else {},
    }


print(json.dumps({
    "title": "Campanile", "uid": "campanile", "tags": ["xmpp"], "schemaVersion": 38, "version": 1, "editable": True,
    "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "browser",
    "templating": {"list": [
        {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus", "current": {}},
        variable("job", "Job", "label_values(campanile_build_info, job)"),
        variable("component", "Component", 'label_values(campanile_component_info{job="$job"}, component)', multi=True),
    ]},
    "annotations": {"list": []}, "panels": list(panels()),
}, indent=1, ensure_ascii=False))
