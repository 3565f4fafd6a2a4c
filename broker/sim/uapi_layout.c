/* SPDX-License-Identifier: MIT */
/*
 * The layout of the uAPI, asserted: each size, each offset, each value.
 *
 * The numbers are those of Linux 7.3 on 64-bit; they are the ABI and never change, structs only
 * grow at their end. The file is compiled twice where a kernel's own headers are at hand (CMake's
 * IOMMUB_KERNEL_UAPI_DIR): once against include/iommufd_uapi.h and once against them. It makes no
 * code.
 */
#ifdef UAPI_LAYOUT_OF_KERNEL
#include <linux/iommufd.h>
#include <linux/vfio.h>
#else
#include "include/iommufd_uapi.h"
#endif
#include <stddef.h>

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define OFFSET(type, field, bytes)                                                                 \
	_Static_assert(offsetof(struct type, field) == (bytes), "offset of " #type "." #field)
#define VALUE(name, value) _Static_assert((unsigned int)(name) == (value), "value of " #name)

SIZE(iommu_destroy, 8);
OFFSET(iommu_destroy, size, 0);
OFFSET(iommu_destroy, id, 4);

SIZE(iommu_option, 24);
OFFSET(iommu_option, size, 0);
OFFSET(iommu_option, option_id, 4);
OFFSET(iommu_option, op, 8);
OFFSET(iommu_option, __reserved, 10);
OFFSET(iommu_option, object_id, 12);
OFFSET(iommu_option, val64, 16);

SIZE(iommu_ioas_alloc, 12);
OFFSET(iommu_ioas_alloc, size, 0);
OFFSET(iommu_ioas_alloc, flags, 4);
OFFSET(iommu_ioas_alloc, out_ioas_id, 8);

SIZE(iommu_iova_range, 16);
OFFSET(iommu_iova_range, start, 0);
OFFSET(iommu_iova_range, last, 8);

SIZE(iommu_ioas_iova_ranges, 32);
OFFSET(iommu_ioas_iova_ranges, size, 0);
OFFSET(iommu_ioas_iova_ranges, ioas_id, 4);
OFFSET(iommu_ioas_iova_ranges, num_iovas, 8);
OFFSET(iommu_ioas_iova_ranges, __reserved, 12);
OFFSET(iommu_ioas_iova_ranges, allowed_iovas, 16);
OFFSET(iommu_ioas_iova_ranges, out_iova_alignment, 24);

SIZE(iommu_ioas_allow_iovas, 24);
OFFSET(iommu_ioas_allow_iovas, size, 0);
OFFSET(iommu_ioas_allow_iovas, ioas_id, 4);
OFFSET(iommu_ioas_allow_iovas, num_iovas, 8);
OFFSET(iommu_ioas_allow_iovas, __reserved, 12);
OFFSET(iommu_ioas_allow_iovas, allowed_iovas, 16);

SIZE(iommu_ioas_map, 40);
OFFSET(iommu_ioas_map, size, 0);
OFFSET(iommu_ioas_map, flags, 4);
OFFSET(iommu_ioas_map, ioas_id, 8);
OFFSET(iommu_ioas_map, __reserved, 12);
OFFSET(iommu_ioas_map, user_va, 16);
OFFSET(iommu_ioas_map, length, 24);
OFFSET(iommu_ioas_map, iova, 32);

SIZE(iommu_ioas_map_file, 40);
OFFSET(iommu_ioas_map_file, size, 0);
OFFSET(iommu_ioas_map_file, flags, 4);
OFFSET(iommu_ioas_map_file, ioas_id, 8);
OFFSET(iommu_ioas_map_file, fd, 12);
OFFSET(iommu_ioas_map_file, start, 16);
OFFSET(iommu_ioas_map_file, length, 24);
OFFSET(iommu_ioas_map_file, iova, 32);

SIZE(iommu_ioas_copy, 40);
OFFSET(iommu_ioas_copy, size, 0);
OFFSET(iommu_ioas_copy, flags, 4);
OFFSET(iommu_ioas_copy, dst_ioas_id, 8);
OFFSET(iommu_ioas_copy, src_ioas_id, 12);
OFFSET(iommu_ioas_copy, length, 16);
OFFSET(iommu_ioas_copy, dst_iova, 24);
OFFSET(iommu_ioas_copy, src_iova, 32);

SIZE(iommu_ioas_unmap, 24);
OFFSET(iommu_ioas_unmap, size, 0);
OFFSET(iommu_ioas_unmap, ioas_id, 4);
OFFSET(iommu_ioas_unmap, iova, 8);
OFFSET(iommu_ioas_unmap, length, 16);

SIZE(iommu_ioas_change_process, 8);
OFFSET(iommu_ioas_change_process, size, 0);
OFFSET(iommu_ioas_change_process, __reserved, 4);

SIZE(iommu_ioas_noiommu_get_pa, 40);
OFFSET(iommu_ioas_noiommu_get_pa, size, 0);
OFFSET(iommu_ioas_noiommu_get_pa, flags, 4);
OFFSET(iommu_ioas_noiommu_get_pa, ioas_id, 8);
OFFSET(iommu_ioas_noiommu_get_pa, __reserved, 12);
OFFSET(iommu_ioas_noiommu_get_pa, iova, 16);
OFFSET(iommu_ioas_noiommu_get_pa, length, 24);
OFFSET(iommu_ioas_noiommu_get_pa, out_phys, 32);

SIZE(iommu_vfio_ioas, 12);
OFFSET(iommu_vfio_ioas, size, 0);
OFFSET(iommu_vfio_ioas, ioas_id, 4);
OFFSET(iommu_vfio_ioas, op, 8);
OFFSET(iommu_vfio_ioas, __reserved, 10);

SIZE(iommu_hwpt_vtd_s1, 24);
OFFSET(iommu_hwpt_vtd_s1, flags, 0);
OFFSET(iommu_hwpt_vtd_s1, pgtbl_addr, 8);
OFFSET(iommu_hwpt_vtd_s1, addr_width, 16);
OFFSET(iommu_hwpt_vtd_s1, __reserved, 20);

SIZE(iommu_hwpt_arm_smmuv3, 16);
OFFSET(iommu_hwpt_arm_smmuv3, ste, 0);

SIZE(iommu_hwpt_amd_guest, 32);
OFFSET(iommu_hwpt_amd_guest, dte, 0);

SIZE(iommu_hwpt_alloc, 48);
OFFSET(iommu_hwpt_alloc, size, 0);
OFFSET(iommu_hwpt_alloc, flags, 4);
OFFSET(iommu_hwpt_alloc, dev_id, 8);
OFFSET(iommu_hwpt_alloc, pt_id, 12);
OFFSET(iommu_hwpt_alloc, out_hwpt_id, 16);
OFFSET(iommu_hwpt_alloc, __reserved, 20);
OFFSET(iommu_hwpt_alloc, data_type, 24);
OFFSET(iommu_hwpt_alloc, data_len, 28);
OFFSET(iommu_hwpt_alloc, data_uptr, 32);
OFFSET(iommu_hwpt_alloc, fault_id, 40);
OFFSET(iommu_hwpt_alloc, __reserved2, 44);

SIZE(iommu_hwpt_vtd_s1_invalidate, 24);
OFFSET(iommu_hwpt_vtd_s1_invalidate, addr, 0);
OFFSET(iommu_hwpt_vtd_s1_invalidate, npages, 8);
OFFSET(iommu_hwpt_vtd_s1_invalidate, flags, 16);
OFFSET(iommu_hwpt_vtd_s1_invalidate, __reserved, 20);

SIZE(iommu_viommu_arm_smmuv3_invalidate, 16);
OFFSET(iommu_viommu_arm_smmuv3_invalidate, cmd, 0);

SIZE(iommu_hwpt_invalidate, 32);
OFFSET(iommu_hwpt_invalidate, size, 0);
OFFSET(iommu_hwpt_invalidate, hwpt_id, 4);
OFFSET(iommu_hwpt_invalidate, data_uptr, 8);
OFFSET(iommu_hwpt_invalidate, data_type, 16);
OFFSET(iommu_hwpt_invalidate, entry_len, 20);
OFFSET(iommu_hwpt_invalidate, entry_num, 24);
OFFSET(iommu_hwpt_invalidate, __reserved, 28);

SIZE(iommu_hwpt_set_dirty_tracking, 16);
OFFSET(iommu_hwpt_set_dirty_tracking, size, 0);
OFFSET(iommu_hwpt_set_dirty_tracking, flags, 4);
OFFSET(iommu_hwpt_set_dirty_tracking, hwpt_id, 8);
OFFSET(iommu_hwpt_set_dirty_tracking, __reserved, 12);

SIZE(iommu_hwpt_get_dirty_bitmap, 48);
OFFSET(iommu_hwpt_get_dirty_bitmap, size, 0);
OFFSET(iommu_hwpt_get_dirty_bitmap, hwpt_id, 4);
OFFSET(iommu_hwpt_get_dirty_bitmap, flags, 8);
OFFSET(iommu_hwpt_get_dirty_bitmap, __reserved, 12);
OFFSET(iommu_hwpt_get_dirty_bitmap, iova, 16);
OFFSET(iommu_hwpt_get_dirty_bitmap, length, 24);
OFFSET(iommu_hwpt_get_dirty_bitmap, page_size, 32);
OFFSET(iommu_hwpt_get_dirty_bitmap, data, 40);

SIZE(iommu_hw_info_vtd, 24);
OFFSET(iommu_hw_info_vtd, flags, 0);
OFFSET(iommu_hw_info_vtd, __reserved, 4);
OFFSET(iommu_hw_info_vtd, cap_reg, 8);
OFFSET(iommu_hw_info_vtd, ecap_reg, 16);

SIZE(iommu_hw_info_arm_smmuv3, 40);
OFFSET(iommu_hw_info_arm_smmuv3, flags, 0);
OFFSET(iommu_hw_info_arm_smmuv3, __reserved, 4);
OFFSET(iommu_hw_info_arm_smmuv3, idr, 8);
OFFSET(iommu_hw_info_arm_smmuv3, iidr, 32);
OFFSET(iommu_hw_info_arm_smmuv3, aidr, 36);

SIZE(iommu_hw_info_tegra241_cmdqv, 8);
OFFSET(iommu_hw_info_tegra241_cmdqv, flags, 0);
OFFSET(iommu_hw_info_tegra241_cmdqv, version, 4);
OFFSET(iommu_hw_info_tegra241_cmdqv, log2vcmdqs, 5);
OFFSET(iommu_hw_info_tegra241_cmdqv, log2vsids, 6);
OFFSET(iommu_hw_info_tegra241_cmdqv, __reserved, 7);

SIZE(iommu_hw_info_amd, 16);
OFFSET(iommu_hw_info_amd, efr, 0);
OFFSET(iommu_hw_info_amd, efr2, 8);

SIZE(iommu_hw_info, 40);
OFFSET(iommu_hw_info, size, 0);
OFFSET(iommu_hw_info, flags, 4);
OFFSET(iommu_hw_info, dev_id, 8);
OFFSET(iommu_hw_info, data_len, 12);
OFFSET(iommu_hw_info, data_uptr, 16);
OFFSET(iommu_hw_info, in_data_type, 24);
OFFSET(iommu_hw_info, out_data_type, 24);
OFFSET(iommu_hw_info, out_max_pasid_log2, 28);
OFFSET(iommu_hw_info, __reserved, 29);
OFFSET(iommu_hw_info, out_capabilities, 32);

SIZE(iommu_fault_alloc, 16);
OFFSET(iommu_fault_alloc, size, 0);
OFFSET(iommu_fault_alloc, flags, 4);
OFFSET(iommu_fault_alloc, out_fault_id, 8);
OFFSET(iommu_fault_alloc, out_fault_fd, 12);

SIZE(iommu_hwpt_pgfault, 40);
OFFSET(iommu_hwpt_pgfault, flags, 0);
OFFSET(iommu_hwpt_pgfault, dev_id, 4);
OFFSET(iommu_hwpt_pgfault, pasid, 8);
OFFSET(iommu_hwpt_pgfault, grpid, 12);
OFFSET(iommu_hwpt_pgfault, perm, 16);
OFFSET(iommu_hwpt_pgfault, __reserved, 20);
OFFSET(iommu_hwpt_pgfault, addr, 24);
OFFSET(iommu_hwpt_pgfault, length, 32);
OFFSET(iommu_hwpt_pgfault, cookie, 36);

SIZE(iommu_hwpt_page_response, 8);
OFFSET(iommu_hwpt_page_response, cookie, 0);
OFFSET(iommu_hwpt_page_response, code, 4);

SIZE(iommu_viommu_tegra241_cmdqv, 16);
OFFSET(iommu_viommu_tegra241_cmdqv, out_vintf_mmap_offset, 0);
OFFSET(iommu_viommu_tegra241_cmdqv, out_vintf_mmap_length, 8);

SIZE(iommu_viommu_alloc, 40);
OFFSET(iommu_viommu_alloc, size, 0);
OFFSET(iommu_viommu_alloc, flags, 4);
OFFSET(iommu_viommu_alloc, type, 8);
OFFSET(iommu_viommu_alloc, dev_id, 12);
OFFSET(iommu_viommu_alloc, hwpt_id, 16);
OFFSET(iommu_viommu_alloc, out_viommu_id, 20);
OFFSET(iommu_viommu_alloc, data_len, 24);
OFFSET(iommu_viommu_alloc, __reserved, 28);
OFFSET(iommu_viommu_alloc, data_uptr, 32);

SIZE(iommu_vdevice_alloc, 24);
OFFSET(iommu_vdevice_alloc, size, 0);
OFFSET(iommu_vdevice_alloc, viommu_id, 4);
OFFSET(iommu_vdevice_alloc, dev_id, 8);
OFFSET(iommu_vdevice_alloc, out_vdevice_id, 12);
OFFSET(iommu_vdevice_alloc, virt_id, 16);

SIZE(iommufd_vevent_header, 8);
OFFSET(iommufd_vevent_header, flags, 0);
OFFSET(iommufd_vevent_header, sequence, 4);

SIZE(iommu_vevent_arm_smmuv3, 32);
OFFSET(iommu_vevent_arm_smmuv3, evt, 0);

SIZE(iommu_vevent_tegra241_cmdqv, 16);
OFFSET(iommu_vevent_tegra241_cmdqv, lvcmdq_err_map, 0);

SIZE(iommu_veventq_alloc, 32);
OFFSET(iommu_veventq_alloc, size, 0);
OFFSET(iommu_veventq_alloc, flags, 4);
OFFSET(iommu_veventq_alloc, viommu_id, 8);
OFFSET(iommu_veventq_alloc, type, 12);
OFFSET(iommu_veventq_alloc, veventq_depth, 16);
OFFSET(iommu_veventq_alloc, out_veventq_id, 20);
OFFSET(iommu_veventq_alloc, out_veventq_fd, 24);
OFFSET(iommu_veventq_alloc, __reserved, 28);

SIZE(iommu_hw_queue_alloc, 40);
OFFSET(iommu_hw_queue_alloc, size, 0);
OFFSET(iommu_hw_queue_alloc, flags, 4);
OFFSET(iommu_hw_queue_alloc, viommu_id, 8);
OFFSET(iommu_hw_queue_alloc, type, 12);
OFFSET(iommu_hw_queue_alloc, index, 16);
OFFSET(iommu_hw_queue_alloc, out_hw_queue_id, 20);
OFFSET(iommu_hw_queue_alloc, nesting_parent_iova, 24);
OFFSET(iommu_hw_queue_alloc, length, 32);

SIZE(vfio_device_bind_iommufd, 24);
OFFSET(vfio_device_bind_iommufd, argsz, 0);
OFFSET(vfio_device_bind_iommufd, flags, 4);
OFFSET(vfio_device_bind_iommufd, iommufd, 8);
OFFSET(vfio_device_bind_iommufd, out_devid, 12);
OFFSET(vfio_device_bind_iommufd, token_uuid_ptr, 16);

SIZE(vfio_device_attach_iommufd_pt, 16);
OFFSET(vfio_device_attach_iommufd_pt, argsz, 0);
OFFSET(vfio_device_attach_iommufd_pt, flags, 4);
OFFSET(vfio_device_attach_iommufd_pt, pt_id, 8);
OFFSET(vfio_device_attach_iommufd_pt, pasid, 12);

SIZE(vfio_device_detach_iommufd_pt, 12);
OFFSET(vfio_device_detach_iommufd_pt, argsz, 0);
OFFSET(vfio_device_detach_iommufd_pt, flags, 4);
OFFSET(vfio_device_detach_iommufd_pt, pasid, 8);

VALUE(IOMMUFD_CMD_BASE, 0x80);
VALUE(IOMMUFD_CMD_DESTROY, 0x80);
VALUE(IOMMUFD_CMD_IOAS_ALLOC, 0x81);
VALUE(IOMMUFD_CMD_IOAS_ALLOW_IOVAS, 0x82);
VALUE(IOMMUFD_CMD_IOAS_COPY, 0x83);
VALUE(IOMMUFD_CMD_IOAS_IOVA_RANGES, 0x84);
VALUE(IOMMUFD_CMD_IOAS_MAP, 0x85);
VALUE(IOMMUFD_CMD_IOAS_UNMAP, 0x86);
VALUE(IOMMUFD_CMD_OPTION, 0x87);
VALUE(IOMMUFD_CMD_VFIO_IOAS, 0x88);
VALUE(IOMMUFD_CMD_HWPT_ALLOC, 0x89);
VALUE(IOMMUFD_CMD_GET_HW_INFO, 0x8a);
VALUE(IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING, 0x8b);
VALUE(IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP, 0x8c);
VALUE(IOMMUFD_CMD_HWPT_INVALIDATE, 0x8d);
VALUE(IOMMUFD_CMD_FAULT_QUEUE_ALLOC, 0x8e);
VALUE(IOMMUFD_CMD_IOAS_MAP_FILE, 0x8f);
VALUE(IOMMUFD_CMD_VIOMMU_ALLOC, 0x90);
VALUE(IOMMUFD_CMD_VDEVICE_ALLOC, 0x91);
VALUE(IOMMUFD_CMD_IOAS_CHANGE_PROCESS, 0x92);
VALUE(IOMMUFD_CMD_VEVENTQ_ALLOC, 0x93);
VALUE(IOMMUFD_CMD_HW_QUEUE_ALLOC, 0x94);
VALUE(IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA, 0x95);
VALUE(IOMMU_OPTION_RLIMIT_MODE, 0x0);
VALUE(IOMMU_OPTION_HUGE_PAGES, 0x1);
VALUE(IOMMU_OPTION_OP_SET, 0x0);
VALUE(IOMMU_OPTION_OP_GET, 0x1);
VALUE(IOMMU_IOAS_MAP_FIXED_IOVA, 0x1);
VALUE(IOMMU_IOAS_MAP_WRITEABLE, 0x2);
VALUE(IOMMU_IOAS_MAP_READABLE, 0x4);
VALUE(IOMMU_VFIO_IOAS_GET, 0x0);
VALUE(IOMMU_VFIO_IOAS_SET, 0x1);
VALUE(IOMMU_VFIO_IOAS_CLEAR, 0x2);
VALUE(IOMMU_HWPT_ALLOC_NEST_PARENT, 0x1);
VALUE(IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0x2);
VALUE(IOMMU_HWPT_FAULT_ID_VALID, 0x4);
VALUE(IOMMU_HWPT_ALLOC_PASID, 0x8);
VALUE(IOMMU_HWPT_DATA_NONE, 0x0);
VALUE(IOMMU_HWPT_DATA_VTD_S1, 0x1);
VALUE(IOMMU_HWPT_DATA_ARM_SMMUV3, 0x2);
VALUE(IOMMU_HWPT_DATA_AMD_GUEST, 0x3);
VALUE(IOMMU_VTD_S1_SRE, 0x1);
VALUE(IOMMU_VTD_S1_EAFE, 0x2);
VALUE(IOMMU_VTD_S1_WPE, 0x4);
VALUE(IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, 0x0);
VALUE(IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3, 0x1);
VALUE(IOMMU_VTD_INV_FLAGS_LEAF, 0x1);
VALUE(IOMMU_HWPT_DIRTY_TRACKING_ENABLE, 0x1);
VALUE(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, 0x1);
VALUE(IOMMU_HW_INFO_TYPE_NONE, 0x0);
VALUE(IOMMU_HW_INFO_TYPE_DEFAULT, 0x0);
VALUE(IOMMU_HW_INFO_TYPE_INTEL_VTD, 0x1);
VALUE(IOMMU_HW_INFO_TYPE_ARM_SMMUV3, 0x2);
VALUE(IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, 0x3);
VALUE(IOMMU_HW_INFO_TYPE_AMD, 0x4);
VALUE(IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17, 0x1);
VALUE(IOMMU_HW_INFO_ARM_SMMUV3_ERRATA_REPEAT_TLBI_CFGI, 0x1);
VALUE(IOMMU_HW_CAP_DIRTY_TRACKING, 0x1);
VALUE(IOMMU_HW_CAP_PCI_PASID_EXEC, 0x2);
VALUE(IOMMU_HW_CAP_PCI_PASID_PRIV, 0x4);
VALUE(IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, 0x8);
VALUE(IOMMU_HW_INFO_FLAG_INPUT_TYPE, 0x1);
VALUE(IOMMU_PGFAULT_FLAGS_PASID_VALID, 0x1);
VALUE(IOMMU_PGFAULT_FLAGS_LAST_PAGE, 0x2);
VALUE(IOMMU_PGFAULT_PERM_READ, 0x1);
VALUE(IOMMU_PGFAULT_PERM_WRITE, 0x2);
VALUE(IOMMU_PGFAULT_PERM_EXEC, 0x4);
VALUE(IOMMU_PGFAULT_PERM_PRIV, 0x8);
VALUE(IOMMUFD_PAGE_RESP_SUCCESS, 0x0);
VALUE(IOMMUFD_PAGE_RESP_INVALID, 0x1);
VALUE(IOMMU_VIOMMU_TYPE_DEFAULT, 0x0);
VALUE(IOMMU_VIOMMU_TYPE_ARM_SMMUV3, 0x1);
VALUE(IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, 0x2);
VALUE(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, 0x1);
VALUE(IOMMU_VEVENTQ_TYPE_DEFAULT, 0x0);
VALUE(IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, 0x1);
VALUE(IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, 0x2);
VALUE(IOMMU_HW_QUEUE_TYPE_DEFAULT, 0x0);
VALUE(IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV, 0x1);
VALUE(IOMMU_DESTROY, 0x3b80);
VALUE(IOMMU_IOAS_ALLOC, 0x3b81);
VALUE(IOMMU_IOAS_ALLOW_IOVAS, 0x3b82);
VALUE(IOMMU_IOAS_COPY, 0x3b83);
VALUE(IOMMU_IOAS_IOVA_RANGES, 0x3b84);
VALUE(IOMMU_IOAS_MAP, 0x3b85);
VALUE(IOMMU_IOAS_UNMAP, 0x3b86);
VALUE(IOMMU_OPTION, 0x3b87);
VALUE(IOMMU_VFIO_IOAS, 0x3b88);
VALUE(IOMMU_HWPT_ALLOC, 0x3b89);
VALUE(IOMMU_GET_HW_INFO, 0x3b8a);
VALUE(IOMMU_HWPT_SET_DIRTY_TRACKING, 0x3b8b);
VALUE(IOMMU_HWPT_GET_DIRTY_BITMAP, 0x3b8c);
VALUE(IOMMU_HWPT_INVALIDATE, 0x3b8d);
VALUE(IOMMU_FAULT_QUEUE_ALLOC, 0x3b8e);
VALUE(IOMMU_IOAS_MAP_FILE, 0x3b8f);
VALUE(IOMMU_VIOMMU_ALLOC, 0x3b90);
VALUE(IOMMU_VDEVICE_ALLOC, 0x3b91);
VALUE(IOMMU_IOAS_CHANGE_PROCESS, 0x3b92);
VALUE(IOMMU_VEVENTQ_ALLOC, 0x3b93);
VALUE(IOMMU_HW_QUEUE_ALLOC, 0x3b94);
VALUE(IOMMU_IOAS_NOIOMMU_GET_PA, 0x3b95);
VALUE(VFIO_DEVICE_BIND_IOMMUFD, 0x3b76);
VALUE(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0x3b77);
VALUE(VFIO_DEVICE_DETACH_IOMMUFD_PT, 0x3b78);
VALUE(VFIO_DEVICE_BIND_FLAG_TOKEN, 0x1);
VALUE(VFIO_DEVICE_ATTACH_PASID, 0x1);
VALUE(VFIO_DEVICE_DETACH_PASID, 0x1);
