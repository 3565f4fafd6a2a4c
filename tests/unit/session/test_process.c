/* SPDX-License-Identifier: MIT */
/*
 * The session program itself, started as the supervisor starts it, with the test in the supervisor's place: what it
 * accepts at exec, what /proc says of it, what it does behind its filter, how it ends.
 */
#include "tests/harness/cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/common/account.h"
#include "broker/common/filter.h"
#include "broker/common/memfd.h"
#include "broker/common/seqpacket.h"
#include "broker/session/audit.h"
#include "broker/session/backend.h"
#include "broker/sim/edu.h"
#include "tests/forbidden/forbidden_session.h"
#include "tests/harness/proc.h"
#include "tests/harness/vfio_user_raw.h"
#include "tests/harness/wire.h"

#define PAGE UINT64_C(4096)
#define BLOCK 2048u
#define STRAY_FD 40 /* one that the session must not keep */

static struct {
	const char *program; /* NULL: the real one */
	bool started; /* nothing below is valid otherwise */
	pid_t pid; /* 0: waited for */
	int client_fd, control_fd; /* our ends */
	struct account_pages pages;
	struct wire wire;
} at;

/* ---- in the supervisor's place ---- */

static void child_exec(int fds[SESSION_FD_END], char *argument)
{
	char *argv[] = {"iommu-broker-session", argument, NULL};
	int high[SESSION_FD_END];

	for (int fd = SESSION_FD_CLIENT; fd < SESSION_FD_END; fd++)
		high[fd] = fds[fd] < 0 ? -1 : fcntl(fds[fd], F_DUPFD_CLOEXEC, 64);
	for (int fd = SESSION_FD_CLIENT; fd < SESSION_FD_END; fd++) {
		(void)close(fd);
		if (high[fd] >= 0)
			(void)dup2(high[fd], fd);
	}
	(void)dup2(STDERR_FILENO, STRAY_FD);
	execv(at.program, argv);
	_exit(127);
}

static struct limits limits_of(uint64_t each)
{
	struct limits limits = {{0}};

	for (unsigned int i = 1; i < RESOURCE_END; i++)
		limits.max[i] = each;
	return limits;
}

/* Start one; `missing` is a fd that it does not get (0: none). */
static void session_start(int missing, char *argument)
{
	const struct session_filter_opts opts = {.backend = BACKEND_MODEL, .debug = true};
	const struct limits limits = limits_of(UINT64_C(1) << 30);
	int client[2], control[2], filter, fds[SESSION_FD_END] = {0, 1, 2, -1, -1, -1, -1, -1, -1};

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	assert_int_equal(account_pages_open(&limits, &limits, &at.pages), 0);
	account_lent_set(&at.pages, UINT64_C(1) << 30);
	assert_int_equal(session_filter_compile(&opts, &filter), 0);
	fds[SESSION_FD_CLIENT] = client[1];
	fds[SESSION_FD_CONTROL] = control[1];
	fds[SESSION_FD_ACCOUNT] = at.pages.account_fd;
	fds[SESSION_FD_LIMITS] = at.pages.limits_fd;
	fds[SESSION_FD_FILTER] = filter;
	if (missing)
		fds[missing] = -1;
	at.started = true;
	if (!at.program)
		at.program = SESSION_PROGRAM;
	at.pid = fork();
	assert_true(at.pid >= 0);
	if (at.pid == 0)
		child_exec(fds, argument);
	close(client[1]);
	close(control[1]);
	close(filter);
	at.client_fd = client[0];
	at.control_fd = control[0];
	at.wire = (struct wire){.fd = at.client_fd, .next_id = 1};
}

static void setup_send(uint32_t mask, uint32_t hello_ms)
{
	union control_message message = {.setup = {.session = 42,
						 .tenant = "alpha",
						 .slot = 3,
						 .backend = BACKEND_MODEL,
						 .operations = UINT64_MAX,
						 .memory_kinds = MEMORY_KIND_MEMFD,
						 .hello_deadline_ms = hello_ms,
						 .map_mask_bits = mask,
						 .windows_count = 1,
						 .windows = {{0, UINT64_MAX}}}};

	assert_int_equal(control_send(at.control_fd, &message, CONTROL_SETUP, 0, -1), 0);
}

