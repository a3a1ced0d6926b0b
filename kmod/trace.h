/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: a region made, mapped, faulted in, copied, freed; and a refusal. A
 * region goes by its node and the number that its fdinfo shows as numapin-region.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM numapin

#if !defined(NUMAPIN_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NUMAPIN_TRACE_H

#include <linux/tracepoint.h>

#include "numapin.h"

/* So that user space, which reads numbers, can name them too */
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_NONE);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_NODE_FULL);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_NO_HUGE_PAGE);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_TOO_LARGE);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_CGROUP);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_CPUSET);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_NODE_GONE);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_BOOKKEEPING);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_MEMLOCK);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_BUDGET);
TRACE_DEFINE_ENUM(NUMAPIN_CAUSE_ONLY_MOVABLE);

#define show_numapin_cause(cause)					\
	__print_symbolic(cause,						\
			 { NUMAPIN_CAUSE_NONE,		"none" },	\
			 { NUMAPIN_CAUSE_NODE_FULL,	"node_full" },	\
			 { NUMAPIN_CAUSE_NO_HUGE_PAGE,	"no_huge_page" }, \
			 { NUMAPIN_CAUSE_TOO_LARGE,	"too_large" },	\
			 { NUMAPIN_CAUSE_CGROUP,	"cgroup" },	\
			 { NUMAPIN_CAUSE_CPUSET,	"cpuset" },	\
			 { NUMAPIN_CAUSE_NODE_GONE,	"node_gone" },	\
			 { NUMAPIN_CAUSE_BOOKKEEPING,	"bookkeeping" }, \
			 { NUMAPIN_CAUSE_MEMLOCK,	"memlock" },	\
			 { NUMAPIN_CAUSE_BUDGET,	"budget" },	\
			 { NUMAPIN_CAUSE_ONLY_MOVABLE,	"only_movable" })

DECLARE_EVENT_CLASS(numapin_region,
	TP_PROTO(const struct numapin_region *region),
	TP_ARGS(region),
	TP_STRUCT__entry(
		__field(int, node)
		__field(u64, region)
		__field(u64, bytes)
		__field(u64, huge_bytes)
	),
	TP_fast_assign(
		__entry->node = region->node->nid;
		__entry->region = region->id;
		__entry->bytes = numapin_region_bytes(region);
		__entry->huge_bytes = numapin_region_huge_bytes(region);
	),
	TP_printk("node=%d region=%llu bytes=%llu huge_bytes=%llu",
		  __entry->node, __entry->region, __entry->bytes,
		  __entry->huge_bytes)
);

DEFINE_EVENT(numapin_region, numapin_alloc,
	TP_PROTO(const struct numapin_region *region),
	TP_ARGS(region)
);

DEFINE_EVENT(numapin_region, numapin_free,
	TP_PROTO(const struct numapin_region *region),
	TP_ARGS(region)
);

TRACE_EVENT(numapin_refuse,
	TP_PROTO(const struct numapin_request *req, int error),
	TP_ARGS(req, error),
	TP_STRUCT__entry(
		__field(int, node)
		__field(int, error)
		__field(u64, bytes)
		__field(u64, available)
		__field(u32, flags)
		__field(u32, cause)
	),
	TP_fast_assign(
		__entry->node = req->node->nid;
		__entry->error = error;
		__entry->bytes = req->length;
		__entry->available = req->available;
		__entry->flags = req->flags;
		__entry->cause = req->cause;
	),
	TP_printk("node=%d bytes=%llu flags=%#x error=%d cause=%s available=%llu",
		  __entry->node, __entry->bytes, __entry->flags, __entry->error,
		  show_numapin_cause(__entry->cause), __entry->available)
);

TRACE_EVENT(numapin_map,
	TP_PROTO(const struct numapin_region *region,
		 const struct vm_area_struct *vma),
	TP_ARGS(region, vma),
	TP_STRUCT__entry(
		__field(int, node)
		__field(u64, region)
		__field(unsigned long, addr)
		__field(unsigned long, bytes)
		__field(pgoff_t, offset)
	),
	TP_fast_assign(
		__entry->node = region->node->nid;
		__entry->region = region->id;
		__entry->addr = vma->vm_start;
		__entry->bytes = vma->vm_end - vma->vm_start;
		__entry->offset = vma->vm_pgoff;
	),
	TP_printk("node=%d region=%llu addr=%#lx bytes=%lu page=%lu",
		  __entry->node, __entry->region, __entry->addr, __entry->bytes,
		  __entry->offset)
);

TRACE_EVENT(numapin_fault,
	TP_PROTO(const struct numapin_region *region,
		 const struct vm_fault *vmf),
	TP_ARGS(region, vmf),
	TP_STRUCT__entry(
		__field(int, node)
		__field(u64, region)
		__field(unsigned long, addr)
		__field(pgoff_t, offset)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->node = region->node->nid;
		__entry->region = region->id;
		__entry->addr = vmf->address;
		__entry->offset = vmf->pgoff;
		__entry->write = vmf->flags & FAULT_FLAG_WRITE;
	),
	TP_printk("node=%d region=%llu addr=%#lx page=%lu write=%d",
		  __entry->node, __entry->region, __entry->addr,
		  __entry->offset, __entry->write)
);

TRACE_EVENT(numapin_copy,
	TP_PROTO(const struct numapin_region *region, pgoff_t offset,
		 unsigned long bytes),
	TP_ARGS(region, offset, bytes),
	TP_STRUCT__entry(
		__field(int, node)
		__field(u64, region)
		__field(pgoff_t, offset)
		__field(unsigned long, bytes)
	),
	TP_fast_assign(
		__entry->node = region->node->nid;
		__entry->region = region->id;
		__entry->offset = offset;
		__entry->bytes = bytes;
	),
	TP_printk("node=%d region=%llu page=%lu bytes=%lu", __entry->node,
		  __entry->region, __entry->offset, __entry->bytes)
);

#endif /* NUMAPIN_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
