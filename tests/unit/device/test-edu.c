/* SPDX-License-Identifier: MIT */
/* An edu's registers, configuration space and DMA engine, with a fake bus behind the callbacks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "broker/sim/edu_state.h"

#define COMMAND_OFFSET 4
#define MSI_CONTROL_OFFSET 0x42

/* The bus: remembers the last transfer, and faults on demand. */
struct bus {
	struct edu edu;
	struct edu_state *state;
	uint8_t memory[8192]; /* at bus address 0x1000 */
	uint64_t last_iova;
	size_t last_bytes;
	unsigned int reads, writes, interrupts;
	bool faults;
};

static int fake_read(void *arg, uint64_t iova, void *buffer, size_t bytes)
{
	struct bus *bus = arg;

	bus->reads++;
	bus->last_iova = iova;
	bus->last_bytes = bytes;
	memset(buffer, 0xee, bytes); /* what a fault half way would leave */
	if (bus->faults || iova < 0x1000 || iova + bytes > 0x1000 + sizeof(bus->memory))
		return -EFAULT;
	memcpy(buffer, bus->memory + (iova - 0x1000), bytes);
	return 0;
}

static int fake_write(void *arg, uint64_t iova, const void *buffer, size_t bytes)
{
	struct bus *bus = arg;

	bus->writes++;
	bus->last_iova = iova;
	bus->last_bytes = bytes;
	if (bus->faults || iova < 0x1000 || iova + bytes > 0x1000 + sizeof(bus->memory))
		return -EFAULT;
	memcpy(bus->memory + (iova - 0x1000), buffer, bytes);
	return 0;
}

static void fake_interrupt(void *arg)
{
	struct bus *bus = arg;

	bus->interrupts++;
}

static const struct edu_ops fake_ops = {fake_read, fake_write, fake_interrupt};

static int setup(void **state)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	assert_non_null(bus);
	bus->state = aligned_alloc(4096, EDU_STATE_BYTES);
	assert_non_null(bus->state);
	bus->edu = (struct edu){bus->state, &fake_ops, bus};
	edu_state_init(bus->state);
	*state = bus;
	return 0;
}

static int teardown(void **state)
{
	struct bus *bus = *state;

	free(bus->state);
	free(bus);
	return 0;
}

static uint32_t get32(struct bus *bus, uint64_t offset)
{
	uint32_t value;

	assert_int_equal(edu_bar0_read(&bus->edu, offset, &value, 4), 0);
	return value;
}

static uint64_t get64(struct bus *bus, uint64_t offset)
{
	uint64_t value;

	assert_int_equal(edu_bar0_read(&bus->edu, offset, &value, 8), 0);
	return value;
}

static void set32(struct bus *bus, uint64_t offset, uint32_t value)
{
	assert_int_equal(edu_bar0_write(&bus->edu, offset, &value, 4), 0);
}

static void set64(struct bus *bus, uint64_t offset, uint64_t value)
{
	assert_int_equal(edu_bar0_write(&bus->edu, offset, &value, 8), 0);
}

static uint32_t config_get(struct bus *bus, uint64_t offset, size_t bytes)
{
	uint32_t value = 0;

	assert_int_equal(edu_config_read(&bus->edu, offset, &value, bytes), 0);
	return value;
}

static void config_set(struct bus *bus, uint64_t offset, size_t bytes, uint32_t value)
{
	assert_int_equal(edu_config_write(&bus->edu, offset, &value, bytes), 0);
}

static void master_on(struct bus *bus)
{
	config_set(bus, COMMAND_OFFSET, 2, EDU_COMMAND_MEMORY | EDU_COMMAND_MASTER);
}

