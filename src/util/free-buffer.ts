/**
 * Frees the memory of a buffer at once. A garbage collection, which has little else to collect, would come after a hundred
 * megabytes. Does nothing for a part of a larger buffer.
 */
export function freeBuffer({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
