// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * numapin doctor: why the module is not used, and what mends it.
 *
 * Where the module is loaded, each node is asked for memory of the module, and the
 * library says why there is none. Where it is not, that has its reasons in the
 * kernel's configuration and in its files.
 */
#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "command.h"

#define WORDS_MAX 1024

/* Where Secure Boot's state is: four bytes of attributes, and 1 where it is on */
#define SECURE_BOOT	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* Commands of who has the module in a package, which dkms builds; or numapin's source */
#ifdef MODULE_PACKAGE
#define BUILD		"sudo apt-get install linux-headers-$(uname -r) " MODULE_PACKAGE \
			" && sudo dkms autoinstall"
#define BUILD_NOTE	"where no archive has it: ./" MODULE_PACKAGE "_*.deb; dkms says it " \
			"where the module is not for this kernel"
#define KEY		"/var/lib/dkms/mok.pub"
#else
#define BUILD		"make modules && sudo make modules_install && sudo depmod"
#define BUILD_NOTE	"in numapin's source"
#define KEY		"MOK.der"
#endif
#define LOAD		"sudo modprobe numapin"
#define LOAD_ANEW	"sudo modprobe -r numapin && " LOAD

/* What a signed module ends with, and what signs one */
#define SIGNATURE	"~Module signature appended~\n"
#define SIGN		"sudo /lib/modules/$(uname -r)/build/scripts/sign-file sha256 MOK.priv MOK.der"

/**
 * struct finding - something that keeps the module from being used
 * @node: The node that it is about; -1: all
 * @name: What it is, for programs: the library's reasons, and a few more
 * @problem: What it is
 * @remedy: The command that mends it
 * @note: What there is to know of that
 */
struct finding {
	int node;
	const char *name;
	char problem[WORDS_MAX];
	char remedy[WORDS_MAX];
	const char *note;
};

/**
 * struct diagnosis - all that was found
 * @nodes: The nodes
 * @nr_nodes: How many
 * @size: How much is wanted of each
 * @findings: What keeps them from it
 * @nr_findings: How many
 */
struct diagnosis {
	struct node *nodes;
	int nr_nodes;
	unsigned long long size;
	struct finding *findings;
	size_t nr_findings;
};

static struct finding *find(struct diagnosis *diagnosis, int node, const char *name)
{
	struct finding *finding;

	diagnosis->findings = grow(diagnosis->findings, diagnosis->nr_findings, sizeof(*finding));
	finding = &diagnosis->findings[diagnosis->nr_findings++];
	finding->node = node;
	finding->name = name;
	return finding;
}

__attribute__((format(printf, 2, 3)))
static void say(char *words, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(words, WORDS_MAX, format, args);
	va_end(args);
}

/*
 * The kernel, where the module is not loaded
 */

/* Sets what is to close it. */
static FILE *open_config(const char *release, int (**close_config)(FILE *config))
{
	char path[PATH_SIZE];

	*close_config = pclose;
	if (!access("/proc/config.gz", R_OK))
		return popen("exec gzip -dc /proc/config.gz", "re");
	*close_config = fclose;
	snprintf(path, sizeof(path), "/boot/config-%s", release);
	return fopen(path, "re");
}

/* Marks which of the options are set to y; false where nothing tells. */
static bool read_config(const char *release, const char *const *options, size_t count, bool *set)
{
	char line[4096];
	int (*close_config)(FILE *config);
	FILE *config = open_config(release, &close_config);
	bool any = false;

	while (config && fgets(line, sizeof(line), config)) {
		any = any || !strncmp(line, "CONFIG_", strlen("CONFIG_"));
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < count; i++) {
			const size_t length = strlen(options[i]);

			if (!strncmp(line, options[i], length) && !strcmp(line + length, "=y"))
				set[i] = true;
		}
	}
	if (config)
		close_config(config);
	return any;
}

