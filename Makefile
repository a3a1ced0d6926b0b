# SPDX-License-Identifier: GPL-2.0-only
#
# numapin: memory on the NUMA node that was asked for. `make help` says what
# there is to make.

KERNEL	?= 6.12
# Of another architecture those that the tests run on there
KERNELS	?= $(if $(foreign),6.12,6.1 6.12)
PREFIX	?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
MANDIR	?= $(PREFIX)/share/man

# ARCH=arm64: another architecture than this machine's, in a folder of its own, by Debian's
# cross compilers. CROSS_COMPILE: by one's own.
foreign	:= $(if $(ARCH),$(shell ARCH=$(ARCH); . scripts/arch && echo $$foreign))
build	:= $(CURDIR)/build$(foreign)
fetch	:= ARCH=$(ARCH) scripts/fetch

# The running kernel's, where modules can be built for it; else the guest's
host_kdir := $(if $(foreign),,$(wildcard /lib/modules/$(shell uname -r)/build))
KDIR	?= $(or $(host_kdir),$(shell $(fetch) kernel $(KERNEL))/headers)

ifneq ($(if $(CROSS_COMPILE),,$(foreign)),)
within	 = scripts/with-usr $(shell $(fetch) compiler bookworm)/root/usr
triplet	:= aarch64-linux-gnu-
CC	 = $(triplet)gcc
tools	 = CC=$(triplet)gcc CXX=$(triplet)g++ LD=$(triplet)ld AR=$(triplet)ar \
	   OBJCOPY=$(triplet)objcopy CC32="arm-linux-gnueabihf-gcc -static" \
	   CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu \
	   CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$(triplet)gcc \
	   CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=gcc \
	   KSFT=$(shell $(fetch) source 6.12)/tools/testing/selftests
# Another architecture's programs are not for this machine's folders.
elsewhere = $(if $(DESTDIR),,$(error ARCH=$(ARCH): install takes DESTDIR))
at_home	 = $(error ARCH=$(ARCH): packages are built on a machine of that architecture)
endif
release	 = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
		$(KDIR)/include/generated/utsrelease.h)
modules	 = $(build)/modules/$(release)

all: modules userlib

# A folder for each kernel, so that building for one leaves the others' modules.
modules:
	@mkdir -p $(modules) && rm -rf $(modules)/kmod/probes
	@cp -a Kbuild kmod uapi $(modules)
	+scripts/kbuild $(KDIR) M=$(modules) modules
	@echo "$(modules)/kmod/numapin.ko"

INSTALL_MOD_PATH ?= $(DESTDIR)
modules_install: modules
	$(elsewhere)
	+scripts/kbuild $(KDIR) M=$(modules) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) modules_install

userlib:
	$(within) $(MAKE) -C userlib OUTPUT=$(build)/userlib $(tools)
	$(within) $(MAKE) -C userlib/heap OUTPUT=$(build)/userlib $(tools)

selftests: userlib
	$(within) $(MAKE) -C selftests tree BUILD=$(build) $(tools)

# The library and its tests with sanitizers in them
sanitized:
	$(MAKE) -C selftests asan tsan

