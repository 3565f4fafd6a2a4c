/* SPDX-License-Identifier: MIT */
/*
 * How the state area of an edu is laid out, and the only way to touch it: loads and stores of whole
 * words, because the area may be mapped by another process too. What a load gives is a hostile
 * number: use that copy, do not load twice.
 */
#ifndef IOMMUB_SIM_EDU_STATE_H
#define IOMMUB_SIM_EDU_STATE_H

#include <stddef.h>
#include <stdint.h>
#include "broker/sim/edu.h"

struct edu_state {
	uint32_t liveness;
	uint32_t factorial;
	uint32_t status;
	uint32_t irq_status;
	uint64_t dma_source;
	uint64_t dma_destination;
	uint64_t dma_count;
	uint64_t dma_command;
	uint8_t unused[4096 - 4 * 4 - 4 * 8 - EDU_CONFIG_BYTES];
	uint32_t config[EDU_CONFIG_BYTES / 4];
	uint8_t buffer[EDU_BUFFER_BYTES];
	uint8_t unused_tail[EDU_STATE_BYTES - 4096 - EDU_BUFFER_BYTES];
};
_Static_assert(sizeof(struct edu_state) == EDU_STATE_BYTES, "the state area's size");
_Static_assert(offsetof(struct edu_state, buffer) == 4096, "the buffer begins a page");

#define EDU_LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define EDU_STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/* Bits of the PCI command register. */
#define EDU_COMMAND_MEMORY 0x0002u
#define EDU_COMMAND_MASTER 0x0004u
#define EDU_COMMAND_INTX_DISABLE 0x0400u

/* edu_config.c */
void edu_config_init(struct edu_state *state);
uint32_t edu_config_command(const struct edu_state *state);
bool edu_config_msi_enabled(const struct edu_state *state);

#endif
