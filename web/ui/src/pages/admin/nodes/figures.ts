const mib = 1 << 20;

/** Bytes in MiB, with a place behind the point while that says something. */
export function mebibytes(bytes: number): string {
  return (bytes / mib).toFixed(bytes < 100 * mib ? 1 : 0);
}

/** Milliseconds, to the tenth while they are few. */
export function lag(ms: number): string {
  return ms.toFixed(ms < 10 ? 1 : 0);
}
