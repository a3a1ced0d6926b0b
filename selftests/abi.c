// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the library's structs are laid out, and what its flags are, as a compiler of C
 * reads the header: for the tests of other languages to compare with. A line for each
 * struct with its size; for each field with its offset and size; for each flag.
 */
#include <stddef.h>
#include <stdio.h>

#include <numapin.h>

#define STRUCT(_name) printf(#_name " %zu\n", sizeof(struct _name))

#define FIELD(_name, _field)							\
	printf(#_name "." #_field " %zu %zu\n", offsetof(struct _name, _field),	\
	       sizeof(((struct _name *)NULL)->_field))

#define FLAG(_name) printf(#_name " %u\n", (unsigned int)(_name))

int main(void)
{
	STRUCT(numapin_receipt);
	FIELD(numapin_receipt, node);
	FIELD(numapin_receipt, outcome);
	FIELD(numapin_receipt, reason);
	FIELD(numapin_receipt, shared);
	FIELD(numapin_receipt, bytes);
	FIELD(numapin_receipt, huge_bytes);
	FIELD(numapin_receipt, available);
	STRUCT(numapin_node_bytes);
	FIELD(numapin_node_bytes, node);
	FIELD(numapin_node_bytes, bytes);
	STRUCT(numapin_mapping);
	FIELD(numapin_mapping, addr);
	FIELD(numapin_mapping, bytes);
	FIELD(numapin_mapping, page_bytes);
	FIELD(numapin_mapping, outcome);
	FIELD(numapin_mapping, policy);
	FIELD(numapin_mapping, name);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer's size is what is asked. */
	FIELD(numapin_mapping, nodes);
	FIELD(numapin_mapping, count);
	STRUCT(numapin_node);
	FIELD(numapin_node, bytes);
	FIELD(numapin_node, free_bytes);
	FIELD(numapin_node, cpus);
	FLAG(NUMAPIN_STRICT);
	FLAG(NUMAPIN_HUGE);
	FLAG(NUMAPIN_NO_HUGE);
	FLAG(NUMAPIN_SHARED);
	FLAG(NUMAPIN_RESERVE);
	FLAG(NUMAPIN_REGION);
	return 0;
}
