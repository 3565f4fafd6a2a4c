/* SPDX-License-Identifier: MIT */
/*
 * The registers and the DMA engine of an edu. The model is in edu.h; here is what keeps it honest.
 *
 * No number from the state area or from a client is used to reach memory before it was compared
 * with a constant. A transfer goes through a copy on the stack, so that a fault half way leaves the
 * device's buffer as it was, and so that nobody who has the state area mapped changes bytes between
 * a check and a use.
 */
#include "broker/sim/edu_state.h"
#include <endian.h>
#include <errno.h>
#include <string.h>

/* From 34! on every factorial is a multiple of 2^32: a client's number bounds no loop. */
#define FACTORIAL_ZERO_FROM 34u

static uint32_t factorial(uint32_t n)
{
	uint32_t product = 1;

	if (n >= FACTORIAL_ZERO_FROM)
		return 0;
	for (uint32_t i = 2; i <= n; i++)
		product *= i;
	return product;
}

bool edu_intx_level(const struct edu *edu)
{
	const struct edu_state *state = edu->state;

	return EDU_LOAD(state->irq_status) != 0 && !edu_config_msi_enabled(state) &&
	       !(edu_config_command(state) & EDU_COMMAND_INTX_DISABLE);
}

static void raise_irq(struct edu *edu, uint32_t bits)
{
	struct edu_state *state = edu->state;
	uint32_t status = EDU_LOAD(state->irq_status) | bits;
	bool deliver;

	EDU_STORE(state->irq_status, status);
	if (status == 0)
		return;
	if (edu_config_msi_enabled(state))
		deliver = edu_config_command(state) & EDU_COMMAND_MASTER;
	else
		deliver = edu_intx_level(edu);
	if (deliver)
		edu->ops->interrupt(edu->arg);
}

/* Move the bytes, or none. */
static void transfer(struct edu *edu, bool to_memory)
{
	struct edu_state *state = edu->state;
	const uint64_t source = EDU_LOAD(state->dma_source);
	const uint64_t destination = EDU_LOAD(state->dma_destination);
	const uint64_t count = EDU_LOAD(state->dma_count);
	const uint64_t bus = (to_memory ? destination : source) & EDU_DMA_MASK;
	const uint64_t local = to_memory ? source : destination;
	uint8_t copy[EDU_BUFFER_BYTES];
	uint64_t at;

	if (!(edu_config_command(state) & EDU_COMMAND_MASTER))
		return;
	if (local < EDU_BUFFER_ADDRESS || local - EDU_BUFFER_ADDRESS > EDU_BUFFER_BYTES)
		return;
	at = local - EDU_BUFFER_ADDRESS;
	if (count == 0 || count > EDU_BUFFER_BYTES - at)
		return;
	if (to_memory) {
		memcpy(copy, state->buffer + at, count);
		(void)edu->ops->dma_write(edu->arg, bus, copy, count);
	} else if (edu->ops->dma_read(edu->arg, bus, copy, count) == 0) {
		memcpy(state->buffer + at, copy, count);
	}
}

static void run_dma(struct edu *edu, uint64_t command)
{
	struct edu_state *state = edu->state;

	transfer(edu, command & EDU_DMA_TO_MEMORY);
	EDU_STORE(state->dma_command, command & ~(uint64_t)EDU_DMA_RUN);
	if (command & EDU_DMA_IRQ)
		raise_irq(edu, EDU_IRQ_DMA);
}

/* The size rules of QEMU: registers below 0x80 are 32 bits wide, the DMA engine's 64, of which the
 * lower half may be accessed alone (a write of it clears the upper half). */
static bool size_valid(uint64_t offset, size_t bytes)
{
	return bytes == 4 || (bytes == 8 && offset >= EDU_REG_DMA_SOURCE);
}

static int access_check(const struct edu *edu, uint64_t offset, size_t bytes)
{
	if (offset >= EDU_BAR0_BYTES || bytes > EDU_BAR0_BYTES - offset)
		return -EINVAL;
	if (!(edu_config_command(edu->state) & EDU_COMMAND_MEMORY))
		return -EIO;
	return 0;
}

