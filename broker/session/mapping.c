/* SPDX-License-Identifier: MIT */
/*
 * Mappings and pages; see mapping.h.
 *
 * Two small objects per IOAS_MAP (64 and 32 bytes of heap) and one per IOAS_COPY. A mapping's own charge is always one of
 * RESOURCE_MAPPINGS and is not stored; the bytes belong to the pages, because mappings that IOAS_COPY made share them.
 */
#include "broker/session/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include "broker/session/call.h"
#include "broker/session/charge.h"
#include "broker/session/graph.h"
#include "broker/session/memory_file.h"

_Static_assert(sizeof(struct mapping) + sizeof(struct pages) <= 96,
	"a live mapping is to cost at most 112 bytes of heap, malloc's own included");

static void mappings_uncharge(struct session *session, uint64_t count)
{
	struct charge charge = {.resource = RESOURCE_MAPPINGS, .amount = count};

	charge_give(session, &charge);
}

static void pages_unref(struct session *session, struct pages *pages)
{
	struct charge charge;

	if (!pages || --pages->mappings)
		return;
	charge = (struct charge){.resource = RESOURCE_LOCKED_BYTES, .amount = pages->charged_bytes};
	charge_give(session, &charge);
	if (pages->file && pages->file->handle)
		pages->file->handle->users--;
	memory_file_unref(pages->file);
	free(pages);
}

static void pages_init(
	struct pages *pages, struct memory_file *file, bool writeable, uint64_t bytes)
{
	*pages = (struct pages){.mappings = 1, .writeable = writeable, .charged_bytes = bytes};
	if (!file)
		return;
	pages->file = file;
	file->references++;
	if (file->handle)
		file->handle->users++;
}

int mapping_new(struct call *call, struct memory_file *file, uint64_t bytes, bool writeable,
	struct mapping **ret)
{
	struct mapping *mapping;
	struct pages *pages;
	struct charge charge = {0};
	int r = mapping_new_chain(call, 1, &mapping);

	if (r < 0)
		return r;
	pages = malloc(sizeof(*pages));
	if (pages)
		r = charge_take(call, RESOURCE_LOCKED_BYTES, bytes, &charge);
	else
		r = call_error(call, ENOMEM, NULL, "no memory for one more mapping");
	if (r < 0) {
		free(pages);
		mapping_free(call->session, mapping);
		return r;
	}
	pages_init(pages, file, writeable, charge.amount);
	mapping->pages = pages;
	*ret = mapping;
	return 0;
}

struct mapping *mapping_chain_next(struct mapping *mapping)
{
	return RB_LEFT(mapping, node); /* free for use as long as it is in no index */
}

int mapping_new_chain(struct call *call, uint64_t count, struct mapping **ret)
{
	struct mapping *chain = NULL;
	struct charge charge;
	int r = charge_take(call, RESOURCE_MAPPINGS, count, &charge);

	if (r < 0)
		return r;
	for (uint64_t i = 0; i < count; i++) {
		struct mapping *mapping = malloc(sizeof(*mapping));

		if (!mapping) {
			mappings_uncharge(call->session, count - i);
			while (chain) {
				mapping = chain;
				chain = mapping_chain_next(chain);
				mapping_free(call->session, mapping);
			}
			return call_error(call, ENOMEM, NULL, "no memory for %llu more mappings",
				(unsigned long long)count);
		}
		*mapping = (struct mapping){.pages = NULL};
		RB_LEFT(mapping, node) = chain;
		chain = mapping;
	}
	*ret = chain;
	return 0;
}

void mapping_free(struct session *session, struct mapping *mapping)
{
	if (!mapping)
		return;
	pages_unref(session, mapping->pages);
	mappings_uncharge(session, 1);
	free(mapping);
}

void mapping_place(struct session *session, struct ioas *ioas, struct mapping *mapping,
	uint64_t start, uint64_t last, struct pages *pages)
{
	if (mapping->pages != pages)
		pages->mappings++;
	mapping->pages = pages;
	mapping->start = start;
	mapping->last = last;
	if (!iova_index_insert(&ioas->index, mapping))
		session_broken(session, "IOAS %u has 0x%llx mapped already", ioas->object.id,
			(unsigned long long)start);
	ioas->bytes += last - start + 1;
}

void mapping_drop(struct session *session, struct ioas *ioas, struct mapping *mapping)
{
	iova_index_remove(&ioas->index, mapping);
	ioas->bytes -= mapping->last - mapping->start + 1;
	mapping_free(session, mapping);
}

void mapping_drop_all(struct session *session, struct ioas *ioas)
{
	struct mapping *mapping;

	while ((mapping = iova_index_reaching(&ioas->index, 0)))
		mapping_drop(session, ioas, mapping);
}
