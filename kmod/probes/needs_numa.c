// SPDX-License-Identifier: GPL-2.0-only
/* Needed: CONFIG_NUMA */
#ifndef CONFIG_NUMA
#error "without CONFIG_NUMA"
#endif