static uint64_t register_read(const struct edu_state *state, uint64_t offset)
{
	switch (offset) {
	case EDU_REG_IDENTIFICATION:
		return EDU_IDENTIFICATION;
	case EDU_REG_LIVENESS:
		return EDU_LOAD(state->liveness);
	case EDU_REG_FACTORIAL:
		return EDU_LOAD(state->factorial);
	case EDU_REG_STATUS:
		return EDU_LOAD(state->status) & EDU_STATUS_IRQ;
	case EDU_REG_IRQ_STATUS:
		return EDU_LOAD(state->irq_status);
	case EDU_REG_DMA_SOURCE:
		return EDU_LOAD(state->dma_source);
	case EDU_REG_DMA_DESTINATION:
		return EDU_LOAD(state->dma_destination);
	case EDU_REG_DMA_COUNT:
		return EDU_LOAD(state->dma_count);
	case EDU_REG_DMA_COMMAND:
		return EDU_LOAD(state->dma_command) & ~(uint64_t)EDU_DMA_RUN;
	default:
		return UINT64_MAX;
	}
}

static void register_write(struct edu *edu, uint64_t offset, uint64_t value)
{
	struct edu_state *state = edu->state;

	switch (offset) {
	case EDU_REG_LIVENESS:
		EDU_STORE(state->liveness, (uint32_t)~value);
		break;
	case EDU_REG_FACTORIAL:
		EDU_STORE(state->factorial, factorial((uint32_t)value));
		if (EDU_LOAD(state->status) & EDU_STATUS_IRQ)
			raise_irq(edu, EDU_IRQ_FACTORIAL);
		break;
	case EDU_REG_STATUS:
		EDU_STORE(state->status, (uint32_t)value & EDU_STATUS_IRQ);
		break;
	case EDU_REG_IRQ_RAISE:
		raise_irq(edu, (uint32_t)value);
		break;
	case EDU_REG_IRQ_ACK:
		EDU_STORE(state->irq_status, EDU_LOAD(state->irq_status) & ~(uint32_t)value);
		break;
	case EDU_REG_DMA_SOURCE:
		EDU_STORE(state->dma_source, value);
		break;
	case EDU_REG_DMA_DESTINATION:
		EDU_STORE(state->dma_destination, value);
		break;
	case EDU_REG_DMA_COUNT:
		EDU_STORE(state->dma_count, value);
		break;
	case EDU_REG_DMA_COMMAND:
		if (value & EDU_DMA_RUN)
			run_dma(edu, value);
		break;
	default:
		break;
	}
}

int edu_bar0_read(struct edu *edu, uint64_t offset, void *buffer, size_t bytes)
{
	uint64_t value;
	int r = access_check(edu, offset, bytes);

	if (r < 0)
		return r;
	if (!size_valid(offset, bytes)) {
		memset(buffer, 0xff, bytes);
		return 0;
	}
	value = htole64(register_read(edu->state, offset));
	memcpy(buffer, &value, bytes);
	return 0;
}

int edu_bar0_write(struct edu *edu, uint64_t offset, const void *buffer, size_t bytes)
{
	uint64_t value = 0;
	int r = access_check(edu, offset, bytes);

	if (r < 0)
		return r;
	if (!size_valid(offset, bytes))
		return 0;
	memcpy(&value, buffer, bytes);
	register_write(edu, offset, le64toh(value));
	return 0;
}

void edu_reset_function(struct edu *edu)
{
	struct edu_state *state = edu->state;

	EDU_STORE(state->liveness, 0u);
	EDU_STORE(state->factorial, 0u);
	EDU_STORE(state->status, 0u);
	EDU_STORE(state->irq_status, 0u);
	EDU_STORE(state->dma_source, (uint64_t)0);
	EDU_STORE(state->dma_destination, (uint64_t)0);
	EDU_STORE(state->dma_count, (uint64_t)0);
	EDU_STORE(state->dma_command, (uint64_t)0);
	memset(state->buffer, 0, sizeof(state->buffer));
}

void edu_reset(struct edu *edu)
{
	edu_reset_function(edu);
	edu_config_init(edu->state);
}

void edu_state_init(void *state)
{
	struct edu edu = {.state = state};

	memset(state, 0, EDU_STATE_BYTES);
	edu_reset(&edu);
}
