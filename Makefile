# The front door. The build is Meson's (meson.build), what a target does stands in scripts/.
#
#   make demo         builds, starts an upstream and Sallyport before it, and sends mail through (ONCE=1: then ends)
#                     MODE=transparent: on a network that it makes, in the path of others; as root
#                     MODE=outbound: to domains that it makes, with DANE, MTA-STS and a rule of its own
#   make check        builds and runs every test; the last line is "N passed, N failed"
#   make check-long   the same with more seeds and longer fuzz runs
#   make build        leaves the program at build/sallyport
#   make lint fuzz    these stages alone
#   make bench        measures the program beside its peers, and writes docs/performance.md (QUICK=1: three minutes)
#   make bench-talks  counts its instructions in fixed conversations (WRITE=1: writes them down in bench/gauge.expected)
#   make install      PREFIX=/usr/local, DESTDIR=
#
# On Debian each installs the packages that it needs (packaging/dependencies); DEPS=no leaves that out.

PREFIX ?= /usr/local
DESTDIR ?=
DEPS ?= yes
ONCE ?=
MODE ?=
QUICK ?=
WRITE ?=
SECONDS_EACH ?= 60

.PHONY: all build demo check check-long lint fuzz bench bench-talks install clean
all: build

build:
	@DEPS=$(DEPS) scripts/build build sallyport

demo:
	@DEPS=$(DEPS) scripts/build build sallyport demo
	@ONCE=$(ONCE) MODE=$(MODE) scripts/demo build/sallyport

check:
	@DEPS=$(DEPS) scripts/check

check-long:
	@DEPS=$(DEPS) scripts/check --long

lint:
	@DEPS=$(DEPS) scripts/check --only lint

fuzz:
	@DEPS=$(DEPS) scripts/check --only fuzz --fuzz-seconds $(SECONDS_EACH)

bench:
	@DEPS=$(DEPS) scripts/build build "sallyport bench/load bench/sink" demo bench
	@bench/run $(if $(QUICK),--quick)

bench-talks:
	@DEPS=$(DEPS) scripts/build build bench/gauge demo test
	@bench/gauge.py $(if $(WRITE),--write)

install:
	@DEPS=$(DEPS) scripts/build build sallyport -- -Dprefix=$(PREFIX)
	@DESTDIR="$(DESTDIR)" meson install -C build --no-rebuild

clean:
	rm -rf build build-asan build-clang