static void check_kernel(struct diagnosis *diagnosis, const struct utsname *system)
{
	static const char *const needed[] = {
		"CONFIG_64BIT", "CONFIG_MODULES", "CONFIG_NUMA", "CONFIG_TRANSPARENT_HUGEPAGE",
	};
	bool set[sizeof(needed) / sizeof(needed[0])] = { false };
	struct finding *finding;

	if (!read_config(system->release, needed, sizeof(needed) / sizeof(needed[0]), set))
		return;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (set[i])
			continue;
		finding = find(diagnosis, -1, "UNSUPPORTED_KERNEL");
		say(finding->problem, "kernel %s is built without %s, which the module needs",
		    system->release, needed[i]);
		say(finding->remedy,
		    "sudo apt-get install linux-image-$(dpkg --print-architecture)");
		finding->note = "Debian's kernel, which has it; then boot that";
	}
}

/* The module's file of the running kernel; "": none. For nftw(), which has no argument. */
static char module_file[PATH_SIZE];

static int is_module(const char *path, const struct stat *file, int type, struct FTW *where)
{
	(void)file;
	if (type != FTW_F || strncmp(path + where->base, "numapin.ko", strlen("numapin.ko")))
		return 0;
	snprintf(module_file, sizeof(module_file), "%s", path);
	return 1;
}

/* Whether modprobe finds it */
static bool is_listed(const char *folder)
{
	char path[PATH_SIZE], line[PATH_SIZE];
	bool listed = false;
	FILE *list;

	snprintf(path, sizeof(path), "%s/modules.dep", folder);
	list = fopen(path, "re");
	while (list && !listed && fgets(line, sizeof(line), list)) {
		const char *name = line;

		line[strcspn(line, ":")] = '\0';
		if (strrchr(line, '/'))
			name = strrchr(line, '/') + 1;
		listed = !strncmp(name, "numapin.ko", strlen("numapin.ko"));
	}
	if (list)
		fclose(list);
	return listed;
}

/* What unpacks a module's file, by the end of its name; NULL: it is not packed. */
static const char *unpacker(const char *path)
{
	static const char *const formats[][2] = {
		{ ".xz", "xz" }, { ".gz", "gzip" }, { ".zst", "zstd --rm" },
	};
	const char *end = strrchr(path, '.');

	for (size_t i = 0; end && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(end, formats[i][0]))
			return formats[i][1];
	return NULL;
}

/* Whether a file has contents, and others at its end than @words. */
static bool ends_otherwise(FILE *file, const char *words)
{
	const size_t length = strlen(words);
	size_t kept = 0, more;
	char text[4096];

	while ((more = fread(text + kept, 1, sizeof(text) - kept, file))) {
		const size_t all = kept + more;

		kept = all < length ? all : length;
		memmove(text, text + all - kept, kept);
	}
	return kept && (kept < length || memcmp(text, words, length));
}

/* Not of a file that cannot be read. */
static bool is_unsigned(const char *path)
{
	const char *program = unpacker(path);
	char command[PATH_SIZE + 32];
	FILE *file;
	bool found;

	snprintf(command, sizeof(command), "exec %s %s '%s'", program ? program : "cat",
		 program ? "-dc" : "--", path);
	file = popen(command, "re");
	if (!file)
		return false;
	found = ends_otherwise(file, SIGNATURE);
	pclose(file);
	return found;
}

static bool is_secure_boot(void)
{
	unsigned char state[5] = { 0 };
	FILE *file = fopen(SECURE_BOOT, "re");
	bool on = file && fread(state, 1, sizeof(state), file) == sizeof(state) && state[4] == 1;

	if (file)
		fclose(file);
	return on;
}

/* Why the kernel would load signed modules only; NULL: it does not. */
static const char *signature_enforcer(void)
{
	static char words[128];
	char text[64];

	/* The state is the word in brackets. */
	if (!read_text("/sys/kernel/security/lockdown", text, sizeof(text)) &&
	    strchr(text, '[') && !strstr(text, "[none]")) {
		snprintf(words, sizeof(words), "lockdown: %s", text);
		return words;
	}
	if (!read_text("/sys/module/module/parameters/sig_enforce", text, sizeof(text)) &&
	    !strcmp(text, "Y"))
		return "module.sig_enforce";
	return NULL;
}