/* The next packet of the session, which must be valid; false at its end. */
static bool control_next(union control_message *ret)
{
	struct pollfd readable = {.fd = at.control_fd, .events = POLLIN};
	const char *why = "";
	size_t n_fds;
	ssize_t n;

	assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
	n = seqpacket_recv(at.control_fd, ret, sizeof(*ret), NULL, 0, &n_fds);
	if (n == 0 || n == -ECONNRESET)
		return false;
	assert_true(n > 0);
	assert_int_equal(control_check(ret, (size_t)n, CONTROL_FROM_SESSION, &why), 0);
	return true;
}

/* Up to the next packet of this type, past audit records. */
static union control_message control_expect(enum control_type type)
{
	union control_message message;

	do
		assert_true(control_next(&message));
	while (message.header.type == CONTROL_AUDIT && type != CONTROL_AUDIT);
	assert_int_equal(message.header.type, type);
	return message;
}

static void session_start_ready(uint32_t mask)
{
	session_start(0, NULL);
	setup_send(mask, PATIENCE_MS);
	(void)control_expect(CONTROL_READY);
}

static void welcome(void)
{
	const Welcome *hello = wire_hello(&at.wire);

	assert_non_null(hello);
	assert_null(hello->status ? hello->status->error : NULL);
	assert_string_equal(hello->tenant, "alpha");
}

static int session_wait(void)
{
	int status;

	assert_int_equal(waitpid(at.pid, &status, 0), at.pid);
	at.pid = 0;
	return status;
}

/* It ends in order; its last record. */
static struct control_audit session_ends(void)
{
	union control_message message, last = {0};
	int status;

	while (control_next(&message)) {
		if (message.header.type == CONTROL_AUDIT)
			last = message;
	}
	status = session_wait();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(last.audit.kind, AUDIT_END);
	return last.audit;
}

static int teardown(void **state)
{
	(void)state;
	if (!at.started)
		return 0;
	if (at.pid > 0) {
		(void)kill(at.pid, SIGKILL);
		(void)session_wait();
	}
	if (at.wire.message)
		iommubroker__v1__server_message__free_unpacked(at.wire.message, NULL);
	fds_close(&at.client_fd, 1);
	fds_close(&at.control_fd, 1);
	account_pages_close(&at.pages);
	memset(&at, 0, sizeof(at));
	return 0;
}

/* Ask for edu0 as the client, grant its hardware as the supervisor; the client's fd. */
static uint32_t device_open(int hardware_fd, int *ret_fd)
{
	union control_message message = {.granted = {.device = {.name = "edu0",
							     .address = "0000:00:05.0",
							     .index = 7,
							     .vendor = EDU_VENDOR,
							     .device = EDU_DEVICE,
							     .state = DEVICE_STATE_GRANTED,
							     .mine = 1}}};
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	const ServerMessage *answer;
	struct ask ask;

	ask_device_open(&ask)->name = "edu0";
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = &ask.operation;
	assert_int_equal(wire_send_request(&at.wire, &request, NULL, 0), 0);
	assert_int_equal(control_send(at.control_fd, &message, CONTROL_GRANTED,
				 control_expect(CONTROL_DEVICE_OPEN).header.serial, hardware_fd),
		0);
	answer = wire_receive(&at.wire);
	assert_non_null(answer);
	wire_expect_success(answer->response);
	assert_int_equal(at.wire.n_fds, 1);
	*ret_fd = at.wire.fds[0];
	at.wire.fds[0] = -1;
	return answer->response->result->device_open->device;
}

