// Bundles static/src into static/dist: `node build.mjs`, or `node build.mjs --watch` while developing.
//
// pages/*.js and workers/*.js are entry points (ES modules; what they share becomes hashed chunks), styles/*.css the
// style sheets, icons.txt the icons of the sprite: `<svg><use href="{% static 'studio/icons.svg' %}#NAME"></use></svg>`.
// Names stay as they are: the `{% static %}` tag adds `?v=` with the hash that build.txt holds.

import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

import * as esbuild from "esbuild";

import { prunedCss } from "./static/build/prune_css.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const source = join(root, "static/src");
const target = join(root, "static/dist");
const outlines = join(root, "node_modules/@tabler/icons/icons");

/** The files directly below static/src/FOLDER with that ending, tests and partials (`_name`) aside. */
async function entries(/** @type {string} */ folder, /** @type {string} */ ending) {
  const names = await readdir(join(source, folder)).catch(() => /** @type {string[]} */ ([]));
  return names
    .filter((name) => name.endsWith(ending) && !name.startsWith("_") && !name.endsWith(".test.js"))
    .sort()
    .map((name) => join(source, folder, name));
}

async function sprite() {
  const wanted = (await readFile(join(source, "icons.txt"), "utf8").catch(() => ""))
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);
  const symbols = await Promise.all(
    [...new Set(wanted)].sort().map(async (name) => {
      const path = join(outlines, name.includes("/") ? `${name}.svg` : `outline/${name}.svg`);
      const svg = await readFile(path, "utf8").catch(() => {
        throw new Error(`static/src/icons.txt: @tabler/icons has no icon “${name}”`);
      });
      const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
      const paint = name.startsWith("filled/")
        ? 'fill="currentColor"'
        : 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
      return `<symbol id="${name.replace("/", "-")}" viewBox="0 0 24 24" ${paint}>${inner.replace(/\s*\n\s*/g, "")}</symbol>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`;
}

/** Every word of whatever writes pages: a class that is not among them is on no page. */
async function words() {
  const found = new Set();
  for (const folder of ["templates", "static/src", "studio", "datastores", "compute", "pipelines"]) {
    for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(html|js|py)$/.test(entry.name)) continue;
      const text = await readFile(join(entry.parentPath ?? entry.path, entry.name), "utf8");
      for (const word of text.match(/[A-Za-z][\w-]*/g) ?? []) found.add(word);
    }
  }
  return found;
}

/** @type {esbuild.Plugin} */
const onlyUsedOfTabler = {
  name: "only-used-of-tabler",
  setup(setup) {
    setup.onLoad({ filter: /@tabler[/\\]core[/\\].*\.css$/ }, async ({ path }) => ({
      contents: prunedCss(await readFile(path, "utf8"), await words()),
      loader: "css",
    }));
  },
};

/** Every file of the front end, as a map from its path below static/dist to its bytes. */
async function bundle() {
  const common = {
    bundle: true,
    write: false,
    minify: true,
    sourcemap: /** @type {const} */ (false),
    legalComments: /** @type {const} */ ("none"),
    target: ["es2022", "chrome109", "firefox115", "safari16.4"],
    outdir: target,
    logLevel: /** @type {const} */ ("warning"),
  };
  const [scripts, styles, icons] = await Promise.all([
    esbuild.build({
      ...common,
      entryPoints: [...(await entries("pages", ".js")), ...(await entries("workers", ".js"))],
      entryNames: "[name]",
      chunkNames: "chunks/[name]-[hash]",
      format: "esm",
      splitting: true,
    }),
    esbuild.build({
      ...common,
      entryPoints: await entries("styles", ".css"),
      entryNames: "[name]",
      assetNames: "assets/[name]-[hash]",
      plugins: [onlyUsedOfTabler],
      loader: { ".svg": "file", ".png": "file", ".woff2": "file" },
    }),
    sprite(),
  ]);
  /** @type {Map<string, Uint8Array>} */
  const files = new Map();
  for (const file of [...scripts.outputFiles, ...styles.outputFiles]) {
    files.set(relative(target, file.path), file.contents);
  }
  files.set("icons.svg", Buffer.from(icons));
  return files;
}

/** Write the bundle, then remove what an earlier one left: a server that is running never misses a file it needs. */
async function build({ compress = true } = {}) {
  const started = performance.now();
  const files = await bundle();
  const hash = createHash("sha256");
  for (const name of [...files.keys()].sort()) hash.update(name).update(files.get(name) ?? "");
  if (compress) {
    for (const [name, contents] of [...files]) {
      if (contents.length > 1024) files.set(`${name}.gz`, await promisify(gzip)(contents, { level: 9 }));
    }
  }
  files.set("build.txt", Buffer.from(hash.digest("hex").slice(0, 12)));
  for (const [name, contents] of files) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await writeFile(join(target, name), contents);
  }
  const before = await readdir(target, { recursive: true, withFileTypes: true });
  for (const entry of before) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && !files.has(relative(target, path))) await rm(path, { force: true });
  }
  console.log(`static/dist: ${files.size} files in ${Math.round(performance.now() - started)} ms`);
}

if (process.argv.includes("--watch")) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const rebuild = () => build({ compress: false }).catch((error) => console.error(error.message));
  await rebuild();
  watch(source, { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(rebuild, 50);
  });
} else {
  await build().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
