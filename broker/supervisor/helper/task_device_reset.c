/* SPDX-License-Identifier: MIT */
/*
 * A device of the model, made as a power-on leaves it. The memfd is the device; it is new, so that nobody else maps it
 * yet, and is handed out only if this succeeds.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "broker/sim/edu.h"
#include "broker/supervisor/helper/task.h"
#include "broker/supervisor/inventory.h"

_Static_assert(MODEL_STATE_BYTES == EDU_STATE_BYTES && MODEL_VENDOR == EDU_VENDOR &&
		       MODEL_DEVICE == EDU_DEVICE,
	"the supervisor's inventory describes an edu");

int helper_device_reset(struct helper_work *work)
{
	struct stat st;
	void *state;

	if (fstat(work->fds[0], &st) < 0)
		return -errno;
	if (st.st_size != EDU_STATE_BYTES)
		return -EINVAL;
	state = mmap(NULL, EDU_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, work->fds[0], 0);
	if (state == MAP_FAILED)
		return -errno;
	edu_state_init(state);
	return munmap(state, EDU_STATE_BYTES) < 0 ? -errno : 0;
}
