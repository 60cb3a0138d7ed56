// Divergence over time (uPlot), with NTP and faults behind it and what one NTP daemon believes.
import { byId, make, setOptions } from "./dom.js";
import { seconds, signed, span } from "./format.js";
import { colorOf, cssColor, dashOf } from "./palette.js";
import { divergence, nowMs, state } from "./store.js";
import { t } from "./words.js";

const FLOOR_NS = 1000;
const REDRAW_MS = 200;
const MANY = 8;
const REDRAW_MANY_MS = 640;
let chart = null;
let made = "";
let drawnAt = 0;

const logarithmic = () => byId("scale").value === "log";
const chosen = () => byId("belief").value;

function shade(u) {
  const { ctx, bbox } = u;
  const colors = { off: cssColor("--off-bg"), on: cssColor("--on-bg") };
  const end = nowMs();
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  state.shades.spans.forEach((one) => {
    const from = u.valToPos(since(one.from), "x", true);
    const to = u.valToPos(since(one.to ?? end), "x", true);
    ctx.fillStyle = colors[one.state] ?? colors.off;
    ctx.globalAlpha = one.state === "mixed" ? 0.5 : 1;
    ctx.fillRect(from, bbox.top, to - from, bbox.height);
    ctx.globalAlpha = 1;
    word(ctx, t({ off: "shadeOff", on: "shadeOn", mixed: "shadeMixed" }[one.state] ?? "unknown"), Math.max(from, bbox.left), to, bbox.top + bbox.height / 2, one.state);
  });
  alike(state.shades.faults).forEach((fault, index) => strike(u, fault, index));
  ctx.restore();
}

function word(ctx, text, from, to, bottom, look) {
  ctx.font = `700 ${12 * devicePixelRatio}px system-ui, sans-serif`;
  if (to - from < ctx.measureText(text).width + 10) return;
  ctx.fillStyle = cssColor(look === "on" ? "--on" : "--off");
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  ctx.fillText(text, from + 5 * devicePixelRatio, bottom - 4 * devicePixelRatio);
}

// What struck several nodes at once is one line with one label.
const AT_ONCE_MS = 1500;

function alike(faults) {
  const found = [];
  for (const fault of faults) {
    const same = found.find((one) => one.kind === fault.kind && one.value === fault.value && fault.at - one.at < AT_ONCE_MS);
    if (same) same.nodes.add(fault.node);
    else found.push({ ...fault, nodes: new Set([fault.node]) });
  }
  return found.map((one) => ({ ...one, node: one.nodes.size > 3 ? t("severalNodes", { n: one.nodes.size }) : [...one.nodes].join(", ") }));
}

// Labels of neighbors stand on different lines.
const FAULT_LINES = 4;

function strike(u, fault, index) {
  const x = u.valToPos(since(fault.at), "x", true);
  const { ctx, bbox } = u;
  ctx.strokeStyle = cssColor("--soft");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3, 3]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = cssColor("--soft");
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  const line = (index % FAULT_LINES) * 13 + 3;
  ctx.fillText(`${fault.node} ${fault.kind} ${fault.value}`, x + 3, bbox.top + line * devicePixelRatio);
}

const axisTime = (u, values) => values.map((value) => seconds(value * 1000).replace(/[.,]0(?=\s)/, ""));

// Seconds since the first frame, which is never thinned out.
const since = (ms) => (ms - state.frames[0][0]) / 1000;

function axisValue(u, values) {
  return values.map((value) => {
    if (value === null) return "";
    if (value === 0) return "0";
    return (value > 0 ? "+" : "−") + span(value).replace(/[.,]0+(?=\s)/, "");
  });
}

// Ticks of the signed logarithmic scale: 0 and powers of ten on both sides.
function logSplits(u, axis, min, max) {
  const found = [0];
  for (let size = FLOOR_NS; size <= Math.max(Math.abs(min), Math.abs(max)); size *= 100) {
    if (size <= max) found.push(size);
    if (-size >= min) found.unshift(-size);
  }
  return found;
}

function options(width, height) {
  const ink = cssColor("--soft");
  const grid = { stroke: cssColor("--line"), width: 1 };
  const lines = state.about.servers.map((node, index) => ({
    label: node, stroke: colorOf(index), width: 2.5, dash: dashOf(index), points: { show: false }, spanGaps: false,
  }));
  const believed = { stroke: cssColor("--ink"), width: 1.5, dash: [5, 4], points: { show: false }, spanGaps: true };
  const bound = { stroke: "transparent", points: { show: false }, spanGaps: true };
  const n = lines.length;
  return {
    width, height, ms: 1e-3, legend: { show: false }, cursor: { show: false }, padding: [8, 12, 0, 0],
    scales: { x: { time: false }, y: logarithmic() ? { distr: 4, asinh: FLOOR_NS, range: reach } : { range: reach } },
    series: [{}, ...lines, believed, bound, bound],
    bands: [{ series: [n + 2, n + 3], fill: `${colorOf(state.about.servers.indexOf(chosen()))}55` }],
    axes: [
      { stroke: ink, grid, ticks: grid, values: axisTime, space: 70 },
      { stroke: ink, grid, ticks: grid, values: axisValue, size: 78, ...(logarithmic() ? { splits: logSplits, filter: (u, splits) => splits } : {}) },
    ],
    hooks: { drawClear: [shade] },
  };
}