static void run(
	struct bus *bus, uint64_t source, uint64_t destination, uint64_t count, uint64_t command)
{
	set64(bus, EDU_REG_DMA_SOURCE, source);
	set64(bus, EDU_REG_DMA_DESTINATION, destination);
	set64(bus, EDU_REG_DMA_COUNT, count);
	set64(bus, EDU_REG_DMA_COMMAND, command);
	assert_int_equal(get64(bus, EDU_REG_DMA_COMMAND), command & ~(uint64_t)EDU_DMA_RUN);
}

static void test_identification_and_liveness(void **state)
{
	struct bus *bus = *state;

	assert_int_equal(get32(bus, 0x00), 0x010000ed);
	set32(bus, 0x00, 5);
	assert_int_equal(get32(bus, 0x00), 0x010000ed);
	set32(bus, 0x04, 0x12345678);
	assert_int_equal(get32(bus, 0x04), ~0x12345678u);
}

static void test_factorial(void **state)
{
	struct bus *bus = *state;

	set32(bus, 0x08, 0);
	assert_int_equal(get32(bus, 0x08), 1);
	set32(bus, 0x08, 12);
	assert_int_equal(get32(bus, 0x08), 479001600);
	set32(bus, 0x08, 33); /* the last that is not 0 modulo 2^32 */
	assert_int_equal(get32(bus, 0x08), 0x80000000u);
	set32(bus, 0x08, 34);
	assert_int_equal(get32(bus, 0x08), 0);
	set32(bus, 0x08, UINT32_MAX); /* must not take 2^32 steps */
	assert_int_equal(get32(bus, 0x08), 0);
	assert_int_equal(get32(bus, 0x20), 0);
	assert_int_equal(bus->interrupts, 0);
}

static void test_factorial_interrupt(void **state)
{
	struct bus *bus = *state;

	set32(bus, 0x20, 0xffffffff);
	assert_int_equal(get32(bus, 0x20), 0x80); /* only that bit can be set */
	set32(bus, 0x08, 5);
	assert_int_equal(get32(bus, 0x08), 120);
	assert_int_equal(get32(bus, 0x24), EDU_IRQ_FACTORIAL);
	assert_int_equal(bus->interrupts, 1);
	set32(bus, 0x64, EDU_IRQ_FACTORIAL);
	assert_int_equal(get32(bus, 0x24), 0);
}

static void test_raise_and_acknowledge(void **state)
{
	struct bus *bus = *state;

	set32(bus, 0x60, 0);
	assert_int_equal(bus->interrupts, 0);
	assert_false(edu_intx_level(&bus->edu));
	set32(bus, 0x60, 0x6);
	assert_int_equal(bus->interrupts, 1);
	assert_int_equal(get32(bus, 0x24), 0x6);
	assert_true(edu_intx_level(&bus->edu));
	set32(bus, 0x64, 0x2);
	assert_int_equal(get32(bus, 0x24), 0x4);
	assert_true(edu_intx_level(&bus->edu));
	set32(bus, 0x64, 0xff);
	assert_false(edu_intx_level(&bus->edu));
	assert_int_equal(bus->interrupts, 1);
}

/* MSI is a memory write: without bus mastering it gets nowhere. INTx needs no bus mastering, but
 * can be disabled. */
static void test_interrupt_delivery(void **state)
{
	struct bus *bus = *state;

	edu_msi_enable(&bus->edu, true);
	set32(bus, 0x60, 1);
	assert_int_equal(bus->interrupts, 0);
	master_on(bus);
	set32(bus, 0x60, 1);
	assert_int_equal(bus->interrupts, 1);
	assert_false(edu_intx_level(&bus->edu));
	edu_msi_enable(&bus->edu, false);
	assert_true(edu_intx_level(&bus->edu));
	config_set(bus, COMMAND_OFFSET, 2, EDU_COMMAND_MEMORY | EDU_COMMAND_INTX_DISABLE);
	assert_false(edu_intx_level(&bus->edu));
	set32(bus, 0x60, 1);
	assert_int_equal(bus->interrupts, 1);
}

