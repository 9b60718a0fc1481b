/** Which files go in which request: a request that fails costs one batch, and ten thousand files are no one request. */

export const BATCH_FILES = 20;
export const BATCH_BYTES = 50_000_000;

/**
 * @typedef {{path: string, file: {size: number}}} Item
 */

/**
 * In the order given; a file that is larger than a batch goes alone.
 * @template {Item} T
 * @param {T[]} items
 * @param {{files?: number, bytes?: number}} [limits]
 * @returns {T[][]}
 */
export function batchesOf(items, { files = BATCH_FILES, bytes = BATCH_BYTES } = {}) {
  const batches = [];
  let batch = [];
  let size = 0;
  for (const item of items) {
    if (batch.length && (batch.length >= files || size + item.file.size > bytes)) {
      batches.push(batch);
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += item.file.size;
  }
  if (batch.length) batches.push(batch);
  return batches;
}

/**
 * @param {Item[]} items
 * @returns {number} Bytes.
 */
export function sizeOf(items) {
  return items.reduce((sum, item) => sum + item.file.size, 0);
}