// Zero is always in view, and there is room around what is farthest.
function reach(u, min, max) {
  const low = Math.min(min ?? 0, 0);
  const high = Math.max(max ?? 0, 0);
  const room = Math.max((high - low) * 0.08, FLOOR_NS);
  return [low - room, high + room];
}

// Fifty clocks have more points than the picture has pixels: every so many frames will do, and the
// newest. Which ones does not depend on how many there are, so that lines do not flicker.
const POINTS_MAX = 20_000;

function framesDrawn() {
  const few = Math.max(1, Math.ceil(state.frames.length * state.about.servers.length / POINTS_MAX));
  if (few === 1) return state.frames;
  const last = state.frames.length - 1;
  return state.frames.filter((frame, index) => index === last || Math.floor(frame[0] / 100) % few === 0);
}

function data() {
  const columns = state.about.servers.map((node) => state.nodes.indexOf(node) + 1);
  const frames = framesDrawn();
  const times = frames.map((frame) => since(frame[0]));
  const rows = columns.map((column) => frames.map((frame) => frame[column] ?? null));
  return [times, ...rows, ...beliefs(times)];
}

// Belief, and the two edges of its bound, on the times of the frames.
function beliefs(times) {
  const lines = [[], [], []];
  const series = state.beliefs.get(chosen()) ?? [];
  let at = 0;
  for (const time of times) {
    while (at + 1 < series.length && since(series[at + 1][0]) <= time) at += 1;
    const [ms, offset, bound] = series[at] ?? [Infinity, null, null];
    const usable = offset !== null && since(ms) <= time && time - since(ms) < 2.5;
    lines[0].push(usable ? offset : null);
    lines[1].push(usable && bound !== null ? bound : null);
    lines[2].push(usable && bound !== null ? -bound : null);
  }
  return lines;
}

export function resetChart() {
  chart?.destroy();
  chart = null;
  made = "";
}

export function showChart(force = false) {
  const place = byId("chart");
  if (!state.frames.length || !place.clientWidth) return;
  if (!force && performance.now() - drawnAt < (state.about.servers.length > MANY ? REDRAW_MANY_MS : REDRAW_MS)) return;
  drawnAt = performance.now();
  setOptions(byId("belief"), [["", t("nobody")], ...state.about.servers.map((node) => [node, node])]);
  const key = [state.about.servers, logarithmic(), chosen(), document.documentElement.lang, document.documentElement.dataset.theme, cssColor("--bg")].join("|");
  if (key !== made) {
    resetChart();
    made = key;
    chart = new uPlot(options(place.clientWidth, place.clientHeight), data(), place);
    legend();
  } else {
    chart.setData(data());
  }
  describe(place);
}

function describe(place) {
  const [node, value] = state.about.servers.map((one) => [one, divergence(one) ?? 0])
    .reduce((worst, one) => (Math.abs(one[1]) > Math.abs(worst[1]) ? one : worst), ["–", 0]);
  const length = state.frames.at(-1)[0] - state.frames[0][0];
  place.setAttribute("aria-label", t("chartLabel", { n: state.about.servers.length, seconds: seconds(length), node, value: signed(value) }));
}

function legend() {
  const items = state.about.servers.map((node, index) => {
    const line = make("i", { class: "line", "aria-hidden": "true" });
    line.style.setProperty("--series", colorOf(index));
    return make("li", {}, line, node);
  });
  if (chosen()) items.push(make("li", {}, `- - - ${t("believed", { node: chosen() })}, ▒ ${t("bound")}`));
  items.push(make("li", {}, make("i", { class: "shade is-off", "aria-hidden": "true" }), t("shadeOff")));
  items.push(make("li", {}, make("i", { class: "shade is-on", "aria-hidden": "true" }), t("shadeOn")));
  byId("legend").replaceChildren(...items);
}

export function watchSize() {
  new ResizeObserver(() => {
    const place = byId("chart");
    if (chart && place.clientWidth) chart.setSize({ width: place.clientWidth, height: place.clientHeight });
  }).observe(byId("chart"));
}
