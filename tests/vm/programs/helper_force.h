/* SPDX-License-Identifier: MIT */
#ifndef IOMMUB_TESTS_VM_HELPER_FORCE_H
#define IOMMUB_TESTS_VM_HELPER_FORCE_H

#include "broker/supervisor/sysfs_pci.h"

/* Both sweeps against a holder that attaches and rings again and again (helper_force.c). Needs an edu. */
void run_force(const struct pci_facts *device);

#endif
