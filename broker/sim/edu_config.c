/* SPDX-License-Identifier: MIT */
/*
 * The configuration space of an edu: 64 little-endian words, each of which is
 *
 *       word = fixed, except where `kept` has a bit: there it is what the state area says
 *
 * and a client's write reaches the bits of `writable`, which is within `kept`. So who writes
 * garbage into the state area can change what a client could have changed, and the MSI enable bit,
 * never the device's identity. Sizing a BAR (write ones, read back the mask) falls out of it: the
 * low 20 bits of BAR0 are fixed.
 *
 * One capability, MSI with a 64-bit address and one vector, at 0x40, as QEMU gives it.
 */
#include "broker/sim/edu_state.h"
#include <endian.h>
#include <errno.h>
#include <string.h>

#define WORD_COMMAND 1u
#define WORD_MSI 16u
#define MSI_ENABLE (1u << 16)

struct config_word {
	uint32_t fixed;
	uint32_t kept;
	uint32_t writable;
};

static const struct config_word config_words[EDU_CONFIG_BYTES / 4] = {
	/* device and vendor */
	[0] = {EDU_DEVICE << 16 | EDU_VENDOR, 0, 0},
	/* status: has a capability list; command: memory, master, parity, SERR, INTx disable */
	[WORD_COMMAND] = {0x0010u << 16, 0x0546u, 0x0546u},
	/* class: unclassified; revision */
	[2] = {0x00ffu << 16 | 0x10u, 0, 0},
	/* latency timer and cache line size: kept, without effect */
	[3] = {0, 0xffffu, 0xffffu},
	/* BAR0: 32 bits, memory, not prefetchable, 1 MiB */
	[4] = {0, ~(EDU_BAR0_BYTES - 1), ~(EDU_BAR0_BYTES - 1)},
	/* subsystem: QEMU's defaults */
	[11] = {0x1100u << 16 | 0x1af4u, 0, 0},
	/* where the capability list begins */
	[13] = {WORD_MSI * 4, 0, 0},
	/* interrupt pin A; interrupt line: a note for software */
	[15] = {0x01u << 8, 0xffu, 0xffu},
	/* MSI: control (64-bit), next, id */
	[WORD_MSI] = {0x0080u << 16 | 0x05u, MSI_ENABLE, 0},
	/* MSI: address and data. Kept for whoever reads them back; the eventfd is what counts */
	[WORD_MSI + 1] = {0, ~3u, ~3u},
	[WORD_MSI + 2] = {0, ~0u, ~0u},
	[WORD_MSI + 3] = {0, 0xffffu, 0xffffu},
};

static uint32_t word_read(const struct edu_state *state, size_t index)
{
	const struct config_word *word = &config_words[index];

	return (word->fixed & ~word->kept) | (EDU_LOAD(state->config[index]) & word->kept);
}

void edu_config_init(struct edu_state *state)
{
	for (size_t i = 0; i < EDU_CONFIG_BYTES / 4; i++)
		EDU_STORE(state->config[i], 0u);
	/* vfio-pci enables memory decoding before it hands a device out, and turns bus mastering
	 * off. */
	EDU_STORE(state->config[WORD_COMMAND], EDU_COMMAND_MEMORY);
}

uint32_t edu_config_command(const struct edu_state *state)
{
	return word_read(state, WORD_COMMAND) & 0xffffu;
}

bool edu_config_msi_enabled(const struct edu_state *state)
{
	return word_read(state, WORD_MSI) & MSI_ENABLE;
}

void edu_msi_enable(struct edu *edu, bool enable)
{
	struct edu_state *state = edu->state;

	EDU_STORE(state->config[WORD_MSI], enable ? MSI_ENABLE : 0u);
}

/* An access is 1, 2 or 4 bytes, aligned, within the space: so it never crosses a word. */
static bool access_valid(uint64_t offset, size_t bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && offset < EDU_CONFIG_BYTES &&
	       offset % bytes == 0;
}

int edu_config_read(struct edu *edu, uint64_t offset, void *buffer, size_t bytes)
{
	uint32_t value;

	if (!access_valid(offset, bytes))
		return -EINVAL;
	value = htole32(word_read(edu->state, offset / 4));
	memcpy(buffer, (const uint8_t *)&value + offset % 4, bytes);
	return 0;
}

int edu_config_write(struct edu *edu, uint64_t offset, const void *buffer, size_t bytes)
{
	struct edu_state *state = edu->state;
	const struct config_word *word;
	uint32_t value, writable;

	if (!access_valid(offset, bytes))
		return -EINVAL;
	word = &config_words[offset / 4];
	value = htole32(word_read(state, offset / 4));
	memcpy((uint8_t *)&value + offset % 4, buffer, bytes);
	value = le32toh(value);
	writable = word->writable;
	EDU_STORE(state->config[offset / 4],
		(word_read(state, offset / 4) & word->kept & ~writable) | (value & writable));
	return 0;
}
