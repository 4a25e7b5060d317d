# Every target works as the first command in a bare clone; `make help` lists them.

MODEL    ?= nano_u
NAS      ?= 0
EPOCHS   ?=
BATCH    ?=
LR       ?=
DATA     ?=
NAS_FREQ ?=
ARGS     ?=
LOGS     ?= logs
CSV      ?=
JOBS     ?= 2
BENCH    ?= bench
PARAMS   ?=
MACS     ?=
FLASH    ?=
RAM      ?=
A        ?=
B        ?=

# the first Python on the PATH that TensorFlow supports
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON    ?= $(firstword $(foreach python,python3 python3.13 python3.12 python3.11 python3.10, \
               $(shell $(python) -c '$(SUPPORTED)' >/dev/null 2>&1 && echo $(python))))

VENV   := .venv
PEERS  := .venv-peers
GPU    := .venv-gpu
BIN    := $(VENV)/bin
SOURCE := setup.cfg pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help train shrink export recommend plots report compare pipeline test check types format docs bench bench-plots bench-peers bench-gpu tensorboard pictures clean

# where a run goes if LOGS says so, and which run is read: CSV, else the newest one
PLACES := $(if $(filter-out logs,$(LOGS)),--output-dir "$(LOGS)" --nas-log-dir "$(LOGS)/nas")
READ    = $(if $(CSV),--csv "$(CSV)")
RUN     = $(LOGS)/nas/$(MODEL)_nas_metrics.csv

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make train takes MODEL=nano_u|bu_net NAS=1 EPOCHS= BATCH= LR= DATA=folder LOGS=folder"
	@echo "  NAS_FREQ=epoch|batch ARGS='more options' (see make train ARGS=--help); so does pipeline"
	@echo "  make shrink takes MODEL= PARAMS='0.5 0.25' MACS= FLASH=64kB RAM=64kB EPOCHS= LR= DATA= LOGS= ARGS='--search 20'"
	@echo "  make export takes MODEL= DATA= LOGS= ARGS='--c-source'"
	@echo "  make recommend, plots and report read the newest run under logs/, or CSV=file"
	@echo "  make bench runs them all (an hour and more), or BENCH=bench/test_setup.py"

train: $(VENV)/.installed  ## train MODEL, with NAS=1 under the monitor
	@$(BIN)/python -m train --model $(MODEL) $(if $(filter-out 0,$(NAS)),--enable-nas) $(OPTIONS)

OPTIONS = $(PLACES) $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(BATCH),--batch-size $(BATCH)) \
  $(if $(LR),--lr $(LR)) $(if $(DATA),--data-dir "$(DATA)") \
  $(if $(NAS_FREQ),--nas-log-freq $(NAS_FREQ)) $(ARGS)

BUDGETS = $(if $(PARAMS),--params $(PARAMS)) $(if $(MACS),--macs $(MACS)) \
  $(if $(FLASH),--flash $(FLASH)) $(if $(RAM),--ram $(RAM))

shrink: $(VENV)/.installed  ## make MODEL smaller, to PARAMS, MACS, FLASH or RAM
	@[ -n "$(strip $(BUDGETS) $(findstring --spare,$(ARGS)))" ] || { echo "say how small: make shrink MODEL=$(MODEL) PARAMS=0.25, MACS=0.5, FLASH=64kB, RAM=64kB or ARGS=--spare" >&2; exit 2; }
	@$(BIN)/python -m train.shrink --model "$(LOGS)/$(MODEL).keras" $(BUDGETS) \
	  $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(BATCH),--batch-size $(BATCH)) $(if $(LR),--lr $(LR)) \
	  $(if $(DATA),--data-dir "$(DATA)") $(ARGS)

export: $(VENV)/.installed-mcu  ## convert MODEL to 8-bit integers, judge it, and say what it takes
	@$(BIN)/python -m train.export --model "$(LOGS)/$(MODEL).keras" $(if $(DATA),--data-dir "$(DATA)") $(ARGS)

recommend: $(VENV)/.installed  ## say what to do with each layer's width
	@$(BIN)/python -m analysis.recommend $(READ) $(ARGS)

plots: $(VENV)/.installed  ## draw all pictures of a run into plots/
	@$(BIN)/python -m analysis.plot $(READ) --all $(ARGS)

report: $(VENV)/.installed  ## write one page with verdict, layers and pictures
	@$(BIN)/python -m analysis.report $(READ) $(ARGS)

compare: $(VENV)/.installed  ## compare two runs: A=before.csv B=after.csv
	@[ -n "$(A)" ] && [ -n "$(B)" ] || { echo "name two runs: make compare A=before.csv B=after.csv" >&2; exit 2; }
	@$(BIN)/python -m analysis.compare --csv "$(A)" "$(B)" $(ARGS)

pipeline: $(VENV)/.installed  ## train MODEL under the monitor, then pictures, advice and report
	@$(BIN)/python -m train --model $(MODEL) --enable-nas $(OPTIONS)
	@$(BIN)/python -m analysis.plot --csv "$(RUN)" --all --output-dir "$(LOGS)/plots" >/dev/null
	@echo
	@$(BIN)/python -m analysis.recommend --csv "$(RUN)" --tensorboard "$(LOGS)/nas/$(MODEL)"
	@$(BIN)/python -m analysis.report --csv "$(RUN)" >/dev/null
	@printf '%s\n' '' "everything about this run:" "  model      $(LOGS)/$(MODEL).keras" \
	  "  readings   $(RUN)" "  pictures   $(LOGS)/plots/" "  report     $(LOGS)/nas/$(MODEL)_report.html"

