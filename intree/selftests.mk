# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of numapin. They take a machine with two nodes, and root; and libnuma,
# libcap, liburing and libxdp to build.

TEST_GEN_PROGS := uapi placement lifetime refusal observation immovable reclaim
TEST_GEN_PROGS += access private stripes dmabuf camera helpers pool fuzz
# Last, for it costs the machine pages, and their memory blocks cannot go offline.
TEST_GEN_PROGS += poison

CFLAGS += -std=gnu11 -O2 -g -Wall -Wextra -Wno-sign-compare
CFLAGS += -Wno-unused-parameter -Wno-clobbered -I.. $(KHDR_INCLUDES)
LDLIBS += -lnuma -lcap -luring -pthread
LOCAL_HDRS += $(wildcard *.h)

include ../lib.mk

$(OUTPUT)/access $(OUTPUT)/pool $(OUTPUT)/private: LDLIBS += -lxdp
