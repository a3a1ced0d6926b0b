/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For selftests/coverage, which includes this first: processes that end by
 * _exit(), as the tests' do, leave their counts too.
 */
#ifndef SELFTESTS_COVERAGE_H
#define SELFTESTS_COVERAGE_H

#include <unistd.h>

#ifdef __cplusplus
extern "C"
#endif
void __gcov_dump(void);

__attribute__((noreturn)) static inline void counted_exit(int status)
{
	__gcov_dump();
	_exit(status);
}

#define _exit counted_exit

#endif /* SELFTESTS_COVERAGE_H */
