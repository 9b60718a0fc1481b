/** Files from a file field or a drop, with the path that each has in its folder. */

import { isOfGit, tells } from "./checkout.js";

/** @param {FileList} list @returns {{file: File, path: string}[]} */
export function chosen(list) {
  return [...list].map((file) => ({ file, path: withoutTop(file.webkitRelativePath) || file.name }));
}

/** A folder's own name says nothing inside the source: `digits/train.py` is `train.py`. */
const withoutTop = (path) => path.split("/").slice(1).join("/");

/**
 * Everything that was dropped, folders walked through. Call it in the event's own turn: the browser forgets afterwards.
 * @param {DataTransfer} transfer
 * @returns {Promise<{file: File, path: string}[]>}
 */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  // One folder by itself is the source; several things keep their names.
  const isOneFolder = entries.length === 1 && entries[0].isDirectory;
  const found = [];
  for (const entry of entries) await walk(entry, isOneFolder ? "" : entry.name, found);
  return found;
}

async function walk(entry, path, found) {
  if (isOfGit(path) && !tells(path)) return; // thousands of files, none of which is wanted
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives its entries in batches, and an empty one at the end.
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return;
    for (const child of batch) await walk(child, path ? `${path}/${child.name}` : child.name, found);
  }
}