static void test_access_sizes(void **state)
{
	struct bus *bus = *state;
	uint64_t value = 0;

	assert_int_equal(get64(bus, 0x00), UINT64_MAX); /* 8 bytes only from 0x80 on */
	assert_int_equal(edu_bar0_read(&bus->edu, 0x00, &value, 2), 0);
	assert_int_equal(value, 0xffff);
	assert_int_equal(get32(bus, 0x01), UINT32_MAX);
	assert_int_equal(get32(bus, 0x28), UINT32_MAX);
	set64(bus, 0x80, 0x1122334455667788);
	assert_int_equal(get64(bus, 0x80), 0x1122334455667788);
	assert_int_equal(get32(bus, 0x80), 0x55667788);
	assert_int_equal(get32(bus, 0x84), UINT32_MAX);
	set32(bus, 0x80, 7); /* the lower half alone clears the upper one */
	assert_int_equal(get64(bus, 0x80), 7);
	value = 0;
	assert_int_equal(edu_bar0_write(&bus->edu, 0x80, &value, 2), 0);
	assert_int_equal(get64(bus, 0x80), 7);
}

static void test_bar0_bounds(void **state)
{
	struct bus *bus = *state;
	uint64_t value = 0;

	assert_int_equal(edu_bar0_read(&bus->edu, EDU_BAR0_BYTES - 4, &value, 4), 0);
	assert_int_equal(edu_bar0_read(&bus->edu, EDU_BAR0_BYTES - 3, &value, 4), -EINVAL);
	assert_int_equal(edu_bar0_read(&bus->edu, EDU_BAR0_BYTES, &value, 4), -EINVAL);
	assert_int_equal(edu_bar0_write(&bus->edu, EDU_BAR0_BYTES, &value, 4), -EINVAL);
	assert_int_equal(edu_bar0_read(&bus->edu, UINT64_MAX, &value, 4), -EINVAL);
	config_set(bus, COMMAND_OFFSET, 2, 0);
	assert_int_equal(edu_bar0_read(&bus->edu, 0, &value, 4), -EIO);
	assert_int_equal(edu_bar0_write(&bus->edu, 4, &value, 4), -EIO);
}

static void test_dma_both_ways(void **state)
{
	struct bus *bus = *state;

	master_on(bus);
	for (size_t i = 0; i < sizeof(bus->memory); i++)
		bus->memory[i] = (uint8_t)(i * 7 + 1);
	run(bus, 0x1000, EDU_BUFFER_ADDRESS + 100, 2048, EDU_DMA_RUN);
	assert_memory_equal(bus->state->buffer + 100, bus->memory, 2048);
	assert_int_equal(bus->state->buffer[99], 0);
	assert_int_equal(bus->state->buffer[100 + 2048], 0);
	assert_int_equal(bus->interrupts, 0);
	run(bus, EDU_BUFFER_ADDRESS + 100, 0x2000, 2048,
		EDU_DMA_RUN | EDU_DMA_TO_MEMORY | EDU_DMA_IRQ);
	assert_memory_equal(bus->memory + 0x1000, bus->memory, 2048);
	assert_int_equal(get32(bus, 0x24), EDU_IRQ_DMA);
	assert_int_equal(bus->interrupts, 1);
	assert_int_equal(bus->reads, 1);
	assert_int_equal(bus->writes, 1);
}

static void test_dma_needs_run_bit(void **state)
{
	struct bus *bus = *state;

	master_on(bus);
	run(bus, 0x1000, EDU_BUFFER_ADDRESS, 16, 0);
	set64(bus, EDU_REG_DMA_COMMAND, EDU_DMA_IRQ);
	assert_int_equal(bus->reads, 0);
	assert_int_equal(bus->interrupts, 0);
	assert_int_equal(get64(bus, EDU_REG_DMA_COMMAND), 0);
}

