# `make serve` needs Python 3.11 or newer and nothing else; everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
SUPPLY := .supply/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
PROTO := protos/syncline/v1/sync.proto protos/syncline/v1/admin.proto protos/syncline/relay/v1/relay.proto
# A test run starts some hundred processes; each takes a second of a core, and four where nothing may be compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: canaries audit lock sbom edge migration partitioned help install serve test model-long lint format proto demo picture bench-live bench-peers clean bench bench-full bench-scale herd tokens schemathesis chaos apps kills planted clean-up

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

install: .venv/.installed ## Build .venv with everything in it, for developers

.venv/.product: pyproject.toml constraints.txt product.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@echo "Installing Syncline into .venv …"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r product.lock
	@$(PIP) -e '.[all]'
	@touch $@

.venv/.installed: .venv/.product
	@echo "Installing what tests and benchmarks need …"
	@$(PIP) -e '.[dev]'
	@touch $@

serve: .venv/.product ## Run Syncline on this machine; installs what that needs, and nothing more
	$(BIN)/syncline serve

test: install ## Run every check and every test
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

demo: install ## Build examples/two-windows into the bridge, which serves it at /demo
	PYTHONPATH=tests $(BIN)/python -m demo.building

picture: install ## Take the README's picture of the demo
	PICTURE=$(CURDIR)/docs/images/two-windows.png $(BIN)/pytest tests/demo -k shows_what_waits -q

migration: install ## Migrate ENTITIES=1000000 on PostgreSQL beside servers and clients, and see how long these wait
	MIGRATION_ENTITIES=$(or $(ENTITIES),1000000) $(BIN)/pytest tests/migration -s -q

partitioned: install ## Run the tests of the store and the rules on PostgreSQL tables partitioned by project; PARTITIONS=8
	SYNCLINE_TEST_PARTITIONS=$(or $(PARTITIONS),8) $(BIN)/pytest tests/server tests/model --numprocesses 2 --dist loadfile -k postgresql

model-long: install ## Hold the server against the model for hours: 10,000 examples on each database, others each time
	SYNCLINE_MODEL_EXAMPLES=$(or $(EXAMPLES),10000) $(BIN)/pytest tests/model --numprocesses 2 --dist load

lint: install ## Run the checks alone
	$(BIN)/pytest tests/architecture tests/protos

format: install ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: install ## Generate the code of the contract
	$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=protos --pyi_out=protos --grpc_python_out=protos --mypy_grpc_out=protos $(PROTO)

bench: install ## Measure beside what the parts cost, in five minutes; ONLY=push-1 for some rows
	$(BIN)/python -m bench $(addprefix --only ,$(ONLY))

bench-full: install ## The same, longer, with streams of a million changes
	$(BIN)/python -m bench --full $(addprefix --only ,$(ONLY))

bench-scale: install ## Measure how cost grows, and draw it into docs/images
	$(BIN)/python -m bench.scale --folder docs/images

bench-peers: install ## Measure beside PocketBase and Parse Server, which are installed into .peers for that
	$(BIN)/python -m bench.peers

bench-live: install ## Measure live streams: memory, and commit to delivery
	$(BIN)/python -m bench --only live

herd: install ## Drop STREAMS=1000 streams at once, by a cut and by SIGKILL
	STREAMS=$(or $(STREAMS),1000) $(BIN)/pytest tests/herd -s

canaries: install ## Let 200 users call over one stream, CALLS=1000000 times by each way: every answer is its caller's
	CANARY_CALLS=$(or $(CALLS),1000000) $(BIN)/pytest tests/bridge/relay/test_canaries.py -s -q

tokens: install ## Send COUNT=100000 mutated tokens to every door; SEED=1
	COUNT=$(or $(COUNT),100000) SEED=$(or $(SEED),1) $(BIN)/pytest tests/tokens -s

edge: install ## Attack both doors as strangers do: TRIES=10000 beside hostile neighbours, CASES=5000 spoilt requests; SEED=1
	EDGE_TRIES=$(or $(TRIES),10000) EDGE_CASES=$(or $(CASES),5000) SEED=$(or $(SEED),1) EDGE_SECONDS=$(or $(SECONDS),5) \
		$(BIN)/pytest tests/edge -s -q

schemathesis: install ## Try the OpenAPI document with EXAMPLES=200 random requests to each operation; SEED=1
	EXAMPLES=$(or $(EXAMPLES),200) SEED=$(or $(SEED),1) $(BIN)/pytest tests/bridge/describe -s

SEED ?= 1
KILLS ?= 100
chaos: install ## Break everything under load; SECONDS=120 SEED=1
	CHAOS_SECONDS=$(or $(SECONDS),120) CHAOS_SEED=$(SEED) CHAOS_LEAST_CHANGES_A_SECOND=300 $(BIN)/pytest tests/chaos -s -q

apps: install ## Let apps as there are in the field live together, twenty a round; SECONDS=600 SEED=1 HOUSE=0 EVERYTHING=1
	APPS_SECONDS=$(or $(SECONDS),600) APPS_SEED=$(SEED) APPS_HOUSE=$(HOUSE) APPS_EVERYTHING=$(EVERYTHING) \
		$(BIN)/pytest tests/apps/test_apps.py --numprocesses 2 --dist load -rP

kills: install ## Kill the server under load; KILLS=100
	KILLS=$(KILLS) $(BIN)/pytest tests/system/test_kill.py -k sigkill -s -q

clean-up: install ## Let ROWS=3000000 expired rows go while pushes go on
	ROWS=$(or $(ROWS),3000000) $(BIN)/pytest tests/server/store/test_retention.py -k go_on -s -q

lock: .supply/.installed ## Write the hashes of what `make serve` installs into product.lock, after a change of dependencies
	$(SUPPLY)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --no-annotate --no-header --strip-extras --extra all -c constraints.txt -o - pyproject.toml \
		| sed '/^# /d; /^syncline /d' > product.lock

audit: .supply/.installed ## Hold what is installed against the known advisories; needs the internet
	@$(SUPPLY)/pip-audit --strict --require-hashes --disable-pip -r product.lock || { \
		echo "make audit: advisories were found, or packages could not be looked up (that needs the internet): see above"; \
		exit 1; }

sbom: .supply/.installed ## Write what is installed as CycloneDX into dist/
	@mkdir -p dist
	$(SUPPLY)/cyclonedx-py requirements product.lock --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON -o dist/syncline.cdx.json

.supply/.installed:
	@$(PYTHON) -m venv .supply
	@$(SUPPLY)/pip install --quiet --disable-pip-version-check pip-tools==7.6.2 pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@touch $@

planted: install ## Plant eighteen bugs and show which test finds each
	PYTHONPATH=tests $(BIN)/python -m planted.run

clean: ## Remove what was built
	rm -rf .venv .supply .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache \
		clients/typescript/node_modules clients/typescript/dist
