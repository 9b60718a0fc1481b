/** A large graph from afar, on a canvas: a thousand cards as elements would be drawn ten times a second, not sixty. */

import { statusOf } from "../lib/status.js";
import { portPosition } from "./model.js";

const TONES = ["idle", "pending", "active", "good", "bad", "warning"];
const MARGIN = 40; // screen pixels beyond the edge that are drawn too

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

  draw({ graph, positions, ways, viewport, width, height, selected, path }) {
    this.canvas.hidden = false;
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    context.setTransform(scale * viewport.zoom, 0, 0, scale * viewport.zoom, scale * viewport.x, scale * viewport.y);
    this.colours ??= this.#read();
    const seen = {
      left: (-MARGIN - viewport.x) / viewport.zoom,
      right: (width + MARGIN - viewport.x) / viewport.zoom,
      top: (-MARGIN - viewport.y) / viewport.zoom,
      bottom: (height + MARGIN - viewport.y) / viewport.zoom,
    };
    this.#edges(context, { graph, positions, ways }, seen, viewport.zoom, path);
    for (const [id, node] of graph.nodes) {
      const box = positions.get(id);
      if (box.x > seen.right || box.x + box.width < seen.left || box.y > seen.bottom || box.y + box.height < seen.top) continue;
      context.fillStyle = node.problems ? this.colours.bad : this.colours[node.status ? statusOf(node.status).tone : "idle"];
      context.globalAlpha = node.status || node.problems ? 1 : 0.55;
      context.beginPath();
      context.roundRect(box.x, box.y, box.width, box.height, 14);
      context.fill();
      if (id === selected) {
        context.globalAlpha = 1;
        context.strokeStyle = this.colours.accent;
        context.lineWidth = 3 / viewport.zoom;
        context.stroke();
      }
    }
    context.globalAlpha = 1;
  }

  #edges(context, { graph, positions, ways }, seen, zoom, path) {
    const plain = new Path2D();
    const marked = new Path2D();
    for (const edge of graph.edges) {
      const [from, to] = [positions.get(edge.from), positions.get(edge.to)];
      if (Math.max(from.y, to.y) + to.height < seen.top || Math.min(from.y, to.y) > seen.bottom) continue;
      const out = portPosition(graph.nodes.get(edge.from), "output", edge.output);
      const into = portPosition(graph.nodes.get(edge.to), "input", edge.input);
      const line = path?.edges.has(edge.id) ? marked : plain;
      line.moveTo(from.x + out.x, from.y + out.y);
      for (const { x, y } of ways.get(edge.id) ?? []) line.lineTo(x, y);
      line.lineTo(to.x + into.x, to.y + into.y);
    }
    context.lineWidth = 1 / zoom;
    context.strokeStyle = this.colours.edge;
    context.globalAlpha = 0.5;
    context.stroke(plain);
    context.globalAlpha = 1;
    context.lineWidth = 2 / zoom;
    context.strokeStyle = this.colours.accent;
    context.stroke(marked);
  }

  #read() {
    const style = getComputedStyle(this.canvas);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    return { ...Object.fromEntries(TONES.map((tone) => [tone, read(tone)])), accent: read("accent"), edge: read("line-strong") };
  }
}
