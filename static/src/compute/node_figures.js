/** An hour of a node's figures: kept together as more of it comes, and made into Plotly's figures. No DOM. */

import { absoluteTime, fileSize } from "../lib/format.js";

export const HOUR_S = 3600;
/** Where nothing was told for so long, the line breaks. */
const GAP_S = 45;
const LISTS = ["cpu", "memory_used", "disk_used", "disk_read", "disk_written"];
const GPU_LISTS = ["busy", "memory_used"];

/**
 * What the server said last, joined to what is known already.
 * @param {any|undefined} known
 * @param {any} fresh One of the API's `nodes`.
 * @param {number} now Seconds since 1970.
 */
export function joined(known, fresh, now) {
  if (!known) return fresh;
  const last = known.at.at(-1) ?? -Infinity;
  const first = fresh.at.findIndex((at) => at > last);
  const more = first === -1 ? fresh.at.length : first;
  const from = known.at.findIndex((at) => at > now - HOUR_S);
  const cut = from === -1 ? known.at.length : from;
  const join = (before, after) => [...before.slice(cut), ...after.slice(more)];
  const node = { ...known, ...fresh, at: join(known.at, fresh.at) };
  for (const name of LISTS) node[name] = join(known[name], fresh[name]);
  for (const name of ["memory_total", "disk_total"]) node[name] = fresh[name] ?? known[name];
  node.gpus = joinedGpus(known, fresh, join);
  return node;
}

function joinedGpus(known, fresh, join) {
  const keys = [...new Set([...known.gpus, ...fresh.gpus].map((gpu) => gpu.key))];
  const none = (node) => node.at.map(() => null);
  return keys.map((key) => {
    const before = known.gpus.find((gpu) => gpu.key === key);
    const after = fresh.gpus.find((gpu) => gpu.key === key);
    const gpu = { ...before, ...after };
    for (const name of GPU_LISTS) gpu[name] = join(before?.[name] ?? none(known), after?.[name] ?? none(fresh));
    gpu.memory_total = after?.memory_total ?? before?.memory_total ?? null;
    return gpu;
  });
}

/**
 * One chart, as Plotly takes it.
 * @param {string} kind cpu, memory, disk or gpu
 * @param {any} node
 * @param {{now: number, size: string, zone_min?: number}} options `zone_min`: minutes that the reader's clock is behind
 *   UTC, as `Date.getTimezoneOffset` says: Plotly knows no zones.
 */
export function figureOf(kind, node, { now, size, zone_min = 0 }) {
  const isSmall = size === "small";
  const { lines, top, ticks } = { cpu: ofCpu, memory: ofMemory, disk: ofDisk, gpu: ofGpus }[kind](node);
  const local = (seconds) => new Date((seconds - 60 * zone_min) * 1000).toISOString().slice(0, -1);
  const data = lines.map(({ name, values, words, tone, isFilled = true }) => {
    const points = broken(node.at, values);
    return {
      type: "scatter",
      mode: "lines",
      name,
      x: points.map(([at]) => local(at)),
      y: points.map(([, value]) => value),
      text: points.map(([at, value]) => (value === null ? "" : `${words(value)}, ${clock(at)}`)),
      hovertemplate: `${lines.length > 1 ? "%{fullData.name}: " : ""}%{text}<extra></extra>`,
      fill: isFilled ? "tozeroy" : undefined,
      line: { width: isSmall ? 1.25 : 1.5, simplify: true },
      meta: { tone },
    };
  });
  const layout = {
    height: isSmall ? 40 : 150,
    margin: isSmall ? { l: 0, r: 0, t: 2, b: 2 } : { l: 56, r: 12, t: 8, b: 24 },
    showlegend: !isSmall && lines.length > 1,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
    hovermode: "closest",
    hoverdistance: 40,
    xaxis: {
      type: "date",
      range: [local(now - HOUR_S), local(now)],
      fixedrange: true,
      showgrid: false,
      nticks: 5,
      tickformat: "%H:%M",
      visible: !isSmall,
    },
    yaxis: { range: [0, top * 1.04], fixedrange: true, visible: !isSmall, ...ticks },
  };
  if (!isSmall && lines.length > 1) layout.margin.t = 30;
  return { data, layout };
}

/**
 * The chart in a sentence, for those who can't see it.
 * @param {string} kind
 * @param {any} node
 * @returns {string}
 */
export function inWords(kind, node) {
  const { title, lines } = { cpu: ofCpu, memory: ofMemory, disk: ofDisk, gpu: ofGpus }[kind](node);
  const parts = lines.map(({ name, values, words }) => {
    const known = values.filter((value) => value !== null);
    if (!known.length) return `${name}: not known`;
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    return `${name}: ${words(known.at(-1))} now, ${words(mean)} on average, ${words(Math.max(...known))} at most`;
  });
  return `${title} over the last hour. ${parts.join(". ")}.`;
}

const percent = (value) => `${Math.round(value)} %`;
const rate = (value) => `${fileSize(value)}/s`;
const PERCENT_TICKS = { tickvals: [0, 50, 100], ticktext: ["0 %", "50 %", "100 %"] };

function ofCpu(node) {
  const lines = [{ name: "CPU", values: node.cpu, words: percent, tone: "accent" }];
  return { title: "CPU", lines, top: 100, ticks: PERCENT_TICKS };
}

function ofMemory(node) {
  const total = node.memory_total ?? Math.max(1, ...node.memory_used.filter(Boolean));
  const words = (value) => `${fileSize(value)} of ${fileSize(total)}`;
  const lines = [{ name: "Memory", values: node.memory_used, words, tone: "accent" }];
  return { title: "Memory", lines, top: total, ticks: sizeTicks(total, fileSize) };
}

function ofDisk(node) {
  const lines = [
    { name: "Read", values: node.disk_read, words: rate, tone: "accent" },
    { name: "Written", values: node.disk_written, words: rate, tone: "warning" },
  ];
  const top = Math.max(1e6, ...lines.flatMap(({ values }) => values.filter((value) => value !== null)));
  return { title: "Disk", lines, top, ticks: sizeTicks(top, rate) };
}

const GPU_TONES = ["accent", "warning", "active", "pending", "good", "bad", "idle"];

function ofGpus(node) {
  const lines = node.gpus.map((gpu, number) => ({
    name: node.gpus.length > 1 ? `GPU ${number}` : "GPU",
    values: gpu.busy,
    words: percent,
    tone: GPU_TONES[number % GPU_TONES.length],
    isFilled: node.gpus.length === 1,
  }));
  return { title: "GPU", lines, top: 100, ticks: PERCENT_TICKS };
}

function sizeTicks(top, words) {
  return { tickvals: [0, top / 2, top], ticktext: ["0", words(top / 2), words(top)] };
}

/** Pairs of time and value, with a hole where the node was away. */
function broken(at, values) {
  const points = [];
  for (let i = 0; i < at.length; i += 1) {
    if (i > 0 && at[i] - at[i - 1] > GAP_S) points.push([at[i - 1] + 1, null]);
    points.push([at[i], values[i]]);
  }
  return points;
}

const clock = (at) => absoluteTime(new Date(at * 1000)).split(", ").at(-1);