static void test_dma_needs_bus_mastering(void **state)
{
	struct bus *bus = *state;

	run(bus, 0x1000, EDU_BUFFER_ADDRESS, 16, EDU_DMA_RUN | EDU_DMA_IRQ);
	run(bus, EDU_BUFFER_ADDRESS, 0x1000, 16, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
	assert_int_equal(bus->reads + bus->writes, 0);
	assert_int_equal(get32(bus, 0x24), EDU_IRQ_DMA); /* it completed all the same */
	master_on(bus);
	run(bus, 0x1000, EDU_BUFFER_ADDRESS, 16, EDU_DMA_RUN);
	assert_int_equal(bus->reads, 1);
}

/* 28 address bits: the rest is dropped, at the start of the transfer only. */
static void test_dma_mask(void **state)
{
	struct bus *bus = *state;

	master_on(bus);
	bus->memory[0] = 42;
	run(bus, 0xfff0000000001000, EDU_BUFFER_ADDRESS, 1, EDU_DMA_RUN);
	assert_int_equal(bus->last_iova, 0x1000);
	assert_int_equal(bus->state->buffer[0], 42);
	run(bus, 0x0fffffff, EDU_BUFFER_ADDRESS, 1, EDU_DMA_RUN);
	assert_int_equal(bus->last_iova, 0x0fffffff);
	run(bus, 0x10000000, EDU_BUFFER_ADDRESS, 1, EDU_DMA_RUN);
	assert_int_equal(bus->last_iova, 0);
	run(bus, EDU_BUFFER_ADDRESS, 0x10001004, 4, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
	assert_int_equal(bus->last_iova, 0x1004);
	assert_int_equal(bus->memory[4], 42);
}

static void assert_refused(struct bus *bus, uint64_t local, uint64_t count)
{
	unsigned int transfers = bus->reads + bus->writes;

	run(bus, 0x1000, local, count, EDU_DMA_RUN);
	run(bus, local, 0x1000, count, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
	assert_int_equal(bus->reads + bus->writes, transfers);
}

static void test_dma_stays_in_the_buffer(void **state)
{
	struct bus *bus = *state;
	const uint64_t end = EDU_BUFFER_ADDRESS + EDU_BUFFER_BYTES;

	master_on(bus);
	run(bus, 0x1000, EDU_BUFFER_ADDRESS, EDU_BUFFER_BYTES, EDU_DMA_RUN); /* all of it */
	assert_int_equal(bus->last_bytes, EDU_BUFFER_BYTES);
	run(bus, 0x1000, end - 1, 1, EDU_DMA_RUN); /* its last byte */
	assert_int_equal(bus->reads, 2);

	assert_refused(bus, EDU_BUFFER_ADDRESS, EDU_BUFFER_BYTES + 1);
	assert_refused(bus, end - 1, 2);
	assert_refused(bus, end, 1);
	assert_refused(bus, end + 1, 1);
	assert_refused(bus, EDU_BUFFER_ADDRESS - 1, 2);
	assert_refused(bus, 0, 1);
	assert_refused(bus, UINT64_MAX, 1);
	assert_refused(bus, EDU_BUFFER_ADDRESS + 1, UINT64_MAX);
	assert_refused(bus, EDU_BUFFER_ADDRESS, 0);
	set64(bus, EDU_REG_IRQ_ACK, 0);
	run(bus, 0x1000, 0, 1, EDU_DMA_RUN | EDU_DMA_IRQ);
	assert_int_equal(get32(bus, 0x24),
		EDU_IRQ_DMA); /* whoever waits for the interrupt is not left waiting */
}

static void test_dma_fault_moves_nothing(void **state)
{
	struct bus *bus = *state;

	master_on(bus);
	memset(bus->memory, 0x11, sizeof(bus->memory));
	run(bus, 0x1000, EDU_BUFFER_ADDRESS, 64, EDU_DMA_RUN);
	bus->faults = true;
	run(bus, 0x1000, EDU_BUFFER_ADDRESS, 64, EDU_DMA_RUN | EDU_DMA_IRQ);
	assert_int_equal(bus->reads, 2);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(bus->state->buffer[i], 0x11);
	assert_int_equal(get32(bus, 0x24), EDU_IRQ_DMA);
	run(bus, EDU_BUFFER_ADDRESS, 0x1000, 64, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
	assert_int_equal(bus->writes, 1);
}

static void test_config_identity(void **state)
{
	struct bus *bus = *state;

	assert_int_equal(config_get(bus, 0x00, 2), EDU_VENDOR);
	assert_int_equal(config_get(bus, 0x02, 2), EDU_DEVICE);
	assert_int_equal(config_get(bus, 0x04, 2), EDU_COMMAND_MEMORY);
	assert_int_equal(config_get(bus, 0x08, 4), 0x00ff0010);
	config_set(bus, 0x00, 4, 0);
	assert_int_equal(config_get(bus, 0x00, 4), 0x11e81234);
	assert_int_equal(config_get(bus, 0x06, 2) & 0x10, 0x10); /* it has capabilities … */
	assert_int_equal(config_get(bus, 0x34, 1), 0x40);
	assert_int_equal(config_get(bus, 0x40, 1), 0x05); /* … MSI … */
	assert_int_equal(config_get(bus, 0x41, 1), 0); /* … and no other */
	assert_int_equal(config_get(bus, 0x3d, 1), 1);
}

static void test_config_bar_sizing(void **state)
{
	struct bus *bus = *state;

	config_set(bus, 0x10, 4, UINT32_MAX);
	assert_int_equal(config_get(bus, 0x10, 4), 0xfff00000);
	config_set(bus, 0x10, 4, 0xfeb12345);
	assert_int_equal(config_get(bus, 0x10, 4), 0xfeb00000);
	config_set(bus, 0x14, 4, UINT32_MAX); /* there is no BAR1 */
	assert_int_equal(config_get(bus, 0x14, 4), 0);
}

static void test_config_msi(void **state)
{
	struct bus *bus = *state;

	config_set(bus, MSI_CONTROL_OFFSET, 2, 0xffff); /* the host's, not the client's */
	assert_int_equal(config_get(bus, MSI_CONTROL_OFFSET, 2), 0x0080);
	config_set(bus, 0x44, 4, 0xfee00003);
	assert_int_equal(config_get(bus, 0x44, 4), 0xfee00000);
	edu_msi_enable(&bus->edu, true);
	assert_int_equal(config_get(bus, MSI_CONTROL_OFFSET, 2), 0x0081);
	config_set(bus, 0x40, 4, 0); /* does not reach it either */
	assert_int_equal(config_get(bus, MSI_CONTROL_OFFSET, 2), 0x0081);
}

static void test_config_access(void **state)
{
	struct bus *bus = *state;
	uint64_t value = 0;

	assert_int_equal(edu_config_read(&bus->edu, 0xfc, &value, 4), 0);
	assert_int_equal(edu_config_read(&bus->edu, 0xff, &value, 1), 0);
	assert_int_equal(edu_config_read(&bus->edu, 0x100, &value, 1), -EINVAL);
	assert_int_equal(edu_config_read(&bus->edu, 0xff, &value, 2), -EINVAL);
	assert_int_equal(edu_config_read(&bus->edu, 0x02, &value, 4), -EINVAL);
	assert_int_equal(edu_config_read(&bus->edu, 0x00, &value, 8), -EINVAL);
	assert_int_equal(edu_config_read(&bus->edu, 0x00, &value, 3), -EINVAL);
	assert_int_equal(edu_config_write(&bus->edu, 0x100, &value, 4), -EINVAL);
	assert_int_equal(edu_config_write(&bus->edu, UINT64_MAX, &value, 1), -EINVAL);
	config_set(bus, 0x05, 1,
		EDU_COMMAND_INTX_DISABLE >> 8); /* one byte of a word, the other kept */
	assert_int_equal(config_get(bus, 0x04, 2), EDU_COMMAND_INTX_DISABLE | EDU_COMMAND_MEMORY);
}

static void dirty(struct bus *bus)
{
	master_on(bus);
	config_set(bus, 0x10, 4, 0xfeb00000);
	set32(bus, 0x04, 1);
	set32(bus, 0x08, 5);
	set32(bus, 0x20, 0x80);
	set32(bus, 0x60, 0x3);
	memset(bus->memory, 0x5a, sizeof(bus->memory));
	run(bus, 0x1000, EDU_BUFFER_ADDRESS, EDU_BUFFER_BYTES, EDU_DMA_RUN | EDU_DMA_IRQ);
}

/* Between tenants nothing may stay: after a reset the whole area is what a new one would be. */
static void test_reset_is_power_on(void **state)
{
	struct bus *bus = *state;
	struct edu_state *fresh = aligned_alloc(4096, EDU_STATE_BYTES);

	assert_non_null(fresh);
	edu_state_init(fresh);
	assert_memory_equal(bus->state, fresh, EDU_STATE_BYTES);
	dirty(bus);
	edu_reset(&bus->edu);
	assert_memory_equal(bus->state, fresh, EDU_STATE_BYTES);
	free(fresh);
}

static void test_function_reset_keeps_config(void **state)
{
	struct bus *bus = *state;

	dirty(bus);
	edu_reset_function(&bus->edu);
	assert_int_equal(config_get(bus, 0x10, 4), 0xfeb00000);
	assert_int_equal(config_get(bus, 0x04, 2), EDU_COMMAND_MEMORY | EDU_COMMAND_MASTER);
	assert_int_equal(get32(bus, 0x24), 0);
	assert_int_equal(get64(bus, EDU_REG_DMA_COUNT), 0);
	assert_int_equal(bus->state->buffer[0], 0);
	assert_int_equal(bus->state->buffer[EDU_BUFFER_BYTES - 1], 0);
}

/* The state area was filled by someone hostile: numbers stay numbers. */
static void test_hostile_state(void **state)
{
	struct bus *bus = *state;

	memset(bus->state, 0xff, EDU_STATE_BYTES);
	assert_int_equal(get32(bus, 0x00), 0x010000ed);
	assert_int_equal(config_get(bus, 0x00, 4), 0x11e81234);
	assert_int_equal(config_get(bus, 0x34, 1), 0x40);
	assert_int_equal(get32(bus, 0x20), 0x80);
	assert_int_equal(get64(bus, EDU_REG_DMA_COMMAND) & EDU_DMA_RUN, 0);
	set64(bus, EDU_REG_DMA_COMMAND, EDU_DMA_RUN);
	set64(bus, EDU_REG_DMA_COMMAND, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
	assert_int_equal(bus->reads + bus->writes, 0);
}

int main(void)
{
#define EDU_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		EDU_TEST(test_identification_and_liveness),
		EDU_TEST(test_factorial),
		EDU_TEST(test_factorial_interrupt),
		EDU_TEST(test_raise_and_acknowledge),
		EDU_TEST(test_interrupt_delivery),
		EDU_TEST(test_access_sizes),
		EDU_TEST(test_bar0_bounds),
		EDU_TEST(test_dma_both_ways),
		EDU_TEST(test_dma_needs_run_bit),
		EDU_TEST(test_dma_needs_bus_mastering),
		EDU_TEST(test_dma_mask),
		EDU_TEST(test_dma_stays_in_the_buffer),
		EDU_TEST(test_dma_fault_moves_nothing),
		EDU_TEST(test_config_identity),
		EDU_TEST(test_config_bar_sizing),
		EDU_TEST(test_config_msi),
		EDU_TEST(test_config_access),
		EDU_TEST(test_reset_is_power_on),
		EDU_TEST(test_function_reset_keeps_config),
		EDU_TEST(test_hostile_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