static int hardware_new(void)
{
	int fd = memfd_sized("edu", EDU_STATE_BYTES);
	void *state = mmap(NULL, EDU_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(fd >= 0 && state != MAP_FAILED);
	edu_state_init(state);
	(void)munmap(state, EDU_STATE_BYTES);
	return fd;
}

/* ---- what it is ---- */

static void proc_says_that_it_is_shut_in(void **state)
{
	(void)state;
	session_start_ready(0);
	assert_int_equal(proc_status_number(at.pid, "Seccomp", 10), 2);
	assert_int_equal(proc_status_number(at.pid, "NoNewPrivs", 10), 1);
	assert_int_equal(proc_status_number(at.pid, "CapEff", 16), 0);
	assert_int_equal(proc_status_number(at.pid, "CapPrm", 16), 0);
	assert_int_equal(proc_status_number(at.pid, "Threads", 10), 1);
}

/* The table in main.c. */
static void it_has_the_fds_that_its_table_lists(void **state)
{
	static const struct {
		const char *prefix;
		unsigned int expected;
	} kinds[] = {{"socket:", 2}, {"anon_inode:[eventpoll]", 2}, {"anon_inode:[eventfd]", 1},
		{"pipe:", 2}};
	unsigned int found[4] = {0}, above = 0;
	char target[256];

	(void)state;
	if (geteuid() != 0)
		skip(); /* nobody else may look into an undumpable process */
	session_start_ready(0);
	welcome();
	proc_fd_target(at.pid, SESSION_FD_CLIENT, target, sizeof(target));
	assert_memory_equal(target, "socket:", 7);
	proc_fd_target(at.pid, SESSION_FD_CONTROL, target, sizeof(target));
	assert_memory_equal(target, "socket:", 7);
	for (int fd = SESSION_FD_CLIENT; fd < 128; fd++) {
		proc_fd_target(at.pid, fd, target, sizeof(target));
		above += target[0] != '\0';
		for (size_t i = 0; i < 4; i++)
			found[i] += strncmp(target, kinds[i].prefix, strlen(kinds[i].prefix)) == 0;
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(found[i], kinds[i].expected);
	assert_int_equal(above, 7); /* and no other */
}

static void assert_refuses_to_start(int missing, char *argument)
{
	int status;

	session_start(missing, argument);
	(void)shutdown(at.control_fd, SHUT_RDWR); /* a supervisor that dies before SETUP */
	status = session_wait();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SESSION_EXIT_SETUP);
	(void)teardown(NULL);
}

static void it_starts_only_as_it_should(void **state)
{
	(void)state;
	assert_refuses_to_start(0, "--role=admin");
	assert_refuses_to_start(SESSION_FD_CLIENT, NULL);
	assert_refuses_to_start(SESSION_FD_CONTROL, NULL);
	assert_refuses_to_start(SESSION_FD_ACCOUNT, NULL);
	assert_refuses_to_start(SESSION_FD_LIMITS, NULL);
	assert_refuses_to_start(SESSION_FD_FILTER, NULL);
	assert_refuses_to_start(0, NULL);
}

/* ---- what it does, behind its filter ---- */

static void maps_and_unmaps(uint32_t mask)
{
	int memfd = wire_memfd(4 * PAGE, 0x11);
	uint32_t ioas, memory;
	uint64_t iova;

	session_start_ready(mask);
	welcome();
	ioas = wire_ioas_alloc(&at.wire);
	memory = wire_memory_register(&at.wire, memfd, true);
	iova = wire_map(&at.wire, ioas, memory, 0, 4 * PAGE);
	assert_int_equal(account_slot_used(&at.pages, 3, RESOURCE_LOCKED_BYTES), 4 * PAGE);
	wire_unmap(&at.wire, ioas, iova, 4 * PAGE);
	wire_map_fixed(&at.wire, ioas, memory, PAGE, PAGE, 0x10000);
	wire_destroy(&at.wire, ioas);
	wire_destroy(&at.wire, memory);
	close(memfd);
	assert_int_equal(account_slot_used(&at.pages, 3, RESOURCE_LOCKED_BYTES), 0);
	assert_int_equal(account_slot_used(&at.pages, 3, RESOURCE_OBJECTS), 0);
	fds_close(&at.client_fd, 1);
	assert_non_null(strstr(session_ends().text, "closed the connection"));
}

static void it_maps_and_unmaps(void **state)
{
	(void)state;
	maps_and_unmaps(0);
}

static void it_maps_and_unmaps_as_on_an_old_kernel(void **state)
{
	(void)state;
	maps_and_unmaps(1);
}

static void ledger_is_empty_after_a_client_that_just_leaves(void **state)
{
	int memfd = wire_memfd(4 * PAGE, 0x11), hardware = hardware_new(), device_fd;
	uint32_t ioas, memory, device;

	(void)state;
	session_start_ready(0);
	welcome();
	ioas = wire_ioas_alloc(&at.wire);
	memory = wire_memory_register(&at.wire, memfd, true);
	(void)wire_map(&at.wire, ioas, memory, 0, 4 * PAGE);
	device = device_open(hardware, &device_fd);
	wire_device_attach(&at.wire, device, ioas);
	fds_close(&at.client_fd, 1);
	(void)session_ends();
	for (unsigned int i = 1; i < RESOURCE_END; i++)
		assert_int_equal(account_slot_used(&at.pages, 3, i), 0);
	close(device_fd);
	close(hardware);
	close(memfd);
}

/* memory -> device -> memory, with the interrupt; then an IOVA that is not mapped. */
static void dma_round_trip(uint32_t mask)
{
	int memfd = wire_memfd(4 * PAGE, 0), hardware = hardware_new();
	int interrupt = eventfd(0, EFD_CLOEXEC), device_fd;
	unsigned char *memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	struct pollfd readable = {.fd = interrupt, .events = POLLIN};
	union control_message record;
	uint32_t ioas, device;

	assert_ptr_not_equal(memory, MAP_FAILED);
	session_start_ready(mask);
	welcome();
	ioas = wire_ioas_alloc(&at.wire);
	wire_map_fixed(
		&at.wire, ioas, wire_memory_register(&at.wire, memfd, true), 0, 4 * PAGE, 0x10000);
	device = device_open(hardware, &device_fd);
	wire_device_attach(&at.wire, device, ioas);
	raw_device_open(device_fd);
	raw_edu_start(device_fd);
	assert_int_equal(raw_irq_eventfd(device_fd, RAW_IRQ_MSI, interrupt), 0);
	memset(memory, 0x5a, BLOCK);
	raw_edu_dma(device_fd, 0x10000, 0, BLOCK, 0);
	raw_edu_dma(device_fd, 0x10000 + 2 * PAGE, 0, BLOCK, RAW_EDU_FROM_DEVICE | RAW_EDU_IRQ);
	assert_memory_equal(memory, memory + 2 * PAGE, BLOCK);
	assert_int_equal(memory[2 * PAGE + BLOCK], 0);
	assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
	while (control_expect(CONTROL_AUDIT).audit.error != 0)
		; /* "opened edu0" and the like have none */
	raw_edu_dma(device_fd, 0x9000000, 0, BLOCK, RAW_EDU_FROM_DEVICE);
	do
		record = control_expect(CONTROL_AUDIT);
	while (record.audit.error != EFAULT);
	assert_int_equal(record.audit.kind, AUDIT_DEVICE);
	assert_string_equal(record.audit.text, "edu0: DMA fault at IOVA 0x9000000 (write)");
	fds_close(&at.client_fd, 1);
	assert_non_null(strstr(session_ends().text, "DMA faults 1"));
	(void)munmap(memory, 4 * PAGE);
	close(interrupt);
	close(device_fd);
	close(hardware);
	close(memfd);
}

static void device_does_dma_and_faults_are_audited(void **state)
{
	(void)state;
	dma_round_trip(0);
}

static void device_does_dma_as_on_an_old_kernel(void **state)
{
	(void)state;
	dma_round_trip(1);
}

static const Response *share(uint32_t device)
{
	struct ask ask;
	DeviceShare *message = ask_device_share(&ask);

	SET(message, device, device);
	return wire_call(&at.wire, &ask, NULL, 0);
}

static void device_is_shared_eight_times(void **state)
{
	int hardware = hardware_new(), fds[BACKEND_SHARES_MAX];
	uint32_t device;

	(void)state;
	session_start_ready(0);
	welcome();
	device = device_open(hardware, &fds[0]);
	for (unsigned int i = 1; i < BACKEND_SHARES_MAX; i++) {
		wire_expect_success(share(device));
		fds[i] = at.wire.fds[0];
		at.wire.fds[0] = -1;
		raw_device_open(fds[i]);
	}
	wire_expect_error(share(device), "EMFILE", NULL);
	fds_close(&fds[3], 1); /* a client that closes one may have another */
	while (strcmp(wire_error(share(device)), "EMFILE") == 0)
		; /* the session sees the end of that socket in a later turn */
	assert_int_equal(at.wire.n_fds, 1);
	fds_close(at.wire.fds, 1);
	fds_close(fds, BACKEND_SHARES_MAX);
	close(hardware);
}

static void it_goes_on_without_its_supervisor(void **state)
{
	int memfd = wire_memfd(PAGE, 0);
	uint32_t ioas, memory;
	struct ask ask;
	int status;

	(void)state;
	session_start_ready(0);
	welcome();
	fds_close(&at.control_fd, 1);
	ioas = wire_ioas_alloc(&at.wire);
	memory = wire_memory_register(&at.wire, memfd, true);
	wire_unmap(&at.wire, ioas, wire_map(&at.wire, ioas, memory, 0, PAGE), PAGE);
	ask_device_open(&ask)->name = "edu0";
	wire_expect_error(wire_call(&at.wire, &ask, NULL, 0), "EAGAIN", "broker restarting");
	fds_close(&at.client_fd, 1);
	status = session_wait();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(memfd);
}

static void silent_client_is_let_go(void **state)
{
	(void)state;
	session_start(0, NULL);
	setup_send(0, 1);
	assert_int_equal(session_ends().error, ETIMEDOUT);
}

/* A supervisor that says what it must not: the session's last words come out from behind the filter as well. */
static void broken_supervisor_ends_it_loudly(void **state)
{
	union control_message record;
	int status;

	(void)state;
	session_start_ready(0);
	welcome();
	assert_int_equal(seqpacket_send(at.control_fd, "garbage", 7, NULL, 0), 0);
	record = control_expect(CONTROL_AUDIT);
	assert_int_equal(record.audit.kind, AUDIT_BROKEN);
	status = session_wait();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SESSION_EXIT_BROKEN);
}

