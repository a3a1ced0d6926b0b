// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Heaps of libnumapin-heap for C++17: as a std::pmr::memory_resource, and as an allocator
 * for containers. What numapin-heap.h says of heaps is true of these.
 *
 *	numapin::heap heap(1);
 *	std::pmr::vector<int> a(&heap);
 *	std::vector<int, numapin::allocator<int>> b(numapin::allocator<int>{heap});
 *
 * Since version 0.2.
 */
#ifndef NUMAPIN_HEAP_HPP
#define NUMAPIN_HEAP_HPP

#include <cerrno>
#include <cstddef>
#include <limits>
#include <memory_resource>
#include <new>
#include <system_error>

#include <numapin-heap.h>

namespace numapin {

/**
 * class heap - a heap on a node, which ends with this
 *
 * What uses it must end before. It is neither copied nor moved: others have its address.
 */
class heap final : public std::pmr::memory_resource {
public:
	/**
	 * heap() - numapin_heap_create()
	 *
	 * Throws std::system_error, whose code() is the errno and whose what() has the
	 * words of numapin_error().
	 */
	explicit heap(int node, unsigned int flags = 0, std::size_t limit = 0)
		: heap_(numapin_heap_create(node, flags, limit))
	{
		if (!heap_)
			throw std::system_error(errno, std::generic_category(), numapin_error());
	}

	heap(const heap &) = delete;
	heap &operator=(const heap &) = delete;

	~heap() override
	{
		numapin_heap_destroy(heap_);
	}

	/* get() - the heap, for the functions of numapin-heap.h */
	numapin_heap *get() const noexcept
	{
		return heap_;
	}

private:
	/* Throws std::bad_alloc; numapin_error() has the words. */
	void *do_allocate(std::size_t bytes, std::size_t alignment) override
	{
		void *ptr = numapin_heap_aligned_alloc(heap_, alignment, bytes);

		if (!ptr)
			throw std::bad_alloc();
		return ptr;
	}

	void do_deallocate(void *ptr, std::size_t, std::size_t) override
	{
		numapin_heap_free(heap_, ptr);
	}

	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		return this == &other;
	}

	numapin_heap *heap_;
};

/**
 * class allocator - an allocator for containers, with memory of a heap
 *
 * Allocators of the same heap are equal. A container keeps its heap where it is assigned
 * to or swapped, as those of std::pmr do.
 */
template <typename T>
class allocator {
public:
	using value_type = T;

	/* allocator() - of @heap, which must be there for as long as what it allocates */
	explicit allocator(const heap &heap) noexcept
		: heap_(heap.get())
	{
	}

	template <typename U>
	allocator(const allocator<U> &other) noexcept
		: heap_(other.get())
	{
	}

	/* allocate() - room for so many, not initialized; throws std::bad_alloc */
	[[nodiscard]] T *allocate(std::size_t n)
	{
		if (n > std::numeric_limits<std::size_t>::max() / sizeof(T))
			throw std::bad_array_new_length();

		void *ptr = numapin_heap_aligned_alloc(heap_, alignof(T), n * sizeof(T));

		if (!ptr)
			throw std::bad_alloc();
		return static_cast<T *>(ptr);
	}

	void deallocate(T *ptr, std::size_t) noexcept
	{
		numapin_heap_free(heap_, ptr);
	}

	numapin_heap *get() const noexcept
	{
		return heap_;
	}

private:
	numapin_heap *heap_;
};

template <typename T, typename U>
bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return a.get() == b.get();
}

template <typename T, typename U>
bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept
{
	return !(a == b);
}

} /* namespace numapin */

#endif /* NUMAPIN_HEAP_HPP */