static void check_built(struct diagnosis *diagnosis, const struct utsname *system)
{
	char folder[sizeof("/lib/modules/") + sizeof(system->release)];
	struct finding *finding;

	snprintf(folder, sizeof(folder), "/lib/modules/%s", system->release);
	nftw(folder, is_module, 16, FTW_PHYS);
	if (!*module_file) {
		finding = find(diagnosis, -1, "NOT_BUILT");
		say(finding->problem, "the module is not built, or not installed: not in %s",
		    folder);
		say(finding->remedy, BUILD " && " LOAD);
		finding->note = BUILD_NOTE;
	} else if (!is_listed(folder)) {
		finding = find(diagnosis, -1, "NOT_LISTED");
		say(finding->problem, "modprobe does not find %s", module_file);
		say(finding->remedy, "sudo depmod && " LOAD);
	} else {
		finding = find(diagnosis, -1, "NOT_LOADED");
		say(finding->problem, "the module is not loaded");
		say(finding->remedy, LOAD);
		finding->note = signature_enforcer() ?
			"if its key is rejected, once before: sudo mokutil --import " KEY
			", and a reboot" :
			"at each boot: by a line of /etc/modules-load.d/numapin.conf";
	}
}

static void check_signature(struct diagnosis *diagnosis)
{
	const char *enforcer = signature_enforcer();
	const char *program = unpacker(module_file);
	struct finding *finding;
	const char *end;

	if (!enforcer || !*module_file || !is_unsigned(module_file))
		return;
	finding = find(diagnosis, -1, "NOT_SIGNED");
	say(finding->problem, "this kernel loads no module that is not signed (%s%s)", enforcer,
	    is_secure_boot() ? "; Secure Boot is on" : "");
	finding->note = "once before: sudo mokutil --import MOK.der, and a reboot";
	if (!program) {
		say(finding->remedy, SIGN " %s", module_file);
		return;
	}
	/* Behind what is packed a signature would spoil it. */
	end = strrchr(module_file, '.');
	say(finding->remedy, "sudo %s -d %s && " SIGN " %.*s && sudo depmod", program,
	    module_file, (int)(end - module_file), module_file);
}

static void check_unloaded(struct diagnosis *diagnosis)
{
	struct utsname system;

	uname(&system);
	check_kernel(diagnosis, &system);
	check_built(diagnosis, &system);
	check_signature(diagnosis);
}

/*
 * Nodes, where it is loaded: what mends each of the library's reasons
 */

static const char *user_name(void)
{
	const struct passwd *user = getpwuid(geteuid());

	return user ? user->pw_name : "USER";
}

static const char *group_name(void)
{
	const struct group *group = getgrgid(getegid());

	return group ? group->gr_name : "GROUP";
}

/* The folder of this process's cgroup */
static const char *cgroup(void)
{
	static char path[PATH_SIZE];
	char line[PATH_SIZE];

	if (read_text("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::", 3))
		return "/sys/fs/cgroup/...";
	snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s", (int)sizeof(path) - 32, line + 3);
	return path;
}

static void make_device(const struct node *node, struct finding *finding, const char *first)
{
	char path[64], number[32];
	unsigned int major, minor;

	snprintf(path, sizeof(path), CLASS_NODE "/dev", node->id);
	if (read_text(path, number, sizeof(number)) ||
	    sscanf(number, "%u:%u", &major, &minor) != 2)
		return;
	say(finding->remedy,
	    "sudo sh -c '%smkdir -p /dev/numapin && mknod -m 660 " DEVICE_NODE " c %u %u'", first,
	    node->id, major, minor);
	finding->note = "of a container: by docker run --device";
}

static void mend_no_module(const struct node *node, struct finding *finding)
{
	if (!node->served) {
		say(finding->problem, "the module has no device for node %d", node->id);
		say(finding->remedy, "sudo dmesg | grep numapin");
	} else if (!node->device.mode) {
		make_device(node, finding, "");
	} else if (node->device.node < 0) {
		say(finding->problem, DEVICE_NODE " is not a device of the module", node->id);
		say(finding->remedy, "sudo rm " DEVICE_NODE " && " LOAD_ANEW, node->id);
	} else {
		say(finding->problem, "the module is older than this: its ABI version is %u",
		    node->device.abi_version);
		say(finding->remedy, BUILD " && " LOAD_ANEW);
		finding->note = BUILD_NOTE;
	}
}

