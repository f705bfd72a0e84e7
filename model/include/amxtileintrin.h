/* GCC's own header of this name, with two things mended. The build puts this folder before GCC's (.cargo/config.toml).
 *
 * GCC before 12.4 and 13.3 tells the optimiser that `ldtilecfg` reads 8 bytes of the 64 that it reads (bug 114098), and no
 * GCC says that `tileloadd` reads memory. llama.cpp sets its configuration on the stack just before, so the other 56 bytes
 * are dropped as never read: on a CPU with AMX every model then ends the process by a general protection fault.
 */
#include_next <amxtileintrin.h>

#ifndef GLASSBOX_AMXTILEINTRIN_H
#define GLASSBOX_AMXTILEINTRIN_H

#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%X0" ::"m"(*(const char(*)[64])(config)) : "memory")

#undef _tile_loadd_internal
#define _tile_loadd_internal(dst, base, stride)                                                       \
    __asm__ volatile("{tileloadd\t(%0,%1,1), %%tmm" #dst "|tileloadd\t%%tmm" #dst ", [%0+%1*1]}" ::"r"( \
                         (const void *)(base)),                                                       \
                     "r"((long)(stride))                                                              \
                     : "memory")

#endif
