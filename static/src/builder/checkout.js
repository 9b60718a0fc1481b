/** What a chosen folder's `.git` tells of its commit. Nothing in `.git` is ever uploaded. */

const MOST_BYTES = 5 * 1024 ** 2; // of one file that is read
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const TELLING = /^\.git(?:\/(?:HEAD|config|packed-refs|refs(?:\/.*)?))?$/;

/** Whether a path is git's own, and none of the source. */
export const isOfGit = (path) => path.split("/").includes(".git");

/** Of git's own files, those that say which commit is checked out. The many others need not even be listed. */
export const tells = (path) => TELLING.test(path);

/**
 * The facts that the studio takes with an upload; null where the folder is no checkout, or nothing can be read of it.
 * @param {{file: Blob, path: string}[]} files With their paths in the chosen folder.
 */
export async function checkoutOf(files) {
  const own = new Map(files.filter(({ path }) => tells(path)).map(({ file, path }) => [path, file]));
  const read = async (path) => {
    const file = own.get(`.git/${path}`);
    return file && file.size <= MOST_BYTES ? file.text() : "";
  };
  try {
    return await factsFrom(read);
  } catch {
    return null; // a file that can't be read keeps nobody from uploading
  }
}

/** @param {(path: string) => Promise<string>} read The text of a file below `.git`; empty where there is none. */
export async function factsFrom(read) {
  const head = (await read("HEAD")).trim();
  const ref = /^ref: (refs\/heads\/(\S+))$/.exec(head);
  if (!ref && !COMMIT.test(head)) return null; // or a git of another kind, whose references lie elsewhere
  const commit = ref ? (await read(ref[1])).trim() || packed(await read("packed-refs"), ref[1]) : head;
  if (commit && !COMMIT.test(commit)) return null;
  if (!commit && ref[2] === ".invalid") return null;
  return { repository: withoutUser(originIn(await read("config"))), branch: ref ? ref[2] : "", commit, dirty: null };
}

/** The commit of a reference among those that git packed into one file; empty where it is not there. */
export function packed(text, ref) {
  const line = text.split("\n").find((each) => each.endsWith(` ${ref}`));
  return line ? line.split(" ")[0] : "";
}

/** The address of the remote `origin` in a git configuration. */
export function originIn(config) {
  let isOrigin = false;
  for (const line of config.split("\n").map((each) => each.trim())) {
    if (line.startsWith("[")) isOrigin = /^\[remote\s+"origin"\]/i.test(line);
    const url = isOrigin && /^url\s*=\s*"?(.*?)"?$/i.exec(line);
    if (url) return url[1];
  }
  return "";
}

/** The studio takes credentials out by itself; they need not leave the machine for that. */
export const withoutUser = (address) => address.replace(/^([A-Za-z][\w+.-]*:\/\/)(?:[^/?#]*@)?([^?#]*).*$/, "$1$2");
