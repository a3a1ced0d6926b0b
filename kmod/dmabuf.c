// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions as dma-bufs, which drivers import to have devices work on them.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "numapin.h"

MODULE_IMPORT_NS("DMA_BUF");

/**
 * struct numapin_buffer - a part of a shared region as a dma-buf
 * @file: The region's file, with a reference: the region outlives the dma-buf
 * @first: Where the part begins, in pages of PAGE_SIZE
 * @nr_pages: How long it is
 * @lock: Guards @mappings
 * @mappings: What devices have mapped of it, by struct numapin_dma_mapping
 *
 * Lifetime: the dma-buf's.
 */
struct numapin_buffer {
	struct file *file;
	pgoff_t first;
	unsigned int nr_pages;
	struct mutex lock;	/* guards mappings */
	struct list_head mappings;
};

/**
 * struct numapin_dma_mapping - what a device has mapped of a dma-buf: all of it
 * @table: Its memory, where the device finds it
 * @dev: The device
 * @dir: Who writes
 * @list: In @mappings of the buffer
 */
struct numapin_dma_mapping {
	struct sg_table table;
	struct device *dev;
	enum dma_data_direction dir;
	struct list_head list;
};

static struct page *page_at(const struct numapin_buffer *buffer,
			    unsigned long nr)
{
	struct numapin_region *region = buffer->file->private_data;
	pgoff_t index = buffer->first + nr;
	struct folio *folio = numapin_view_folio(&region->first, index);

	return folio_page(folio, index - folio->index);
}

/* A device would meet failed hardware without a fault that could be refused. */
static int check_hardware(const struct numapin_buffer *buffer)
{
	unsigned long nr = 0;
	struct folio *folio;
	struct page *page;

	while (nr < buffer->nr_pages) {
		page = page_at(buffer, nr);
		folio = page_folio(page);
		if (numapin_folio_poisoned(folio))
			return -EHWPOISON;
		nr += folio_nr_pages(folio) - folio_page_idx(folio, page);
		cond_resched();
	}
	return 0;
}

/* How many pages, from one on, follow each other in memory; at most @max. */
static unsigned long run_at(const struct numapin_buffer *buffer,
			    unsigned long start, unsigned long max)
{
	unsigned long pfn = page_to_pfn(page_at(buffer, start)), nr = 1;

	max = min(max, buffer->nr_pages - start);
	while (nr < max && page_to_pfn(page_at(buffer, start + nr)) == pfn + nr)
		nr++;
	return nr;
}

/* Lists the memory of a buffer, in pieces that a device can take. */
static int fill_table(const struct numapin_buffer *buffer, struct device *dev,
		      struct sg_table *table)
{
	unsigned long max = max(dma_get_max_seg_size(dev) >> PAGE_SHIFT, 1U);
	unsigned long start, nr;
	unsigned int count = 0;
	struct scatterlist *sg;
	int rc;

	for (start = 0; start < buffer->nr_pages; start += nr) {
		nr = run_at(buffer, start, max);
		count++;
		cond_resched();
	}
	rc = sg_alloc_table(table, count, NUMAPIN_TABLE_GFP);
	if (rc)
		return rc;
	sg = table->sgl;
	for (start = 0; start < buffer->nr_pages; start += nr) {
		nr = run_at(buffer, start, max);
		sg_set_page(sg, page_at(buffer, start), nr << PAGE_SHIFT, 0);
		sg = sg_next(sg);
		cond_resched();
	}
	return 0;
}

static struct sg_table *map_for_device(struct dma_buf_attachment *attachment,
				       enum dma_data_direction dir)
{
	struct numapin_buffer *buffer = attachment->dmabuf->priv;
	struct numapin_dma_mapping *mapping;
	int rc;

	rc = check_hardware(buffer);
	if (rc)
		return ERR_PTR(rc);
	mapping = kzalloc_obj(*mapping, GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attachment->dev;
	mapping->dir = dir;
	rc = fill_table(buffer, mapping->dev, &mapping->table);
	if (rc)
		goto err_mapping;
	rc = dma_map_sgtable(mapping->dev, &mapping->table, dir, 0);
	if (rc)
		goto err_table;
	mutex_lock(&buffer->lock);
	list_add(&mapping->list, &buffer->mappings);
	mutex_unlock(&buffer->lock);
	return &mapping->table;

err_table:
	sg_free_table(&mapping->table);
err_mapping:
	kfree(mapping);
	return ERR_PTR(rc);
}

static void unmap_for_device(struct dma_buf_attachment *attachment,
			     struct sg_table *table,
			     enum dma_data_direction dir)
{
	struct numapin_buffer *buffer = attachment->dmabuf->priv;
	struct numapin_dma_mapping *mapping =
		container_of(table, struct numapin_dma_mapping, table);

