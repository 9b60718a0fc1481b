/** A large graph from afar, on a canvas: a thousand cards as elements would be drawn ten times a second, not sixty. */

import { statusOf } from "../lib/status.js";
import { isSeen, stretch } from "./viewport.js";

const TONES = ["idle", "pending", "active", "good", "bad", "warning"];
const MARGIN = 40; // screen pixels beyond the edge that are drawn too
const CORNER = 14; // plane pixels
const MANY_LINES = 4000; // on the screen; then the short ones are left out
const SHORT = 12; // screen pixels

export class Overview {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "graph__overview";
    this.canvas.setAttribute("aria-hidden", "true");
    this.canvas.hidden = true;
    this.colours = null;
  }

  /** The page's colours may have changed: read them again. */
  forgetColours() {
    this.colours = null;
  }

  hide() {
    this.canvas.hidden = true;
  }

  draw({ graph, positions, lines, marked, near, viewport, width, height, selected }) {
    this.canvas.hidden = false;
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    context.setTransform(scale * viewport.zoom, 0, 0, scale * viewport.zoom, scale * viewport.x, scale * viewport.y);
    this.colours ??= this.#read();
    const [top, bottom] = stretch(viewport, height, MARGIN);
    const seen = (box) => isSeen(viewport, box, width, height, MARGIN);
    const there = [...near.lines.near(top, bottom)].map((id) => lines.get(id)).filter(({ box }) => seen(box));
    this.#lines(context, there, viewport.zoom, marked);
    const groups = new Map(); // many cards of one colour are one shape
    for (const id of near.nodes.near(top, bottom)) {
      const [node, box] = [graph.nodes.get(id), positions.get(id)];
      if (!seen(box)) continue;
      const tone = node.problems ? "bad" : node.status ? statusOf(node.status).tone : "";
      if (!groups.has(tone)) groups.set(tone, []);
      groups.get(tone).push(box);
    }
    const round = viewport.zoom * CORNER > 1;
    for (const [tone, boxes] of groups) {
      context.fillStyle = this.colours[tone || "idle"];
      context.globalAlpha = tone ? 1 : 0.55;
      context.beginPath();
      for (const { x, y, width: across, height: down } of boxes) {
        if (round) context.roundRect(x, y, across, down, CORNER);
        else context.rect(x, y, across, down);
      }
      context.fill();
    }
    context.globalAlpha = 1;
    const chosen = positions.get(selected);
    if (chosen) {
      context.strokeStyle = this.colours.accent;
      context.lineWidth = 3 / viewport.zoom;
      context.beginPath();
      context.roundRect(chosen.x, chosen.y, chosen.width, chosen.height, CORNER);
      context.stroke();
    }
  }

  #lines(context, lines, zoom, marked) {
    const plain = new Path2D();
    const chosen = new Path2D();
    for (const { id, box, points } of lines) {
      const isMarked = marked.has(id);
      if (!isMarked && lines.length > MANY_LINES && Math.max(box.width, box.height) * zoom < SHORT) continue;
      const shape = isMarked ? chosen : plain;
      shape.moveTo(points[0].x, points[0].y);
      for (const { x, y } of points.slice(1)) shape.lineTo(x, y);
    }
    context.lineWidth = 1 / zoom;
    context.strokeStyle = this.colours.edge;
    context.globalAlpha = 0.5;
    context.stroke(plain);
    context.globalAlpha = 1;
    context.lineWidth = 2 / zoom;
    context.strokeStyle = this.colours.accent;
    context.stroke(chosen);
  }

  #read() {
    const style = getComputedStyle(this.canvas);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    return { ...Object.fromEntries(TONES.map((tone) => [tone, read(tone)])), accent: read("accent"), edge: read("line-strong") };
  }
}
