/* SPDX-License-Identifier: MIT */
/*
 * The protocol side of a session on arbitrary packets.
 *
 * The input is a run of pieces: a control byte, two length bytes, then so many bytes (fewer if the input ends). Control
 * bits 0 to 2: which file descriptors go with the packet; bits 3 and 4: whether the bytes are the packet, a Request, an
 * Operation, or a Batch, with what is around it being right, so that mutations get past the framing; bit 5: a device is
 * granted, not denied; bit 6: the next call of the backend fails; bit 7: the client detaches its devices by itself.
 *
 * Whatever comes: after each packet the ledger knows as many mappings as the backend has, and after the last nothing is
 * left in ledger, backend and fd table.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "broker/common/seqpacket.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/session/scene.h"

#define FILE_BYTES (16 * PAGE)

static size_t files_make(unsigned int kind, int fds[4])
{
	static const int seals[] = {
		0, F_SEAL_WRITE, F_SEAL_GROW | F_SEAL_SHRINK, F_SEAL_FUTURE_WRITE};
	size_t n = 0;

	switch (kind) {
	case 0:
		break;
	case 1:
	case 2:
		while (n < kind)
			fds[n++] = file_memfd(FILE_BYTES);
		break;
	case 3:
		fuzz_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
		n = 2;
		break;
	case 7:
		fds[n++] = file_memfd(0);
		break;
	default:
		fds[n++] = file_memfd(FILE_BYTES);
		fuzz_assert(fcntl(fds[0], F_ADD_SEALS, seals[kind - 3]) == 0);
		break;
	}
	return n;
}

/* A field of wire type 2 before `bytes`: its tag and length. Returns the new start. */
static uint8_t *wrap(uint8_t *start, const uint8_t *end, uint8_t tag)
{
	size_t length = (size_t)(end - start);

	*--start = (uint8_t)(length >> 14);
	*--start = (uint8_t)(length >> 7 | 0x80);
	*--start = (uint8_t)(length | 0x80);
	*--start = tag;
	return start;
}

static void packet_send(struct scene *scene, unsigned int control, const uint8_t *bytes, size_t n)
{
	static uint8_t buffer[MESSAGE_BYTES_MAX + 64];
	uint8_t *start = buffer + 64, *end = start + n;
	int fds[4];
	size_t n_fds = files_make(control & 7, fds);

	if (n)
		memcpy(start, bytes, n);
	switch (control >> 3 & 3) {
	case 3: /* a Batch */
		start = wrap(start, end, 0x1a);
		break;
	case 2: /* an Operation */
		start = wrap(start, end, 0x12);
		break;
	default:
		break;
	}
	if (control >> 3 & 3) {
		*--start = 1;
		*--start = 0x08; /* Request.id */
		start = wrap(start, end, 0x12);
	}
	scene_packet(scene, start, (size_t)(end - start), fds, n_fds);
	fds_close(fds, n_fds);
}

/* What a client can do with the VFIO fd that it was given. */
static void devices_detach(void)
{
	for (int i = 0; i < FAKE_IDS; i++) {
		if (fake.objects[i].type == FAKE_DEVICE)
			fake.objects[i].hwpt = 0;
		if (fake.objects[i].type == FAKE_HWPT)
			fake.objects[i].type = FAKE_NONE;
	}
}

static void piece_run(struct scene *scene, unsigned int control, const uint8_t *bytes, size_t n)
{
	struct outgoing out;

	fake.calls = 0;
	fake.fail_error = 16; /* EBUSY */
	fake.fail_at = control & 0x40 ? 1 : 0;
	if (control & 0x80)
		devices_detach();
	packet_send(scene, control, bytes, n);
	if (scene->result == DISPATCH_WAIT && control & 0x20)
		scene_grant(scene, control, "edu0");
	else if (scene->result == DISPATCH_WAIT)
		scene_deny(scene, 16, "in use", "");
	while (dispatcher_next_event(scene->dispatcher, &out))
		fuzz_assert(out.length > 0);
	fuzz_assert(scene_used(scene, RESOURCE_MAPPINGS) == fake_mappings());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct scene *scene;
	void *state;

	scene_begin(&state);
	scene = state;
	for (int r = 1; r < RESOURCE_END; r++)
		scene->pages.limits->session.max[r] = r == RESOURCE_LOCKED_BYTES ? 64 * PAGE : 40;
	scene->pages.limits->session.max[RESOURCE_MAPPINGS] = 200;
	while (bytes >= 3 && scene->result != DISPATCH_END) {
		size_t n = data[1] | (size_t)data[2] << 8;

		if (n > bytes - 3)
			n = bytes - 3;
		piece_run(scene, data[0], data + 3, n);
		data += 3 + n;
		bytes -= 3 + n;
	}
	fake.fail_at = 0;
	fake.n_audits =
		0; /* what a failing backend makes of an undo is no bug; leftovers at the end are */
	scene_end(&state);
	return 0;
}
