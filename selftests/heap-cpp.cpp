// SPDX-License-Identifier: GPL-2.0-only
/*
 * Heaps in C++: as a memory_resource, as an allocator, and by the end of their scope. Linked
 * with the static libraries.
 */
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <list>
#include <map>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <dlfcn.h>
#include <numaif.h>
#include <unistd.h>

#include <numapin-heap.hpp>

#include "kselftest.h"

/* A name of the allocator's: what is linked to this must have none such. */
extern "C" int mallctl()
{
	return 77;
}

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t mib = 1 << 20;

/* What move_pages(2) says of each page of an object: whether all are on @node. */
bool is_on(const void *ptr, std::size_t bytes, int node)
{
	const auto addr = reinterpret_cast<std::uintptr_t>(ptr);

	for (auto at = addr & ~(page - 1); at < addr + bytes; at += page) {
		void *where = reinterpret_cast<void *>(at);
		int found = -1;

		if (move_pages(0, 1, &where, nullptr, &found, 0) || found != node)
			return false;
	}
	return true;
}

/* A counter of a node, of the module's */
long counter(int node, const char *name)
{
	const std::string path = "/sys/class/numapin/node" + std::to_string(node) + "/" + name;
	std::FILE *file = std::fopen(path.c_str(), "re");
	long value = -1;

	if (file && std::fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		std::fclose(file);
	return value;
}

void expect(bool condition, const char *what, int line)
{
	if (!condition)
		throw std::logic_error(std::to_string(line) + ": " + what);
}

#define EXPECT(condition) expect(condition, #condition, __LINE__)

/* Runs @code, and is true where it throws an @Exception. */
template <typename Exception, typename Code>
bool throws(Code code)
{
	try {
		code();
	} catch (const Exception &) {
		return true;
	}
	return false;
}

void polymorphic_containers()
{
	numapin::heap heap(1);
	std::pmr::map<int, std::pmr::string> words(&heap);
	std::pmr::vector<double> numbers(&heap);

	for (int i = 0; i < 2000; i++) {
		words.emplace(i, std::string(i % 300 + 1, 'a' + i % 26));
		numbers.push_back(i);
	}
	for (const auto &[i, word] : words) {
		EXPECT(std::string_view(word) == std::string(i % 300 + 1, 'a' + i % 26));
		EXPECT(is_on(&word, sizeof(word), 1));
		EXPECT(is_on(word.data(), word.size(), 1));
	}
	EXPECT(is_on(numbers.data(), numbers.size() * sizeof(double), 1));
	EXPECT(numbers[1999] == 1999);
}

void pool_over_a_heap()
{
	numapin::heap heap(1);
	std::pmr::unsynchronized_pool_resource pool(&heap);
	std::pmr::list<int> list(&pool);

	for (int i = 0; i < 5000; i++)
		list.push_back(i);
	for (const int &i : list)
		EXPECT(is_on(&i, sizeof(i), 1));
}

void resources_are_equal_to_themselves()
{
	numapin::heap one(0), other(0);

	EXPECT(one.is_equal(one));
	EXPECT(!one.is_equal(other));
	EXPECT(!one.is_equal(*std::pmr::get_default_resource()));
}

void standard_containers()
{
	using pair = std::pair<const int, int>;
	numapin::heap heap(1);
	std::vector<char, numapin::allocator<char>> bytes(3 * mib, 'x',
							  numapin::allocator<char>(heap));
	std::map<int, int, std::less<int>, numapin::allocator<pair>> map{
		numapin::allocator<pair>(heap)};

	for (int i = 0; i < 2000; i++)
		map[i] = -i;
	for (const auto &entry : map)
		EXPECT(is_on(&entry, sizeof(entry), 1));
	EXPECT(map.at(1999) == -1999);
	EXPECT(is_on(bytes.data(), bytes.size(), 1));
	bytes.resize(5 * mib, 'y');
	EXPECT(is_on(bytes.data(), bytes.size(), 1));
	EXPECT(bytes[3 * mib - 1] == 'x' && bytes[3 * mib] == 'y');
}

void allocators_of_a_heap_are_equal()
{
	numapin::heap one(0), other(0);
	numapin::allocator<int> ints(one), others(other);
	numapin::allocator<long> longs(ints);

	EXPECT(ints == longs);
	EXPECT(ints != others);
	longs.deallocate(longs.allocate(10), 10);
	EXPECT(throws<std::bad_array_new_length>([&] {
		longs.deallocate(longs.allocate(SIZE_MAX / 4), 0);
	}));

	std::vector<int, numapin::allocator<int>> a(100, 1, ints), b(100, 2, others);

	/* Element by element, for each keeps its heap */
	a = std::move(b);
	EXPECT(a.size() == 100 && a[99] == 2 && a.get_allocator() == ints);
}

struct alignas(page) whole_page {
	char bytes[page];
};

struct alignas(64) line {
	char byte;
};

void alignment()
{
	numapin::heap heap(1);
	std::vector<whole_page, numapin::allocator<whole_page>> pages{
		numapin::allocator<whole_page>(heap)};
	std::pmr::list<line> lines(&heap);

	pages.resize(33);
	EXPECT(reinterpret_cast<std::uintptr_t>(pages.data()) % page == 0);
	for (int i = 0; i < 100; i++)
		EXPECT(reinterpret_cast<std::uintptr_t>(&lines.emplace_back()) % 64 == 0);
}

void bad_alloc_leaves_all_as_it_was()
{
	numapin::heap heap(1, 0, 8 * mib);
	std::pmr::vector<char> bytes(&heap);

	bytes.assign(mib, 'x');
	EXPECT(throws<std::bad_alloc>([&] { bytes.resize(20 * mib); }));
	EXPECT(std::string(numapin_error()).find("left of its limit") != std::string::npos);
	EXPECT(bytes == std::pmr::vector<char>(mib, 'x'));
	bytes.resize(2 * mib, 'y');
	EXPECT(is_on(bytes.data(), bytes.size(), 1));
	EXPECT(throws<std::bad_alloc>([&] {
		numapin::allocator<char> chars(heap);

		chars.deallocate(chars.allocate(20 * mib), 20 * mib);
	}));
}

void no_heap_is_an_exception()
{
	EXPECT(throws<std::system_error>([] { numapin::heap heap(-1); }));
	try {
		numapin::heap heap(99, NUMAPIN_STRICT);
		EXPECT(false);
	} catch (const std::system_error &error) {
		EXPECT(error.code().value() == ENODEV);
		EXPECT(std::string(error.what()).find("node 99") != std::string::npos);
	}
}

void scope_gives_regions_back()
{
	const long before = counter(1, "regions");

	{
		numapin::heap heap(1);
		std::pmr::vector<char> bytes(50 * mib, 'x', &heap);

		EXPECT(counter(1, "regions") == before + 2);
		EXPECT(numapin_heap_outcome(heap.get()) == NUMAPIN_PINNED);
	}
	/* A file's last reference may go a moment after munmap(). */
	for (int tries = 0; tries < 100 && counter(1, "regions") != before; tries++)
		usleep(20000);
	EXPECT(counter(1, "regions") == before);
}

/* The static library brings an allocator along, and shows nobody. */
void malloc_is_left_alone()
{
	Dl_info info;

	EXPECT(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info));
	EXPECT(std::string(info.dli_fname).find("/libc.so") != std::string::npos);
	EXPECT(mallctl() == 77);
}

#define TEST(name) { #name, name }

constexpr struct {
	const char *name;
	void (*run)();
} tests[] = {
	TEST(polymorphic_containers),
	TEST(pool_over_a_heap),
	TEST(resources_are_equal_to_themselves),
	TEST(standard_containers),
	TEST(allocators_of_a_heap_are_equal),
	TEST(alignment),
	TEST(bad_alloc_leaves_all_as_it_was),
	TEST(no_heap_is_an_exception),
	TEST(scope_gives_regions_back),
	TEST(malloc_is_left_alone),
};

} /* namespace */

int main()
{
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(tests));
	for (const auto &test : tests) {
		try {
			test.run();
			ksft_test_result_pass("%s\n", test.name);
		} catch (const std::exception &error) {
			ksft_print_msg("%s\n", error.what());
			ksft_test_result_fail("%s\n", test.name);
		}
	}
	ksft_finished();
}
