/**
 * The graph on the page: cards and bezier edges on a plane that pans and zooms. Builder and run page draw with this one.
 *
 *   const view = new GraphView(element, {onSelect: (id) => …, onOpen: (id) => …});
 *   view.setGraph({nodes, edges});      // see model.js for the shapes; positions move softly to the new layout
 *   view.update("train", {status: "running", started_at: "…"});
 *   view.select("train"); view.fit(); view.destroy();
 *
 * Keys: arrows move the selection along the edges, Enter opens, + and - zoom, 0 shows everything, Escape deselects.
 */

import { icon, statusOf } from "../lib/status.js";
import { Bands } from "./bands.js";
import { makeCard, paint, tick } from "./card.js";
import { h, svg } from "./dom.js";
import { bounds, layout } from "./layout.js";
import { linesAlong, linesOf } from "./lines.js";
import { endsOf, neighbour, normalise, pathThrough, portPosition } from "./model.js";
import { Overview } from "./overview.js";
import { fitted, isSeen, revealing, stretch, zoomedAt } from "./viewport.js";

const MOVE_MS = 280;
const ANIMATED_LIMIT = 300; // nodes; a larger graph jumps to its place
const CULLED_FROM = 120; // nodes; from here on only cards near the screen exist
const FAR_ZOOM = 0.45; // below it a card shows only its title
const OVERVIEW_ZOOM = 0.32; // below it a graph that is culled is drawn on a canvas
const LABEL_ABOVE = 10; // the card that an edge with a label leads to
const DRAG_PX = 4; // a pointer that moves less has clicked
const READABLE_ZOOM = 0.5; // the first view of a large graph is not zoomed out further than this

const ARROWS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };

const reducedMotion = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const easeOut = (t) => 1 - (1 - t) ** 3;

export class GraphView {
  /**
   * @param {HTMLElement} element Gets the class `graph` and all of its content from here.
   * @param {object} [options]
   * @param {(id: string|null) => void} [options.onSelect] The person chose a node, or none.
   * @param {(id: string) => void} [options.onOpen] Enter or a double click.
   * @param {string} [options.label] What a screen reader calls the graph.
   * @param {string} [options.emptyText] Shown while there is no node.
   */
  constructor(element, { onSelect, onOpen, label = "Pipeline graph", emptyText = "" } = {}) {
    this.element = element;
    this.onSelect = onSelect ?? (() => {});
    this.onOpen = onOpen ?? (() => {});
    this.graph = normalise({});
    /** Where the layout wants each node, and where it stands at the moment. */
    this.targets = new Map();
    this.positions = new Map();
    /** The box around everything that the layout has placed. */
    this.extent = null;
    /** What is drawn of the edges, for cards that stand where they want to; and of it, what is on the chosen path. */
    this.drawn = linesOf(this.graph, this.targets);
    this.marked = new Set();
    this.edges = new Map();
    this.cards = new Map();
    this.paths = new Map();
    /** What is written at the ends of edges that have a label. */
    this.labels = new Map();
    this.isOverview = false;
    this.selected = null;
    /** What is shown, and where a movement under way will end. */
    this.viewport = { x: 0, y: 0, zoom: 1 };
    this.goal = this.viewport;
    this.isMoved = false; // by the person: from then on only they, or `fit`, move the view
    this.frame = 0;
    this.abort = new AbortController();
    this.#build(label, emptyText);
    this.#listen();
    this.ticker = setInterval(() => this.#tick(), 1000);
  }

  /** Draw `graph`; cards that stay keep their element, and move to their new place. */
  setGraph(graph) {
    const wasEmpty = this.graph.nodes.size === 0;
    const before = this.shape;
    this.graph = normalise(graph);
    this.shape = shapeOf(this.graph);
    for (const id of this.cards.keys()) if (!this.graph.nodes.has(id)) this.#unmount(id);
    this.edges = new Map(this.graph.edges.map((edge) => [edge.id, edge]));
    if (this.selected !== null && !this.graph.nodes.has(this.selected)) this.selected = null;
    for (const [id, card] of this.cards) paint(card, this.graph.nodes.get(id));
    this.empty.hidden = this.graph.nodes.size > 0;
    if (this.shape !== before) {
      this.targets = layout(this.graph);
      this.#drawLines();
      this.#moveTo(this.targets, { animated: !wasEmpty });
    }
    this.#drawSelection();
    this.#mount();
    if (wasEmpty || !this.isMoved) this.#fitFirst(!wasEmpty);
  }

  /** Change some fields of one node, as in `update("train", {status: "completed"})`. Nothing moves. */
  update(id, patch) {
    const node = this.graph.nodes.get(id);
    if (!node) return;
    Object.assign(node, patch);
    const card = this.cards.get(id);
    if (card) paint(card, node);
    for (const line of this.paths.keys()) if (this.drawn.lines.get(line).from === id) this.#paintLine(line);
    if (this.isOverview) this.#drawOverviewSoon();
  }

  /** Select a node (or none), without telling `onSelect`. */
  select(id, { reveal = false } = {}) {
    this.selected = id !== null && this.graph.nodes.has(id) ? id : null;
    this.#drawSelection();
    if (reveal && this.selected !== null) this.reveal(this.selected);
  }

  /** Move the view as little as needed to show a node. */
  reveal(id) {
    const box = this.targets.get(id);
    if (!box || !this.width) return;
    this.#glide(revealing(this.goal, box, this.width, this.height));
  }

  /** Show the whole graph. */
  fit({ animated = true } = {}) {
    this.isMoved = false;
    const box = this.extent;
    if (!box || !this.width) return;
    this.#glide(fitted(box, this.width, this.height), animated);
  }

  /** Zoom by `factor` around the middle of the screen. */
  zoom(factor) {
    this.isMoved = true;
    this.#glide(zoomedAt(this.goal, factor, this.width / 2, this.height / 2));
  }

  destroy() {
    clearInterval(this.ticker);
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.glideFrame);
    cancelAnimationFrame(this.overviewFrame);
    this.abort.abort();
    this.resizes.disconnect();
    this.element.replaceChildren();
  }

