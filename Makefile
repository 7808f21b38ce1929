# Everything here is also a plain command, which make -n <target> shows; README has those that matter.
PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BENCHMARKS ?=
BASE ?=
WITH ?=
ARGS ?=
RUN ?=
NAME ?=
STUDY ?=
DATA ?=
SWEEP ?=
SCALE ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
export NO_ALBUMENTATIONS_UPDATE := 1

.DEFAULT_GOAL := help
.PHONY: flagship audit reproduce study test-slurm help setup train benchmark benchmark-compare test test-all verify-metrics lint sync clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  TORCH_INDEX=<address>  install torch from another wheel index"
	@echo "  ARGS='...'             overrides for make train, e.g. ARGS='scale=2 seed=1'"

setup: $(VENV)/.ready ## Create .venv and install the package with pinned versions

train: setup ## Train both stages on the bundled photographs and print the table
	$(BIN)/python -m mtlsr.train $(ARGS)

benchmark: setup ## Measure what this machine does, beside what it could do
	$(BIN)/python -m mtlsr.benchmark $(ARGS)

benchmark-compare: setup ## Measure, and compare with BASE=<json>; or compare WITH=<json> with it
	$(if $(BASE),,$(error BASE is missing: BASE=<benchmark.json of an earlier run>))
	$(BIN)/python -m mtlsr.benchmark "base=$(BASE)" $(if $(WITH),"measured=$(WITH)") $(ARGS)

test: $(VENV)/.tested ## Run the tests (a few minutes)
	$(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

test-all: $(VENV)/.tested ## Run all tests, the slow ones too
	$(BIN)/python -m pytest -n 2 $(ARGS)

test-slurm: $(VENV)/.tested ## Run a sweep on a SLURM of one node (Debian, as root)
	command -v slurmctld slurmd munged sbatch > /dev/null || \
	{ apt-get update && apt-get install --yes --no-install-recommends slurm-wlm munge; }
	$(BIN)/python -m pytest -rs tests/slurm $(ARGS)

verify-metrics: setup ## Hold bicubic on your BENCHMARKS=<folder> against the literature
	$(if $(BENCHMARKS),,$(error BENCHMARKS is missing: BENCHMARKS=<folder that holds Set5, Set14, B100>))
	$(BIN)/python -m mtlsr.metrics verify "$(BENCHMARKS)"

lint: $(VENV)/.tested ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mtlsr experiments

audit: $(VENV)/.tested ## Ask for known holes of the pinned versions (needs a network)
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

# Stopped, the same commands go on where they were. $(1): an experiment of conf/experiment; $(2): its scale,
# where there are several.
train = $(BIN)/python -m mtlsr.train experiment=$(1) resume=auto hydra.run.dir=outputs/flagship/$(1)$(2)
learn = $(train) "dataset.root=$(DATA)/train" "dataset.val_root=$(DATA)/val/cid22"
teach = $(BIN)/python -m experiments.flagship.targets

flagship: setup ## Train the weights that come with it, from DATA=<folder>; SCALE=2 or 3 from ×4's first part
	$(if $(DATA),,$(error DATA is missing: DATA=<folder that holds train and val/cid22>))
	$(call learn,flagship) $(ARGS)
ifneq ($(SCALE),)
	$(call learn,flagship_rescaled,$(SCALE)) scale=$(SCALE) init=outputs/flagship/flagship $(ARGS)
else
	$(call learn,flagship_longer) init=outputs/flagship/flagship $(ARGS)
	$(teach) "$(DATA)/train" outputs/flagship/train --teacher outputs/flagship/flagship_longer \
		--shrunk 0.75 0.5 --precision bfloat16
	$(teach) "$(DATA)/val/cid22" outputs/flagship/val
	$(call train,flagship_taught) init=outputs/flagship/flagship_longer \
		dataset.root=outputs/flagship/train dataset.val_root=outputs/flagship/val $(ARGS)
endif

study: $(VENV)/.tested ## Run a study of experiments/: NAME=<study>, ARGS='...' for its arguments
	$(if $(NAME),,$(error NAME is missing: NAME=<folder in experiments>))
	$(BIN)/python -m experiments.$(NAME).study $(ARGS)

reproduce: $(VENV)/.tested ## Run a run or a study again and compare: RUN=<folder> or STUDY=<name>
	$(if $(RUN)$(STUDY),,$(error RUN or STUDY is missing: RUN=<folder of a run>, STUDY=<a study>))
	$(BIN)/python -m $(if $(STUDY),experiments.reproduce $(STUDY) $(ARGS),mtlsr.reproduce "$(RUN)")

sync: setup ## Send offline W&B runs, oldest first; of one sweep by SWEEP=<folder>
	@test -z "$(SWEEP)" || test -d "$(SWEEP)" || \
	{ echo "SWEEP is '$(SWEEP)', which is no folder." >&2; exit 1; }
	@find $(if $(SWEEP),"$(SWEEP)",outputs multirun) -type d -name 'offline-run-*' 2>/dev/null | \
	awk -F/ '{print $$NF "\t" $$0} END {if (!NR) print "No offline run of W&B is there." > "/dev/stderr"}' | \
	sort | cut -f2- | while IFS= read -r run; do $(BIN)/wandb sync "$$run" || exit 1; done

clean: ## Remove .venv and what tools leave behind; outputs stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.ready
	$(PIP) --editable '.[dev]'
	touch $@
