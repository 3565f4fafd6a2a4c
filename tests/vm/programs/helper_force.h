/* SPDX-License-Identifier: MIT */
#ifndef IOMMUB_TESTS_VM_HELPER_FORCE_H
#define IOMMUB_TESTS_VM_HELPER_FORCE_H

#include <stdbool.h>

#include "broker/supervisor/sysfs_pci.h"

/* Both sweeps against a holder that attaches and rings again and again (helper_force.c). Needs an edu. It is
 * attached as ever, or by PASID 0, which DETACH alone does not undo. */
void run_force(const struct pci_facts *device, bool by_pasid);

/* The unmapping sweep without the other: what lies above a MAP in flight goes while that MAP goes on. */
void run_unmap_alone(const struct pci_facts *device);

#endif
