/* Files that are not there. snprintf and its kin bring along what the C library writes and closes files with; these
 * stand in for WASI, which a plugin is not offered, and know no file. So printf writes nothing: see serin_log. */
#include <stdint.h>

/* https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno */
static const int32_t BAD_FILE = 8;

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t file) {
  (void)file;
  return BAD_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t file, int32_t parts, int32_t count, int32_t written) {
  (void)file, (void)parts, (void)count, (void)written;
  return BAD_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t file, int64_t offset, int32_t whence, int32_t place) {
  (void)file, (void)offset, (void)whence, (void)place;
  return BAD_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(int32_t file, int32_t status) {
  (void)file, (void)status;
  return BAD_FILE;
}
