// SPDX-License-Identifier: GPL-2.0-only
/* Needed: CONFIG_64BIT */
#ifndef CONFIG_64BIT
#error "without CONFIG_64BIT"
#endif