	mutex_lock(&buffer->lock);
	list_del(&mapping->list);
	mutex_unlock(&buffer->lock);
	dma_unmap_sgtable(mapping->dev, table, dir, 0);
	sg_free_table(table);
	kfree(mapping);
}

/* For devices that write elsewhere, or past the CPU's caches */
static int sync_mappings(struct dma_buf *dmabuf,
			 void (*sync)(struct device *dev, struct sg_table *table,
				      enum dma_data_direction dir))
{
	struct numapin_buffer *buffer = dmabuf->priv;
	struct numapin_dma_mapping *mapping;

	mutex_lock(&buffer->lock);
	list_for_each_entry(mapping, &buffer->mappings, list)
		sync(mapping->dev, &mapping->table, mapping->dir);
	mutex_unlock(&buffer->lock);
	return 0;
}

static int begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return sync_mappings(dmabuf, dma_sync_sgtable_for_cpu);
}

static int end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return sync_mappings(dmabuf, dma_sync_sgtable_for_device);
}

/*
 * For drivers that have no device, or copy. The kernel warns where this fails, which
 * must not be for the caller's limits: so the list, soon gone, is not charged.
 */
static int map_for_kernel(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct numapin_buffer *buffer = dmabuf->priv;
	struct page **pages;
	unsigned long nr;
	void *addr;
	int rc;

	rc = check_hardware(buffer);
	if (rc)
		return rc;
	pages = kvmalloc_array(buffer->nr_pages, sizeof(*pages),
			       NUMAPIN_TABLE_GFP & ~__GFP_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	for (nr = 0; nr < buffer->nr_pages; nr++) {
		pages[nr] = page_at(buffer, nr);
		cond_resched();
	}
	addr = vmap(pages, buffer->nr_pages, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!addr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, addr);
	return 0;
}

static void unmap_for_kernel(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

/* It is a mapping of the region's file, as any other. */
static int map_for_user(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct numapin_buffer *buffer = dmabuf->priv;

	vma_set_file(vma, buffer->file);
	vma->vm_pgoff += buffer->first;
	return numapin_mmap(buffer->file, vma);
}

static void release(struct dma_buf *dmabuf)
{
	struct numapin_buffer *buffer = dmabuf->priv;

	fput(buffer->file);
	kfree(buffer);
}

static const struct dma_buf_ops numapin_dmabuf_ops = {
	.map_dma_buf		= map_for_device,
	.unmap_dma_buf		= unmap_for_device,
	.begin_cpu_access	= begin_cpu_access,
	.end_cpu_access		= end_cpu_access,
	.vmap			= map_for_kernel,
	.vunmap			= unmap_for_kernel,
	.mmap			= map_for_user,
	.release		= release,
};

/* Whether a file has a shared region, and a part is in it. */
static int check_part(struct file *file, u64 offset, u64 length)
{
	struct numapin_region *region = file->private_data;
	u64 end;

	/* Who has a dma-buf may write to it: drivers do not ask. */
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) !=
	    (FMODE_READ | FMODE_WRITE))
		return -EBADF;
	if (!length || !PAGE_ALIGNED(offset | length) ||
	    length >> PAGE_SHIFT > UINT_MAX ||
	    check_add_overflow(offset, length, &end))
		return -EINVAL;
	if (!numapin_region_ready(region) || end > numapin_region_bytes(region))
		return -EINVAL;
	/* After fork() its pages would not be the ones that devices have. */
	return numapin_region_private(region) ? -EOPNOTSUPP : 0;
}

/**
 * numapin_dmabuf_export - make a part of a region a dma-buf
 * @file: The region's file
 * @offset: Where the part begins, in bytes
 * @length: How long it is, in bytes
 *
 * Return: the dma-buf's file; or an ERR_PTR as documented in the uAPI header.
 */
struct file *numapin_dmabuf_export(struct file *file, u64 offset, u64 length)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct numapin_buffer *buffer;
	struct dma_buf *dmabuf;
	int rc;

	rc = check_part(file, offset, length);
	if (rc)
		return ERR_PTR(rc);
	buffer = kzalloc_obj(*buffer, GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	buffer->first = offset >> PAGE_SHIFT;
	buffer->nr_pages = length >> PAGE_SHIFT;
	mutex_init(&buffer->lock);
	INIT_LIST_HEAD(&buffer->mappings);
	buffer->file = get_file(file);

	info.exp_name = "numapin";
	info.ops = &numapin_dmabuf_ops;
	info.size = length;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		return dmabuf->file;
	fput(file);
	kfree(buffer);
	return ERR_CAST(dmabuf);
}
