#include "CChecksum.h"

#include <stdatomic.h>
#include <string.h>

static uint32_t table[8][256];
static atomic_int table_ready = 0;

// Several threads may fill the table at once: they write the same values.
static void fill_table(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1u)));
    table[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++)
    for (int slice = 1; slice < 8; slice++)
      table[slice][byte] = (table[slice - 1][byte] >> 8) ^ table[0][table[slice - 1][byte] & 0xFF];
  atomic_store_explicit(&table_ready, 1, memory_order_release);
}

uint32_t keelson_crc32c_portable(uint32_t seed, const void *bytes, size_t length) {
  if (!atomic_load_explicit(&table_ready, memory_order_acquire)) fill_table();
  const uint8_t *p = bytes;
  uint32_t crc = ~seed;
  while (length >= 8) {
    uint32_t low, high;
    memcpy(&low, p, 4);
    memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^
          table[4][low >> 24] ^ table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^
          table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24];
    p += 8;
    length -= 8;
  }
  while (length-- > 0) crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 0xFF];
  return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t seed, const void *bytes,
                                                               size_t length) {
  const uint8_t *p = bytes;
  uint64_t crc = (uint32_t)~seed;
  while (length >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
    p += 8;
    length -= 8;
  }
  while (length-- > 0) crc = _mm_crc32_u8((uint32_t)crc, *p++);
  return ~(uint32_t)crc;
}

uint32_t keelson_crc32c(uint32_t seed, const void *bytes, size_t length) {
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(seed, bytes, length);
  return keelson_crc32c_portable(seed, bytes, length);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t keelson_crc32c(uint32_t seed, const void *bytes, size_t length) {
  const uint8_t *p = bytes;
  uint32_t crc = ~seed;
  while (length >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = __crc32cd(crc, word);
    p += 8;
    length -= 8;
  }
  while (length-- > 0) crc = __crc32cb(crc, *p++);
  return ~crc;
}
#else
uint32_t keelson_crc32c(uint32_t seed, const void *bytes, size_t length) {
  return keelson_crc32c_portable(seed, bytes, length);
}
#endif
