"""Rows of `Bus and brains` about what it stands on: Redis, the processes, HTTP and history."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.promql import by, quantile, rates, total
from libs.observability import names

_SHARD = 'shard=~"$shard"'

_REDIS = Row(
    "Redis",
    [
        Panel(
            "Memory",
            "bytes",
            "Used, and what it may take: maxmemory, or its machine's memory if that is not set.",
            "bus#redis",
            [
                Query(f"max by (shard) ({names.REDIS_MEMORY_USED}{{{_SHARD}}})", "{{shard}} used"),
                Query(f"max by (shard) ({names.REDIS_MEMORY_LIMIT}{{{_SHARD}}})", "{{shard}} limit"),
            ],
        ),
        Panel(
            "Entries on the streams",
            "short",
            "Read ones included, until they are trimmed. An events stream that grows: the store does not read.",
            "bus#redis",
            [by("stream", names.STREAM_LENGTH, _SHARD)],
        ),
        Panel(
            "Script calls, p99",
            "s",
            "From queueing to reply, seen by the caller: its own event loop, the network and Redis.",
            "bus#redis",
            [Query(quantile(0.99, names.SCRIPT, label="script"), "{{script}}")],
        ),
        Panel(
            "Script calls",
            "ops",
            "What Redis is asked, by script or command.",
            "bus#redis",
            [rates("script", f"{names.SCRIPT}_count")],
        ),
        Panel(
            "Connections made again",
            "reqps",
            "By what they are for. All at once: Redis was away. One process: look at that one.",
            "bus#redis",
            [rates("job, what", names.RECONNECTS)],
        ),
    ],
)

_PROCESSES = Row(
    "Processes",
    [
        Panel(
            "Event loop lag, p99",
            "s",
            "How late timers run. Over 50 ms the process is short of CPU, or something blocks it.",
            "bus#processes",
            [Query(quantile(0.99, names.LOOP_LAG, label="job, instance"), "{{job}} {{instance}}")],
        ),
        Panel("Answering Prometheus", "short", "Processes that do, by job.", "bus#processes", [by("job", "up")]),
        Panel(
            "Memory of processes",
            "bytes",
            "Resident. Jobs of calls in rooms are processes of their own and not among them.",
            "bus#processes",
            [Query("sum by (job, instance) (process_resident_memory_bytes)", "{{job}} {{instance}}")],
        ),
        Panel(
            "CPU of processes",
            "percentunit",
            "Of one core: an event loop has no more.",
            "bus#processes",
            [
                Query(
                    "sum by (job, instance) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{job}} {{instance}}"
                )
            ],
        ),
        Panel(
            "Releases",
            "short",
            "Processes by service and version: two versions of one service are a deployment under way.",
            "bus#processes",
            [Query(f"count by (service, version) ({names.BUILD_INFO})", "{{service}} {{version}}")],
        ),
    ],
)

_HTTP = Row(
    "HTTP and history",
    [
        Panel(
            "Requests",
            "reqps",
            "By service and status.",
            "bus#http",
            [rates("job, status", f"{names.HTTP_REQUESTS}_count")],
        ),
        Panel(
            "Requests, p95",
            "s",
            "By route, to the end of the answer: a message's is as long as its reply.",
            "bus#http",
            [Query(quantile(0.95, names.HTTP_REQUESTS, label="job, route"), "{{job}} {{route}}")],
        ),
        Panel(
            "Event streams open",
            "short",
            "Clients that follow a conversation over server-sent events.",
            "bus#http",
            [Query(total(names.HTTP_STREAMS))],
        ),
        Panel(
            "Events stored",
            "reqps",
            "By outcome: new, duplicate, unknown (unreadable here), stray, conflict, healed, lost.",
            "bus#history",
            [rates("outcome", names.STORE_EVENTS)],
        ),
    ],
)

ROWS = (_REDIS, _PROCESSES, _HTTP)
