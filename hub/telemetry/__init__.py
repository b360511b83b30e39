"""What operators see of the hub: traces, metrics, logs. A leaf: it knows names, numbers and exporters, nothing of the hub's own.

names          every span, attribute and instrument, in one file
instruments    counters, gauges and histograms that cost a fraction of a microsecond
spans          which calls are kept as traces, and how their timings become spans
span_export    the thread that hands kept spans to an exporter, and drops them (counted) rather than wait
span_store     the bounded local store behind `hub traces`, which waterfall draws
otlp           numbers sent to a collector, and spans taken from processes beside the hub
http_endpoint  where /metrics, /livez and /readyz are read; http_pages makes them
logs           the logs of a process in one call: process_log has its lines, daily_log the access and security logs with their retention
setup          switches traces and metrics on for one process
"""