/* A session that is made to call what its filter forbids: SIGSYS, and the test's filter of debug mode has it said. */
static void forbidden_call_kills_it(void **state)
{
	uint32_t ioas;
	struct ask ask;
	IoasAlloc *alloc;
	Request request = IOMMUBROKER__V1__REQUEST__INIT;
	int status;

	(void)state;
	at.program = FORBIDDEN_PROGRAM;
	session_start_ready(0);
	welcome();
	ioas = wire_ioas_alloc(&at.wire); /* as any other session until then */
	wire_destroy(&at.wire, ioas);
	alloc = ask_ioas_alloc(&ask);
	alloc->tag = FORBIDDEN_WORDS;
	request.op_case = IOMMUBROKER__V1__REQUEST__OP_OPERATION;
	request.operation = &ask.operation;
	assert_int_equal(wire_send_request(&at.wire, &request, NULL, 0), 0);
	assert_null(wire_receive(&at.wire));
	status = session_wait();
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void garbage_ends_the_session_in_order(void **state)
{
	(void)state;
	session_start_ready(0);
	welcome();
	assert_int_equal(wire_send(&at.wire, "\xff\xff\xff", 3, NULL, 0), 0);
	assert_int_equal(session_ends().error, EPROTO);
}

#define TEST(function) cmocka_unit_test_teardown(function, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(proc_says_that_it_is_shut_in),
		TEST(it_has_the_fds_that_its_table_lists),
		TEST(it_starts_only_as_it_should),
		TEST(it_maps_and_unmaps),
		TEST(it_maps_and_unmaps_as_on_an_old_kernel),
		TEST(ledger_is_empty_after_a_client_that_just_leaves),
		TEST(device_does_dma_and_faults_are_audited),
		TEST(device_does_dma_as_on_an_old_kernel),
		TEST(device_is_shared_eight_times),
		TEST(it_goes_on_without_its_supervisor),
		TEST(silent_client_is_let_go),
		TEST(broken_supervisor_ends_it_loudly),
		TEST(forbidden_call_kills_it),
		TEST(garbage_ends_the_session_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