static void mend_no_permission(const struct node *node, struct finding *finding)
{
	const struct device *device = &node->device;
	const struct group *group = getgrgid(device->group);
	char permission[256];

	permission_text(permission, sizeof(permission), device);
	say(finding->problem, "user %s may not open " DEVICE_NODE " (%s)", user_name(), node->id,
	    permission);
	if (device->error == EPERM) {
		say(finding->remedy, "docker run --device " DEVICE_NODE, node->id);
		finding->note = "its cgroup does not permit it; and so for other containers";
	} else if (device->group && group && (device->mode & 0060) == 0060) {
		say(finding->remedy, "sudo usermod -aG %s %s", group->gr_name, user_name());
		finding->note = "and log in again";
	} else {
		say(finding->remedy,
		    "sudo chgrp %s " DEVICE_NODE " && sudo chmod g+rw " DEVICE_NODE, group_name(),
		    node->id, node->id);
		finding->note = "for good: by a rule of udev for SUBSYSTEM==\"numapin\"";
	}
}

static void mend_wrong_device(const struct node *node, struct finding *finding)
{
	char first[64];

	snprintf(first, sizeof(first), "rm " DEVICE_NODE " && ", node->id);
	make_device(node, finding, first);
}

static void mend_only_movable(const struct node *node, struct finding *finding)
{
	say(finding->remedy,
	    "sudo sh -c 'cd /sys/devices/system/node/node%d && echo offline >%s && echo %s >%s'",
	    node->id, "memoryX/state", "online_kernel", "memoryX/state");
	finding->note = "X: a block of its memory; of CXL: daxctl online-memory --no-movable";
}

static void mend_memlock(const struct node *node, struct finding *finding)
{
	struct rlimit limit;

	(void)node;
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_max == RLIM_INFINITY) {
		say(finding->remedy, "ulimit -l unlimited");
		return;
	}
	say(finding->remedy,
	    "echo '%s - memlock unlimited' | sudo tee /etc/security/limits.d/numapin.conf",
	    user_name());
	finding->note = "and log in again; of a systemd unit: LimitMEMLOCK=infinity";
}

static void mend_budget(const struct node *node, struct finding *finding)
{
	say(finding->remedy, "sudo numapin limit %d max", node->id);
	finding->note = "`numapin status' says who has what";
}

static void mend_cpuset(const struct node *node, struct finding *finding)
{
	char path[PATH_SIZE + 16], nodes[PATH_SIZE / 2] = "";

	snprintf(path, sizeof(path), "%s/cpuset.mems", cgroup());
	read_text(path, nodes, sizeof(nodes));
	say(finding->remedy, "echo %.512s%s%d | sudo tee %.256s", nodes, *nodes ? "," : "",
	    node->id, path);
	finding->note = "and so for the cgroups above it";
}

static void mend_cgroup(const struct node *node, struct finding *finding)
{
	(void)node;
	say(finding->remedy, "echo max | sudo tee %.512s/memory.max", cgroup());
	finding->note = "or that of a cgroup above it";
}

static void mend_full(const struct node *node, struct finding *finding)
{
	(void)node;
	say(finding->remedy, "numapin status");
	finding->note = "says who has memory of the node";
}

static const struct mend {
	enum numapin_reason reason;
	void (*mend)(const struct node *node, struct finding *finding);
} mends[] = {
	{ NUMAPIN_REASON_NO_MODULE,	mend_no_module },
	{ NUMAPIN_REASON_NO_PERMISSION,	mend_no_permission },
	{ NUMAPIN_REASON_WRONG_DEVICE,	mend_wrong_device },
	{ NUMAPIN_REASON_ONLY_MOVABLE,	mend_only_movable },
	{ NUMAPIN_REASON_MEMLOCK,	mend_memlock },
	{ NUMAPIN_REASON_BUDGET,	mend_budget },
	{ NUMAPIN_REASON_CPUSET,	mend_cpuset },
	{ NUMAPIN_REASON_CGROUP,	mend_cgroup },
	{ NUMAPIN_REASON_NODE_FULL,	mend_full },
	{ NUMAPIN_REASON_TOO_LARGE,	mend_full },
};

