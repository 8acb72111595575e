# Everything a developer or CI calls. Works with BSD make and GNU make; needs Python 3.11 or newer and, for the tests
# and the demo, what tools/daemons installs.

PYTHON = /usr/bin/python3
VENV = .venv
BIN = $(VENV)/bin

all: check

# Not under a home directory: the user smtpd runs filters as must be able to read the interpreter. Hence the
# system's Python, also when another one comes first in PATH; make PYTHON=... to choose.
venv: $(VENV)/.made

$(VENV)/.made: pyproject.toml
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/daemons packages
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[test,redis]' >$(VENV)/pip.log 2>&1 || \
	    { cat $(VENV)/pip.log; exit 1; }
	touch $(VENV)/.made

daemons:
	tools/daemons

check: venv
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_imports.py
	$(MAKE) coverage

# What stands between the filters and smtpd: every branch of it is tested, see [tool.coverage] in pyproject.toml.
coverage: venv
	rm -rf build/coverage
	mkdir -p build/coverage
	$(BIN)/coverage run -m pytest -q tests/protocol tests/runtime tests/test_transcripts.py
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

# Two at a time but for the tests that hold a bound of time, which want the machine for themselves.
test: check daemons
	$(BIN)/pytest -n 2 --dist loadfile -m 'not timed'
	$(BIN)/pytest -m timed

demo: venv
	@tools/daemons packages trixie
	@$(BIN)/python -m demo

bench: venv daemons
	tools/daemons bench
	$(BIN)/python -m bench.run

# Other Pythons, the oldest and newest libraries, Valkey: an hour, see tools/pythons.
test-pythons:
	tools/pythons

# Ten minutes for each reader of what strangers write; what is found lies in build/fuzz.
fuzz: venv
	$(BIN)/python -m fuzz.run

# Does a test tell of each fault that could be in the code that decides? Hours; what is interrupted goes on from there.
# make mutants MUTANTS='-n 60 runtime' tries 60 of each module in filter_api/runtime: tools/mutants/README.md.
mutants: venv
	$(BIN)/pip install -q --disable-pip-version-check -e '.[mutants]'
	$(BIN)/python -m tools.mutants $(MUTANTS)

# Hours of mixed mail and faults, then Postfix on the other side: docs/endurance.md.
soak: venv daemons
	$(BIN)/python -m tools.soak
	$(BIN)/python -m tools.soak.mta

# What a release consists of, in build/release; UNAUDITED=yes where pypi.org cannot be asked, see tools/release.
release:
	PYTHON='$(PYTHON)' UNAUDITED='$(UNAUDITED)' tools/release

man:
	for page in man/*.[1-9]; do mandoc -T lint -W warning "$$page" || exit 1; done
	mkdir -p build/man
	for page in man/*.[1-9]; do mandoc -T html -O man=%N.%S.html "$$page" \
	    >build/man/$${page##*/}.html || exit 1; done

# For packagers, see tools/install: make install DESTDIR=... PREFIX=/usr LIBEXECDIR=/usr/libexec/opensmtpd
install uninstall:
	PYTHON='$(PYTHON)' DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBEXECDIR='$(LIBEXECDIR)' LIBDIR='$(LIBDIR)' \
	    SBINDIR='$(SBINDIR)' MANDIR='$(MANDIR)' EXAMPLEDIR='$(EXAMPLEDIR)' DOCDIR='$(DOCDIR)' \
	    BASHDIR='$(BASHDIR)' ZSHDIR='$(ZSHDIR)' tools/install $@

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: all venv daemons check coverage test test-pythons fuzz mutants soak release demo bench man install uninstall \
    clean