  #build(label, emptyText) {
    this.edgeLayer = svg("svg", { class: "graph__edges", "aria-hidden": "true", width: 1, height: 1 });
    this.nodeLayer = h("div", { class: "graph__nodes" });
    this.plane = h("div", { class: "graph__plane" }, this.edgeLayer, this.nodeLayer);
    this.empty = h("p", { class: "graph__empty", text: emptyText });
    const button = (name, title, act) =>
      h("button", { type: "button", class: "graph__control", title, "aria-label": title, on: { click: act } }, icon(name));
    this.controls = h(
      "div",
      { class: "graph__controls", role: "group", "aria-label": "Zoom" },
      button("plus", "Zoom in (+)", () => this.zoom(1.25)),
      button("minus", "Zoom out (-)", () => this.zoom(0.8)),
      button("maximize", "Show everything (0)", () => this.fit()),
    );
    this.surface = h("div", {
      class: "graph__surface",
      role: "application",
      tabindex: "0",
      "aria-label": label,
      "aria-roledescription": "graph",
      "aria-keyshortcuts": "ArrowUp ArrowDown ArrowLeft ArrowRight Enter + - 0",
    });
    this.overview = new Overview();
    this.surface.append(this.overview.canvas, this.plane);
    this.element.classList.add("graph");
    this.element.replaceChildren(this.surface, this.empty, this.controls);
    this.width = this.element.clientWidth;
    this.height = this.element.clientHeight;
    this.resizes = new ResizeObserver(() => this.#resized());
    this.resizes.observe(this.element);
  }