/* Asks for memory of the module, and frees it. */
static void check_node(struct diagnosis *diagnosis, const struct node *node)
{
	struct numapin_receipt receipt;
	struct finding *finding;
	void *addr;

	addr = numapin_alloc(node->id, diagnosis->size, 0, &receipt);
	if (addr) {
		free_numa_memory(addr, diagnosis->size);
		return;
	}
	finding = find(diagnosis, node->id, numapin_reason_name(receipt.reason));
	say(finding->problem, "%s", numapin_error());
	for (size_t i = 0; i < sizeof(mends) / sizeof(mends[0]); i++)
		if (mends[i].reason == (enum numapin_reason)receipt.reason)
			mends[i].mend(node, finding);
}

static void check_environment(struct diagnosis *diagnosis)
{
	const char *backend = getenv("NUMAPIN_BACKEND");
	struct finding *finding;

	if (!backend || !*backend || !strcmp(backend, "module"))
		return;
	finding = find(diagnosis, -1, numapin_reason_name(NUMAPIN_REASON_FORCED));
	say(finding->problem, "NUMAPIN_BACKEND is set to \"%s\", which leaves out the module",
	    backend);
	say(finding->remedy, "unset NUMAPIN_BACKEND");
}

static int diagnose(struct diagnosis *diagnosis)
{
	check_environment(diagnosis);
	diagnosis->nr_nodes = read_nodes(&diagnosis->nodes);
	if (diagnosis->nr_nodes < 0 || access(MODULE_SYSFS, F_OK)) {
		check_unloaded(diagnosis);
		return 0;
	}
	/* So that the library says what there is about the module, and asks nobody else */
	if (setenv("NUMAPIN_BACKEND", "module", 1))
		return failed("%s", strerror(errno));
	for (int i = 0; i < diagnosis->nr_nodes; i++)
		check_node(diagnosis, &diagnosis->nodes[i]);
	return 0;
}

static void print_json(const struct diagnosis *diagnosis)
{
	struct json json = { .out = stdout };

	json_open(&json, NULL, '{');
	json_bool(&json, "ok", !diagnosis->nr_findings);
	json_open(&json, "findings", '[');
	for (size_t i = 0; i < diagnosis->nr_findings; i++) {
		const struct finding *finding = &diagnosis->findings[i];

		json_open(&json, NULL, '{');
		if (finding->node >= 0)
			json_number(&json, "node", finding->node);
		json_string(&json, "finding", finding->name);
		json_string(&json, "problem", finding->problem);
		json_string(&json, "remedy", finding->remedy);
		json_string(&json, "note", finding->note ? finding->note : "");
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	putchar('\n');
}

static void print_text(const struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->nr_findings; i++) {
		const struct finding *finding = &diagnosis->findings[i];

		printf("%s: %s\n", finding->name, finding->problem);
		if (*finding->remedy)
			printf("  %s\n", finding->remedy);
		if (finding->note)
			printf("  (%s)\n", finding->note);
	}
	if (!diagnosis->nr_findings)
		printf("The module serves all nodes: %d\n", diagnosis->nr_nodes);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' }, JSON_OPTION, HELP_OPTION, { 0 },
	};
	struct diagnosis diagnosis = { .size = 4096 };
	bool json = false;
	int option, status;

	while ((option = next_option(argc, argv, "s:jh", options)) != -1) {
		if (option == 'j')
			json = true;
		else if (!parse_size(optarg, &diagnosis.size) || !diagnosis.size)
			return misused("\"%s\" is no size", optarg);
	}
	if (optind < argc)
		return misused("there is nothing to name");
	status = diagnose(&diagnosis);
	if (!status) {
		if (json)
			print_json(&diagnosis);
		else
			print_text(&diagnosis);
		status = diagnosis.nr_findings ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	free(diagnosis.findings);
	free(diagnosis.nodes);
	return status;
}

const struct command doctor_command = {
	.name		= "doctor",
	.usage		= "[--size SIZE] [--json]",
	.summary	= "why the module is not used, and what mends it",
	.help		=
"Asks the module for memory of each node, which is freed at once. Where there is\n"
"none to be had, says why, and below that the command that mends it. Where the\n"
"module is not loaded, looks for the reason: in the kernel's configuration, in\n"
"/lib/modules, and in what it says of signatures.\n"
"\n"
"  -s, --size SIZE  how much is wanted of a node (4K)\n"
"  -j, --json       as JSON\n"
"\n"
"Ends with 0 only where the module serves all nodes.\n",
	.run		= run,
};
