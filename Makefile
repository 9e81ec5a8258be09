# SPDX-License-Identifier: Apache-2.0
# A front for meson and ninja: `make demo` and `make test` do everything on a fresh Debian 12.
#
#     make              the library, the isle command and the examples
#     make demo         build and run the demonstration      (FILES="DIR ...": what to decode)
#     make test         build and run the tests              (TESTS="--suite unit ...": options)
#     make install      DESTDIR= prefix=/usr/local libdir=
#     make soak         the tests' long tier: hours
#     make asan | tsan | gen2 | wasm      another build of the tests, run
#     make fuzz         each fuzzer for FUZZ_SECONDS
#     make bench        measure Isle and every installed peer   (BENCH="--rounds 5 ...": options)
#     make savina       build and run the Savina programs    (SAVINA="--iterations 3 pingpong ...")
#     make bench-peers  install the peers
#     make bench-dart | bench-scaling     Dart's own benchmarks; costs beside a million others
#     make docs | format | check | clean

BUILD ?= build
prefix ?= /usr/local
FUZZ_SECONDS ?= 30
MESON_OPTIONS ?=
# What is installed, and what is measured.
RELEASE = -Dbuildtype=release -Db_lto=true

# Configures $(1) with options $(2), whether it was configured before or not.
configure = if test -f $(1)/build.ninja; then meson setup --reconfigure $(1) $(2) >/dev/null; \
	else meson setup $(1) $(2); fi

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/install-dependencies --demo
	meson setup $(BUILD) -Dprefix=$(prefix) $(MESON_OPTIONS)

demo: $(BUILD)/build.ninja
	tools/install-dependencies --demo
	ninja -C $(BUILD) demo-programs
	BUILD=$(BUILD) tools/demo $(FILES)

test:
	tools/install-dependencies --test
	$(call configure,$(BUILD),-Dtests=true -Dcli=enabled $(MESON_OPTIONS))
	ninja -C $(BUILD)
	tools/run-tests --build $(BUILD) $(TESTS)

soak:
	tools/install-dependencies --test
	$(call configure,$(BUILD),-Dtests=true -Dcli=enabled $(MESON_OPTIONS))
	ninja -C $(BUILD)
	tools/run-tests --build $(BUILD) --tier soak $(TESTS)
	tools/install-dependencies --ci
	for name in asan tsan gen2; do tools/variant --all $$name || exit 1; done
	tools/soak --build $(BUILD)

# Built as bench/run builds, in the same folder.
savina:
	tools/install-dependencies --demo
	$(call configure,$(BUILD)/bench,-Dbench=true $(RELEASE) -Dexamples=false \
		-Dcli=disabled -Db_ndebug=false $(MESON_OPTIONS))
	ninja -C $(BUILD)/bench savina
	bench/savina/run --build $(BUILD)/bench $(SAVINA)

# The machine's own layout is used where libdir is not given.
install:
	tools/install-dependencies --demo
	$(call configure,$(BUILD)/release,$(RELEASE) -Dexamples=false -Dprefix=$(prefix) \
		$(if $(libdir),-Dlibdir=$(libdir)) $(MESON_OPTIONS))
	ninja -C $(BUILD)/release
	DESTDIR=$(DESTDIR) meson install -C $(BUILD)/release --no-rebuild

asan tsan gen2 wasm fuzz:
	tools/install-dependencies --ci
	FUZZ_SECONDS=$(FUZZ_SECONDS) tools/variant $@ $(TESTS)

# The programs are built optimised in a folder of their own.
bench:
	tools/install-dependencies --demo
	bench/run --build $(BUILD)/bench $(BENCH)

bench-dart:
	tools/install-dependencies --demo
	bench/run --build $(BUILD)/bench --group dart --peer none $(BENCH)

bench-scaling:
	tools/install-dependencies --demo
	bench/run --build $(BUILD)/bench --scaling --rounds 3 $(BENCH)

bench-peers:
	bench/install-peers

docs:
	tools/install-dependencies --docs
	mkdir -p $(BUILD)
	BUILD=$(BUILD) doxygen Doxyfile

format:
	tools/format

check:
	tools/format --check
	tools/mutate --check
	tools/check-tree

clean:
	rm -rf $(BUILD)

.PHONY: all demo test soak install asan tsan gen2 wasm fuzz bench bench-dart \
	bench-scaling bench-peers savina docs format check clean
