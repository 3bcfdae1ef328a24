#ifndef KEELSON_CCHECKSUM_H
#define KEELSON_CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) of `length` bytes, continuing from `seed`.
/// A fresh checksum starts from 0. Uses the processor's instruction where there is one.
uint32_t keelson_crc32c(uint32_t seed, const void *bytes, size_t length);

/// The portable form, always available: what the fast one is compared with in tests.
uint32_t keelson_crc32c_portable(uint32_t seed, const void *bytes, size_t length);

#endif
