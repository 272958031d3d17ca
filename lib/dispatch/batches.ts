/** PutEvents takes ten entries and 256 KB at a time (Amazon EventBridge, "PutEvents event entry size"). */
export const maxEntries = 10;
export const maxBytes = 256 * 1024;

/** Cuts `items` into runs of at most `maxEntries` and `maxBytes`, in order; an item over the limit stands alone. */
export function batches<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  const result: T[][] = [];
  let current: T[] = [];
  let size = 0;
  for (const item of items) {
    const bytes = bytesOf(item);
    if (current.length === maxEntries || (current.length > 0 && size + bytes > maxBytes)) {
      result.push(current);
      current = [];
      size = 0;
    }
    current.push(item);
    size += bytes;
  }
  if (current.length > 0) result.push(current);
  return result;
}
