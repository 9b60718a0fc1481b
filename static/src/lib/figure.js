/** Plotly's figures in the page's own colours. The library is only loaded where a figure is. */

import { statusOf } from "./status.js";

/** What stops listening for an element that is drawn again. */
const listening = new WeakMap();

/**
 * Draw a figure made by the server, and again whenever the theme changes. A trace with `meta.status` gets its
 * colour, one with `meta.tone` that of the token.
 * @param {any} element Plotly gives it an `on`.
 * @param {{data: any[], layout: any}} figure
 * @param {{onClick?: (customdata: any) => void}} [options]
 * @returns {Promise<() => void>} Stops it.
 */
export async function drawFigure(element, figure, { onClick } = {}) {
  const module = await import("plotly.js-cartesian-dist-min");
  const plotly = module.default ?? module;
  const config = { displayModeBar: false, responsive: true };
  const draw = () => plotly.react(element, painted(figure.data), themed(figure.layout), config);
  await draw();
  listening.get(element)?.();
  if (onClick) element.on("plotly_click", ({ points }) => points[0] && onClick(points[0].customdata));
  document.addEventListener("studio:theme", draw);
  const deafen = () => {
    document.removeEventListener("studio:theme", draw);
    element.removeAllListeners("plotly_click");
  };
  listening.set(element, deafen);
  return () => {
    deafen();
    plotly.purge(element);
  };
}

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function painted(traces) {
  return traces.map((trace) => {
    const status = trace.meta?.status;
    if (!status && !trace.meta?.tone) return trace;
    if (!status && trace.mode?.includes("lines")) {
      const colour = token(`--${trace.meta.tone}`);
      const marker = { ...trace.marker, color: colour };
      return { ...trace, line: { ...trace.line, color: colour }, fillcolor: `${colour}24`, marker };
    }
    if (trace.type === "heatmap") {
      return { ...trace, colorscale: [[0, token("--sunken")], [1, token(`--${trace.meta.tone}`)]] };
    }
    if (!status) return { ...trace, marker: { ...trace.marker, color: token(`--${trace.meta.tone}`) } };
    const pattern = { ...trace.marker?.pattern, fillmode: "overlay", fgcolor: token("--surface"), fgopacity: 0.7 };
    return { ...trace, marker: { ...trace.marker, pattern, color: token(`--${statusOf(status).tone}`), opacity: 0.85 } };
  });
}

function themed(layout) {
  const axis = {
    gridcolor: token("--line"),
    linecolor: token("--line-strong"),
    zerolinecolor: token("--line-strong"),
    tickfont: { color: token("--text-3"), size: 11 },
  };
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--font"), color: token("--text-2"), size: 12 },
    hoverlabel: { bgcolor: token("--raised"), bordercolor: token("--line-strong"), font: { color: token("--text") } },
    annotations: layout.annotations?.map((note) => ({ ...note, font: { color: token("--text-2"), size: 12 } })),
    ...Object.fromEntries(
      ["xaxis", "yaxis", ...Object.keys(layout).filter((name) => /^[xy]axis\d+$/.test(name))].map((name) => [
        name,
        { ...layout[name], ...axis, ...(layout[name]?.title && { title: { ...layout[name].title, font: { color: token("--text-3"), size: 11 } } }) },
      ]),
    ),
  };
}