  #listen() {
    const { signal } = this.abort;
    const on = (event, listener, options = {}) => this.surface.addEventListener(event, listener, { signal, ...options });
    on("pointerdown", (event) => this.#pointerDown(event));
    on("pointermove", (event) => this.#pointerMove(event));
    on("pointerup", (event) => this.#pointerUp(event));
    on("pointercancel", (event) => this.#pointerUp(event));
    on("dblclick", (event) => {
      const id = this.#nodeAt(event);
      if (id !== null) this.onOpen(id);
    });
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("keydown", (event) => this.#key(event));
    on("focusin", (event) => {
      // Tab into the graph lands on the surface; a reader that moves by itself may land on a card.
      const id = nodeAt(event);
      if (id !== null && id !== this.selected && event.target.matches(":focus-visible")) this.#choose(id);
    });
    this.pointers = new Map();
    document.addEventListener(
      "studio:theme",
      () => {
        this.overview.forgetColours();
        this.#drawOverviewSoon();
      },
      { signal },
    );
  }

  #resized() {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth === this.width && clientHeight === this.height) return;
    const wasHidden = !this.width;
    [this.width, this.height] = [clientWidth, clientHeight];
    if (!this.width) return;
    if (wasHidden || !this.isMoved) this.#fitFirst(false);
    else this.#applyViewport();
  }

  // Choosing

  #choose(id, { reveal = true } = {}) {
    this.select(id, { reveal });
    if (id !== null && this.surface.contains(document.activeElement)) this.cards.get(id)?.focus({ preventScroll: true });
    this.onSelect(id);
  }

  #drawSelection() {
    const path = this.selected === null ? null : pathThrough(this.graph, this.selected);
    this.path = path;
    this.marked = path ? linesAlong(path.edges, this.drawn.lineOf) : new Set();
    for (const [id, card] of this.cards) this.#paintChoice(id, card);
    for (const id of this.paths.keys()) this.#paintLine(id);
    this.element.classList.toggle("has-selection", path !== null);
    this.#drawOverviewSoon();
  }

  #paintChoice(id, card) {
    const isSelected = id === this.selected;
    card.classList.toggle("is-selected", isSelected);
    card.classList.toggle("is-on-path", !isSelected && Boolean(this.path?.nodes.has(id)));
    card.tabIndex = isSelected ? 0 : -1;
    if (isSelected) card.setAttribute("aria-current", "true");
    else card.removeAttribute("aria-current");
  }

  // Drawing

  #moveTo(targets, { animated }) {
    const start = new Map();
    for (const [id, target] of targets) {
      const from = this.positions.get(id);
      // A new card rises into its place from a little above.
      start.set(id, from ? { ...from } : { ...target, y: target.y - 16 });
    }
    cancelAnimationFrame(this.frame);
    if (!animated || targets.size > ANIMATED_LIMIT || reducedMotion() || document.hidden) {
      this.positions = new Map([...targets].map(([id, box]) => [id, { ...box }]));
      this.#place();
      return;
    }
    this.positions = start;
    const origin = new Map([...start].map(([id, box]) => [id, { x: box.x, y: box.y }]));
    const began = performance.now();
    const step = (now) => {
      const t = easeOut(Math.min(1, Math.max(0, (now - began) / MOVE_MS)));
      for (const [id, target] of targets) {
        const from = origin.get(id);
        this.positions.set(id, {
          ...target,
          x: from.x + (target.x - from.x) * t,
          y: from.y + (target.y - from.y) * t,
        });
      }
      this.#place();
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    step(began);
  }

  /** Set every mounted card and edge where `positions` says. */
  #place() {
    for (const [id, card] of this.cards) placeCard(card, this.positions.get(id));
    for (const [id, path] of this.paths) path.setAttribute("d", this.#curve(this.drawn.lines.get(id)));
    for (const id of this.labels.keys()) this.#placeLabel(id);
    this.#drawOverview();
  }

