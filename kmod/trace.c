// SPDX-License-Identifier: GPL-2.0-only
/* Before its tracepoints are made, lest those of other headers be made too */
#include "numapin.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
