/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The harness of kselftest, with time enough for each test on a debug kernel
 * under emulation
 */
#ifndef SELFTESTS_HARNESS_H
#define SELFTESTS_HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 600	/* seconds */

#endif