  /** Find the lines of a new layout, and what lies where. */
  #drawLines() {
    const before = this.drawn;
    this.drawn = linesOf(this.graph, this.targets);
    const { lines, isBundled } = this.drawn;
    for (const id of this.paths.keys()) if (before.isBundled || isBundled || !lines.has(id)) this.#unmountLine(id);
    const boxes = new Map([...lines].map(([id, line]) => [id, line.box]));
    this.extent = bounds([...this.targets.values(), ...boxes.values()]);
    this.near = { nodes: new Bands(this.targets), lines: new Bands(boxes) };
  }

  /** The ids of nodes and lines of which the screen needs elements: where there are many, of those that it shows. */
  #needed() {
    const { lines } = this.drawn;
    if (this.graph.nodes.size < CULLED_FROM) return { nodes: this.graph.nodes.keys(), lines: lines.keys() };
    if (!this.width) return { nodes: [], lines: [] }; // not shown yet
    // The selected one may hold the focus.
    if (this.isOverview) return { nodes: this.selected === null ? [] : [this.selected], lines: [] };
    const [top, bottom] = stretch(this.viewport, this.height);
    const seen = (box) => isSeen(this.viewport, box, this.width, this.height);
    return {
      nodes: [...this.near.nodes.near(top, bottom)].filter((id) => seen(this.positions.get(id))),
      lines: [...this.near.lines.near(top, bottom)].filter((id) => seen(lines.get(id).box)),
    };
  }

  /** Make the elements that the screen needs, and take the others away. */
  #mount() {
    const needed = this.#needed();
    const [nodes, lines] = [new Set(needed.nodes), new Set(needed.lines)];
    for (const [id, card] of this.cards) if (!nodes.has(id) && !card.contains(document.activeElement)) this.#unmount(id);
    for (const id of nodes) {
      if (this.cards.has(id)) continue;
      const node = this.graph.nodes.get(id);
      const card = makeCard(node);
      paint(card, node);
      placeCard(card, this.positions.get(id));
      this.cards.set(id, card);
      this.#paintChoice(id, card);
      this.nodeLayer.append(card);
    }
    for (const id of this.paths.keys()) if (!lines.has(id)) this.#unmountLine(id);
    for (const id of lines) {
      if (this.paths.has(id)) {
        if (this.labels.get(id)?.textContent !== (this.#edgeOf(id)?.label || undefined)) this.#label(id);
        continue;
      }
      const path = svg("path", { class: "graph-edge", d: this.#curve(this.drawn.lines.get(id)) });
      this.paths.set(id, path);
      this.#paintLine(id);
      this.edgeLayer.append(path);
      this.#label(id);
    }
  }

  #unmountLine(id) {
    this.paths.get(id)?.remove();
    this.paths.delete(id);
    this.labels.get(id)?.remove();
    this.labels.delete(id);
  }

  /** The edge that a line is of, as it now is; undefined for a line that several share. */
  #edgeOf(id) {
    return this.edges.get(this.drawn.lines.get(id).edge?.id);
  }

  /** Write the label of a line's edge, or take it away. */
  #label(id) {
    this.labels.get(id)?.remove();
    this.labels.delete(id);
    const label = this.#edgeOf(id)?.label;
    if (!label) return;
    const text = svg("text", { class: "graph-edge-label", "text-anchor": "middle" });
    text.textContent = label;
    this.labels.set(id, text);
    this.#placeLabel(id);
    this.edgeLayer.append(text);
  }

  #placeLabel(id) {
    const { to, input } = this.#edgeOf(id);
    const text = this.labels.get(id);
    const box = this.positions.get(to);
    const into = portPosition(this.graph.nodes.get(to), "input", input);
    text.setAttribute("x", String(box.x + into.x));
    text.setAttribute("y", String(box.y + into.y - LABEL_ABOVE));
  }

  #unmount(id) {
    this.cards.get(id)?.remove();
    this.cards.delete(id);
  }

  #paintLine(id) {
    const { from, isOrder } = this.drawn.lines.get(id);
    const upstream = this.graph.nodes.get(from);
    const names = ["graph-edge"];
    if (upstream && upstream.kind !== "step") names.push("is-data");
    else if (isOrder) names.push("is-order");
    if (upstream?.status === "running") names.push("is-flowing");
    if (upstream?.status && statusOf(upstream.status).tone === "good") names.push("is-done");
    if (this.marked.has(id)) names.push("is-on-path");
    else if (this.path) names.push("is-dimmed");
    this.paths.get(id).setAttribute("class", names.join(" "));
  }

  /** A line as a path; that of one edge moves along while its cards move. */
  #curve({ edge, points }) {
    if (this.drawn.isBundled) return curve(points);
    const [start, end] = endsOf(this.graph, this.positions, edge);
    const shift = (axis) =>
      [edge.from, edge.to].reduce((sum, id) => sum + this.positions.get(id)[axis] - this.targets.get(id)[axis], 0) / 2;
    const [dx, dy] = [shift("x"), shift("y")];
    return curve([start, ...points.slice(1, -1).map((point) => ({ x: point.x + dx, y: point.y + dy })), end]);
  }

  #tick() {
    if (document.hidden) return;
    for (const [id, card] of this.cards) {
      const node = this.graph.nodes.get(id);
      if (node?.started_at && !node.finished_at) tick(card, node);
    }
  }

  // Looking around

  #fitFirst(animated) {
    const box = this.extent;
    if (!box || !this.width) return;
    const whole = fitted(box, this.width, this.height, { readable: READABLE_ZOOM });
    const chosen = this.targets.get(this.selected);
    this.#glide(chosen ? revealing(whole, chosen, this.width, this.height) : whole, animated);
  }

  #glide(viewport, animated = true) {
    cancelAnimationFrame(this.glideFrame);
    this.goal = viewport;
    const from = this.viewport;
    if (!animated || reducedMotion() || document.hidden || this.graph.nodes.size > ANIMATED_LIMIT) {
      this.viewport = viewport;
      this.#applyViewport();
      return;
    }
    const began = performance.now();
    const step = (now) => {
      const t = easeOut(Math.min(1, Math.max(0, (now - began) / MOVE_MS)));
      const mix = (a, b) => a + (b - a) * t;
      this.viewport = {
        x: mix(from.x, viewport.x),
        y: mix(from.y, viewport.y),
        zoom: mix(from.zoom, viewport.zoom),
      };
      this.#applyViewport();
      if (t < 1) this.glideFrame = requestAnimationFrame(step);
    };
    step(began);
  }

  #applyViewport() {
    const { x, y, zoom } = this.viewport;
    this.plane.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    this.surface.style.backgroundPosition = `${x}px ${y}px`;
    this.surface.style.backgroundSize = `${24 * Math.max(zoom, 0.5)}px ${24 * Math.max(zoom, 0.5)}px`;
    this.element.classList.toggle("is-far", zoom < FAR_ZOOM);
    this.isOverview = zoom < OVERVIEW_ZOOM && this.graph.nodes.size >= CULLED_FROM;
    this.element.classList.toggle("is-overview", this.isOverview);
    if (this.graph.nodes.size >= CULLED_FROM) this.#mount();
    this.#drawOverview();
  }

  #drawOverview() {
    if (!this.isOverview || !this.width) {
      this.overview.hide();
      return;
    }
    const { graph, positions, marked, near, viewport, width, height, selected } = this;
    const { lines } = this.drawn;
    this.overview.draw({ graph, positions, lines, marked, near, viewport, width, height, selected });
  }

  /** Many updates in one frame are one drawing. */
  #drawOverviewSoon() {
    if (this.overviewFrame || !this.isOverview) return;
    this.overviewFrame = requestAnimationFrame(() => {
      this.overviewFrame = 0;
      this.#drawOverview();
    });
  }

  /** The node under the pointer: a card, or from afar whatever was drawn there. */
  #nodeAt(event) {
    const id = nodeAt(event);
    if (id !== null || !this.isOverview) return id;
    const point = this.#local(event);
    const [x, y] = [(point.x - this.viewport.x) / this.viewport.zoom, (point.y - this.viewport.y) / this.viewport.zoom];
    for (const [key, box] of this.positions) {
      if (x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height) return key;
    }
    return null;
  }

  #pan(dx, dy) {
    cancelAnimationFrame(this.glideFrame);
    this.isMoved = true;
    this.viewport = { ...this.viewport, x: this.viewport.x + dx, y: this.viewport.y + dy };
    this.goal = this.viewport;
    this.#applyViewport();
  }

  #local(event) {
    const box = this.surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #pointerDown(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, { ...this.#local(event), moved: 0, node: this.#nodeAt(event) });
  }

  #pointerMove(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    const point = this.#local(event);
    const [dx, dy] = [point.x - pointer.x, point.y - pointer.y];
    if (pointer.moved + Math.hypot(dx, dy) < DRAG_PX) return;
    if (pointer.moved === 0) {
      // Captured only now, so that a plain click still reaches the card.
      this.surface.setPointerCapture(event.pointerId);
      this.element.classList.add("is-panning");
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const [, other] = others[0];
      const before = Math.hypot(pointer.x - other.x, pointer.y - other.y);
      const after = Math.hypot(point.x - other.x, point.y - other.y);
      if (before > 0 && after > 0) {
        this.viewport = zoomedAt(this.viewport, after / before, (point.x + other.x) / 2, (point.y + other.y) / 2);
      }
      this.#pan(dx / 2, dy / 2);
    } else {
      this.#pan(dx, dy);
    }
    Object.assign(pointer, { x: point.x, y: point.y, moved: pointer.moved + Math.hypot(dx, dy) });
  }

  #pointerUp(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.element.classList.remove("is-panning");
    if (event.type === "pointerup" && pointer.moved < DRAG_PX) this.#choose(pointer.node, { reveal: false });
  }

  #wheel(event) {
    event.preventDefault();
    const { x, y } = this.#local(event);
    // Lines and pages become pixels; a pinch arrives as a wheel with Ctrl and small steps.
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.height : 1;
    const strength = event.ctrlKey ? 0.01 : 0.0016;
    const delta = Math.max(-240, Math.min(240, event.deltaY * unit));
    cancelAnimationFrame(this.glideFrame);
    this.isMoved = true;
    this.viewport = zoomedAt(this.viewport, Math.exp(-delta * strength), x, y);
    this.goal = this.viewport;
    this.#applyViewport();
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const next = neighbour(this.graph, this.targets, this.selected, ARROWS[event.key]);
      event.preventDefault();
      if (next === null) return;
      this.reveal(next);
      this.#mount();
      this.#choose(next);
      this.cards.get(next)?.focus({ preventScroll: true });
      return;
    }
    const acts = {
      Enter: () => this.#open(event),
      " ": () => this.#open(event),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => this.fit(),
      Escape: () => this.selected !== null && this.#choose(null),
    };
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  }

  #open(event) {
    const id = nodeAt(event) ?? this.selected;
    if (id === null) return;
    if (id !== this.selected) this.#choose(id);
    this.onOpen(id);
  }
}

function nodeAt(event) {
  return event.target.closest?.(".graph-node")?.dataset.node ?? null;
}

function placeCard(card, box) {
  card.style.transform = `translate(${box.x}px, ${box.y}px)`;
  card.style.width = `${box.width}px`;
  card.style.height = `${box.height}px`;
}

/** A smooth line through the points that leaves and enters each of them vertically. */
function curve([first, ...rest]) {
  let path = `M${first.x} ${first.y}`;
  let before = first;
  for (const point of rest) {
    const bend = clamp(Math.abs(point.y - before.y) * 0.5, 24, 110);
    path +=
      point.x === before.x && point.y >= before.y
        ? `V${point.y}`
        : `C${before.x} ${before.y + bend} ${point.x} ${point.y - bend} ${point.x} ${point.y}`;
    before = point;
  }
  return path;
}

/** What the layout depends on; while it stays, no card moves. */
function shapeOf(graph) {
  return JSON.stringify([
    [...graph.nodes.values()].map((node) => [
      node.id,
      node.kind,
      node.inputs.map((port) => port.name),
      node.outputs.map((port) => port.name),
    ]),
    graph.edges.map((edge) => edge.id),
  ]);
}
