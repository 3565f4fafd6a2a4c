/* SPDX-License-Identifier: MIT */
/* The mappings of an IOAS by IOVA: disjoint spans in order. The model is in iova.c. */
#ifndef IOMMUB_SIM_IOVA_H
#define IOMMUB_SIM_IOVA_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/tree.h>

/* How the functions of a tree are declared: libbsd's RB_GENERATE_STATIC needs a __unused that glibc lacks. */
#define SIM_TREE_FUNCTION __attribute__((unused)) static

struct sim_pages;

struct sim_mapping {
	RB_ENTRY(sim_mapping) node;
	uint64_t start, last;
	uint64_t gap; /* free IOVAs between the mapping before it and this one */
	uint64_t gap_max; /* the widest gap in the subtree of which it is the root */
	struct sim_pages *pages;
	uint64_t offset; /* of its first byte in the pages */
	uint32_t flags; /* IOMMU_IOAS_MAP_READABLE, _WRITEABLE */
};

RB_HEAD(sim_iova_map, sim_mapping);

void sim_iova_init(struct sim_iova_map *map);
/* Add a mapping whose start and last are set and that overlaps no other. Cannot fail. */
void sim_iova_insert(struct sim_iova_map *map, struct sim_mapping *mapping);
void sim_iova_remove(struct sim_iova_map *map, struct sim_mapping *mapping);
/* The first mapping that has an IOVA in [start, last], or NULL. */
struct sim_mapping *sim_iova_first(const struct sim_iova_map *map, uint64_t start, uint64_t last);
struct sim_mapping *sim_iova_next(struct sim_mapping *mapping);
/* The first hole of at least `length` IOVAs that has some in [start, last]. The hole comes back whole, then cut to
 * [start, last]. False: there is none. */
bool sim_iova_hole(const struct sim_iova_map *map, uint64_t start, uint64_t last, uint64_t length,
	uint64_t *ret_start, uint64_t *ret_last);

#endif
