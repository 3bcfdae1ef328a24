#ifndef KEELSON_DASHBOARD_ASSETS_H
#define KEELSON_DASHBOARD_ASSETS_H

#include <stddef.h>

/// A file of the dashboard's pages. It lives as long as the program.
struct dashboard_asset {
  /// Its name below `/ui/`.
  const char *_Nonnull name;
  /// What `Content-Type` says of it.
  const char *_Nonnull type;
  const unsigned char *_Nonnull bytes;
  size_t count;
};

/// How many there are.
size_t dashboard_asset_count(void);

/// `place` is below the count.
struct dashboard_asset dashboard_asset_at(size_t place);

#endif