$(build)/take-away: examples/take-away.c userlib/numapin.h | userlib
	$(within) $(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Iuserlib -o $@ $< \
		-L$(build)/userlib -Wl,-rpath,$(build)/userlib -lnumapin -lnuma

examples: $(build)/take-away

# What a guest needs, whichever kernel this machine runs
guest-deps:
	@scripts/deps build guest $(if $(findstring -,$(GUEST_KERNELS)),kernel)

guest-modules: guest-deps
	@for kernel in $(GUEST_KERNELS); do \
		image=$$(scripts/fetch kernel $$kernel) && \
		$(MAKE) modules KDIR=$$image/headers || exit; \
	done

run: GUEST_KERNELS = $(KERNEL)
run: guest-modules examples
	selftests/vm/boot --kernel $(KERNEL) selftests/vm/run

check: GUEST_KERNELS = $(KERNELS)
check: guest-modules selftests $(if $(foreign),,sanitized)
	selftests/check $(KERNELS)

check-debug check-kcsan:
	$(MAKE) check KERNELS=6.12-$(@:check-%=%)

check-dmem:
	$(MAKE) check KERNELS=7.3-dmem

# The library on other systems than this one
SYSTEMS	?= windows posix musl s390x arm
check-portable: GUEST_KERNELS = $(KERNEL)
check-portable: guest-modules
	@scripts/deps portable
	KERNEL=$(KERNEL) selftests/check --machines portable $(SYSTEMS)

# Programs that do not know of numapin
check-clients: GUEST_KERNELS = $(KERNEL)
check-clients: guest-modules selftests
	@scripts/deps clients
	$(MAKE) -C selftests clients
	selftests/vm/boot --kernel $(KERNEL) --log build/logs/clients.dmesg selftests/clients

# In the kernel's own source, and as patches for it
INTREE_KERNELS ?= 7.3 6.12
intree:
	@scripts/deps intree
	@scripts/intree $(KERNEL)

check-intree:
	@scripts/deps build guest intree
	selftests/intree $(INTREE_KERNELS)

# In guests: where clearing memory is slow, where it is quick, and where instructions are
# counted in place of time. With HOST=1 on this machine, which must have two nodes
ifdef HOST
bench: modules selftests
	@scripts/deps bench
	selftests/vm/bench $(build)/bench $(BENCH)
	selftests/plot $(build)/bench
else
bench: GUEST_KERNELS = $(KERNEL)
bench: guest-modules selftests
	@scripts/deps bench
	@for machine in bench bench-quick; do \
		selftests/vm/boot --kernel $(KERNEL) --machine $$machine --timeout 1800 \
			--output $(build)/$$machine selftests/vm/bench /run/share/output \
			$(BENCH) || exit; \
	done
	selftests/vm/boot --kernel $(KERNEL) --machine bench-count --timeout 1800 \
		--output $(build)/bench-count selftests/vm/bench --counted /run/share/output \
		$(BENCH)
	selftests/plot $(build)/bench
endif

# Of what the last bench measured
performance:
	selftests/plot $(build)/bench docs/performance.md

coverage:
	@scripts/deps build guest kernel coverage
	selftests/coverage $(MACHINES)

# For long: MINUTES
MINUTES	?= 30
soak: GUEST_KERNELS = $(KERNEL)
soak: guest-modules selftests
	selftests/vm/boot --kernel $(KERNEL) --timeout $$(($(MINUTES) * 60 + 600)) \
		--log build/logs/soak.dmesg selftests/vm/soak $(MINUTES)

# Of what the last check of KERNELS saw
table:
	selftests/table $(KERNELS) >$(build)/immovable.md
	mv $(build)/immovable.md docs

lint:
	@scripts/deps build guest lint
	scripts/lint $(KERNELS)

install:
	$(elsewhere)
	$(within) $(MAKE) -C userlib install OUTPUT=$(build)/userlib PREFIX=$(PREFIX) $(tools)
	$(within) $(MAKE) -C userlib/heap install OUTPUT=$(build)/userlib PREFIX=$(PREFIX) $(tools)
	install -d $(DESTDIR)$(INCLUDEDIR)/linux
	install -m 644 uapi/linux/numapin.h $(DESTDIR)$(INCLUDEDIR)/linux
	scripts/man install $(DESTDIR)$(MANDIR)
	install -d $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/udev/rules.d
	install -m 644 packaging/sysusers.d/* $(DESTDIR)$(PREFIX)/lib/sysusers.d
	install -m 644 packaging/rules.d/* $(DESTDIR)$(PREFIX)/lib/udev/rules.d

# Debian's and rpm's, in build/packages
deb:
	$(at_home)
	@scripts/deps deb
	scripts/package $@

rpm:
	$(at_home)
	@scripts/deps build deb packages
	scripts/package $@

check-packages:
	@scripts/deps build deb packages
	selftests/packages

# Debians that have the packages installed
DEBIANS	?= bookworm trixie
check-install: deb
	@scripts/deps guest systems
	@for suite in $(DEBIANS); do selftests/debian $$suite || exit; done

clean:
	rm -rf $(CURDIR)/build $(CURDIR)/build-*

help:
	@echo "make run              see it: boots a two-node guest, allocates, tries to move the pages"
	@echo "make check            every test: on this machine, and in guests with KERNELS ($(KERNELS))"
	@echo "make check ARCH=arm64 what of it can run in guests of another architecture than this machine's"
	@echo "make check-debug      those of guests, on a kernel built to find mistakes (KASAN, lockdep, ...)"
	@echo "make check-kcsan      on one that finds data races"
	@echo "make check-dmem       on one whose cgroups have shares of a node's pool"
	@echo "make check-portable   the library on other systems: $(SYSTEMS)"
	@echo "make check-clients    programs of Debian's that do not know of numapin, and docs/programs.md"
	@echo "make check-packages   packages: their checkers, what is in them, and the same bytes when built again"
	@echo "make intree           numapin in the source of KERNEL ($(KERNEL)), and as patches for it, in build/intree"
	@echo "make check-intree     that, with the kernel's own tools: $(INTREE_KERNELS)"
	@echo "make check-install    packages installed in Debians that are made for it: $(DEBIANS)"
	@echo "make coverage         the lines and branches of kmod/ and userlib/ that the tests reach"
	@echo "make soak             the fuzzer beside stress-ng, for MINUTES ($(MINUTES))"
	@echo "make bench            what memory costs, by numapin and by other ways (HOST=1: here; BENCH=--help)"
	@echo "make performance      docs/performance.md, of what make bench measured"
	@echo "make table            docs/immovable.md, of what make check saw of KERNELS"
	@echo "make lint             gcc and its analyzer, sparse, coccinelle, clang-tidy, checkpatch, kernel-doc, shellcheck, mandoc"
	@echo
	@echo "make                  the module and the library"
	@echo "make modules KDIR=... the module, for the kernel whose headers are there"
	@echo "make userlib          the library, in build/userlib"
	@echo "                      With ARCH=arm64 both are built for that, in build-arm64, by cross compilers"
	@echo "make selftests        the tests, as a kselftest tree in build/kselftest"
	@echo "make sanitized        the library and its tests with sanitizers, in build/asan and build/tsan"
	@echo "make examples         build/take-away"
	@echo "make install          the library, what builds on it (PARTS), the headers, the man pages, and"
	@echo "                      the devices' group, to DESTDIR and PREFIX ($(PREFIX))"
	@echo "make modules_install  the module, for KDIR's kernel, to DESTDIR"
	@echo "make deb              Debian packages, in build/packages"
	@echo "make rpm              rpm packages, there"
	@echo "make clean            removes build/, and build-arm64/"
	@echo
	@echo "run, check, soak, bench and lint install the Debian packages that they need, and say which."
	@echo "run, soak and bench boot KERNEL ($(KERNEL)). Debian's kernels (6.1, 6.12, 7.3) are kept in ~/.cache/numapin."

# Steps install packages and fetch kernels that the next ones need.
.NOTPARALLEL:

.PHONY: all modules modules_install userlib selftests sanitized examples \
	guest-deps guest-modules run check check-debug check-kcsan check-dmem check-portable \
	check-clients intree check-intree check-packages check-install coverage soak bench performance table lint \
	install deb rpm clean help