PYTEST = $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed-dev  ## run the tests
	@$(PYTEST) $(ARGS)

check: $(VENV)/.installed-dev  ## what CI runs: format, lint, types and tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(MAKE) --no-print-directory types
	@$(PYTEST) $(ARGS)

# the packages as they are installed, all of them below nasmon
TYPED := build/types

types: $(VENV)/.installed-dev  ## check the types
	@rm -rf $(TYPED) && mkdir -p $(TYPED)/nasmon
	@ln -s "$(CURDIR)"/tests "$(CURDIR)"/bench $(TYPED)
	@ln -s "$(CURDIR)"/nasmon/*.py $(addprefix "$(CURDIR)"/,$(dir $(wildcard nasmon/*/__init__.py))) "$(CURDIR)"/kernels "$(CURDIR)"/train "$(CURDIR)"/analysis $(TYPED)/nasmon
	@cd $(TYPED) && "$(CURDIR)"/$(BIN)/mypy --config-file "$(CURDIR)"/setup.cfg

format: $(VENV)/.installed-dev  ## format the code and mend what lint can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-docs  ## build the site of these pages into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "open build/site/index.html; its search needs a server: $(BIN)/mkdocs serve"

bench: $(VENV)/.installed-bench  ## run the benchmarks, among them the overhead budget
	@$(BIN)/python -m pytest $(BENCH) --benchmark-enable $(ARGS)

bench-plots: $(VENV)/.installed-bench bench/growth.csv  ## draw how cost grows into bench/growth.png
	@$(BIN)/python -m bench.plots

bench/growth.csv: | $(VENV)/.installed-bench
	@$(BIN)/python -m pytest bench/test_growth.py --benchmark-enable

# Delve needs PyTorch, which has an environment of its own
bench-peers:  ## compare the monitor's cost with that of Delve and of plain NumPy
	@$(MAKE) --no-print-directory VENV=$(PEERS) $(PEERS)/.installed-peers
	@$(PEERS)/bin/python -m bench.peers $(ARGS)

# exported here; compiled by JAX, which has an environment of its own
bench-gpu: $(VENV)/.installed $(GPU)/.installed-jax  ## count what a GPU would be given, without one
	@$(BIN)/python -m bench.gpu.export build/gpu --only-to-count
	@$(GPU)/bin/python -m bench.gpu.count build/gpu --csv
	@$(BIN)/python -m bench.gpu.page

tensorboard: $(VENV)/.installed  ## open the pages of the runs under LOGS (default logs)
	@$(BIN)/tensorboard --logdir "$(LOGS)" $(ARGS)

PICTURED = NASMON_LOGS="$(abspath $(LOGS))/nas" NASMON_REPORT="$(LOGS)/nas/$(MODEL)_report.html" NASMON_SCREENSHOTS=docs

pictures: $(VENV)/.installed-dev  ## draw those of README.md and docs/: of MODEL's run, and TensorBoard's of all under LOGS
	@for kind in dashboard layers; do $(BIN)/python -m analysis.plot --csv "$(RUN)" --plot-type $$kind --output docs/$$kind.png || exit; done
	@$(BIN)/python -m analysis.report --csv "$(RUN)" >/dev/null
	@$(PICTURED) $(BIN)/python -m pytest -q -n0 tests/test_tensorboard_page.py tests/test_report_page.py -k "custom_scalars or window"

clean:  ## leave a bare clone: removes the environments, all runs under logs/ and plots/
	@if [ -d logs ]; then echo "removing logs/, with $$(find logs -name '*.csv' | wc -l) CSV files"; fi
	rm -rf $(VENV) $(PEERS) $(GPU) logs plots build *.egg-info .benchmarks .hypothesis .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.10 to 3.13 found; pass one: make PYTHON=path/to/python" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCE) | $(BIN)/python
	$(call install,.)

$(VENV)/.installed-dev: $(SOURCE) | $(BIN)/python
	$(call install,.[dev])

$(VENV)/.installed-mcu: $(SOURCE) | $(BIN)/python
	$(call install,.[mcu])

$(VENV)/.installed-docs: $(SOURCE) | $(BIN)/python
	$(call install,.[docs])

$(VENV)/.installed-bench: $(SOURCE) | $(BIN)/python
	$(call install,.[bench])

$(VENV)/.installed-peers: $(SOURCE) | $(BIN)/python
	$(call install,.[peers])

$(GPU)/.installed-jax: constraints.txt
	@$(MAKE) --no-print-directory VENV=$(GPU) $(GPU)/bin/python
	@echo "installing JAX and NVIDIA's libraries into $(GPU) (once; they are some GB)"
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(GPU)/bin/python -m pip install --quiet -c constraints.txt 'jax[cuda13]>=0.10'
	@touch $@

define install
@echo "installing nasmon and what it needs into $(VENV) (once; it takes a minute or two)"
@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet -c constraints.txt -e '$(1)'
@touch $@
endef
