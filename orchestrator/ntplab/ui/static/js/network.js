// The train system: nodes and links with messages on their way, who holds what, and beneath it the
// same in time, as one draws it on a blackboard: a line per node, an arrow per message, the cut.
import { call } from "./calls.js";
import { byId, make, setText, svg } from "./dom.js";
import { count } from "./format.js";
import { colorOf, cssColor, dashOf } from "./palette.js";
import { nowMs, state } from "./store.js";
import { t } from "./words.js";

const KINDS = ["request", "offer", "ticket", "receipt"];
const FLIGHT_MS = 700;
const DOTS_MAX = 60;
const SPAN_MS = 12_000;
const HELD_SHOWN = 8;
const TWICE = 3;
const STATES = ["ticketFree", "ticketHeld", "ticketSold", "ticketTwice", "ticketGone"];

let parts = null;
let made = "";
const dots = new Map();

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const names = () => [state.about.network.office, ...state.about.network.clients];
const kindColor = (kind) => colorOf(KINDS.indexOf(kind));

// Places on an ellipse, the office on top.
function places() {
  const all = names();
  return new Map(all.map((name, index) => {
    const angle = 2 * Math.PI * index / all.length - Math.PI / 2;
    return [name, [260 + 190 * Math.cos(angle), 165 + 118 * Math.sin(angle)]];
  }));
}

// The shortest way along links: [from, ..., to]. Messages are passed on by everybody in between.
export function wayOf(neighbors, from, to) {
  const before = new Map([[from, null]]);
  const waiting = [from];
  while (waiting.length && !before.has(to)) {
    const node = waiting.shift();
    for (const next of neighbors[node] ?? []) {
      if (!before.has(next)) {
        before.set(next, node);
        waiting.push(next);
      }
    }
  }
  if (!before.has(to)) return [from, to];
  const way = [];
  for (let node = to; node !== null; node = before.get(node)) way.unshift(node);
  return way;
}

function build() {
  const where = places();
  const links = Object.entries(state.about.network.neighbors).flatMap(([from, tos]) => tos.map((to) => [from, to]));
  const lines = links.map(([from, to]) => {
    const [x1, y1] = where.get(from);
    const [x2, y2] = where.get(to);
    return svg("line", { x1, y1, x2, y2, class: "net-link" });
  });
  const nodes = new Map(names().map((name, index) => [name, node(name, index, where.get(name))]));
  const flying = svg("g");
  const drawing = svg("svg", { viewBox: "0 0 520 340", "aria-hidden": "true" }, ...lines, ...[...nodes.values()].map((one) => one.group), flying);
  byId("net").replaceChildren(drawing);
  dots.clear();
  parts = { where, nodes, flying };
}

function node(name, index, [x, y]) {
  const office = name === state.about.network.office;
  const shape = office
    ? svg("rect", { x: x - 34, y: y - 26, width: 68, height: 52, rx: 6, class: "net-node" })
    : svg("circle", { cx: x, cy: y, r: 29, class: "net-node" });
  shape.style.stroke = colorOf(index);
  const text = (dy, kind) => svg("text", { x, y: y + dy, class: kind });
  const label = text(-3, "net-name");
  label.textContent = name.length > 9 ? `${name.slice(0, 8)}…` : name;
  const amount = text(14, "net-amount");
  const cut = text(office ? -32 : -35, "net-cut");
  return { group: svg("g", {}, shape, label, amount, cut), amount, cut };
}

function owned() {
  const found = new Map(names().map((name) => [name, []]));
  for (const [number, [code, holders]] of state.network.tickets) {
    if (code === 2 || code === TWICE) for (const one of holders) found.get(one)?.push([Number(number), code, holders.length]);
  }
  return found;
}

function showNodes(byNode) {
  const cut = state.network.cuts.at(-1);
  for (const [name, one] of parts.nodes) {
    const office = name === state.about.network.office;
    const free = [...state.network.tickets.values()].filter(([code]) => code === 0).length;
    const amount = office ? t("netFree", { n: count(free) }) : t("netOwns", { n: count(byNode.get(name).length) });
    setText(one.amount, amount);
    setText(one.cut, cut && name in cut.at ? `✂ ${cut.epoch}` : "");
  }
}

function showHolders(byNode) {
  const items = state.about.network.clients.map((name) => {
    const mine = byNode.get(name).sort((one, other) => (other[1] === TWICE) - (one[1] === TWICE) || other[0] - one[0]);
    const shown = mine.slice(0, HELD_SHOWN).map(([number, code, times]) =>
      make("span", { class: code === TWICE ? "chip twice" : "chip" }, code === TWICE ? t("chipTwice", { n: number, times }) : `#${number}`));
    const more = mine.length > HELD_SHOWN ? ` ${t("andMore", { n: count(mine.length - HELD_SHOWN) })}` : "";
    return make("li", {}, make("strong", {}, name), " ", ...shown, more || (mine.length ? "" : t("netNone")));
  });
  byId("holders").replaceChildren(...items);
}

function showAmounts() {
  const amounts = [0, 0, 0, 0, 0];
  for (const [code] of state.network.tickets.values()) amounts[code] += 1;
  const items = STATES.map((key, code) => [key, amounts[code], code]).filter(([, n, code]) => n || code < 4);
  byId("ticket-states").replaceChildren(...items.map(([key, n, code]) =>
    make("li", {}, make("i", { class: `state s${code}`, "aria-hidden": "true" }), ` ${t(key)}: `, make("strong", {}, count(n)))));
}

const underWay = () => [...state.network.messages.values()].filter((one) => one[4] === null);

// Dots are only for what is told while one looks; a page that comes late does not replay the past.
export function launch(messages) {
  for (const [id, [kind, from, to, , came]] of Object.entries(messages)) {
    if (dots.has(id)) dots.get(id).came = came !== null;
    else if (dots.size < DOTS_MAX && parts) {
      const way = wayOf(state.about.network.neighbors, from, to);
      dots.set(id, { kind, way, since: performance.now(), came: came !== null, dot: null });
    }
  }
  if (dots.size) requestAnimationFrame(fly);
}

let flying = false;

function fly() {
  if (flying || !parts) return;
  flying = true;
  const step = () => {
    const now = performance.now();
    for (const [id, one] of dots) {
      const share = (now - one.since) / FLIGHT_MS;
      const lost = !state.network.messages.has(id);
      if ((share >= 1 && one.came) || lost) {
        one.dot?.remove();
        dots.delete(id);
      } else place(one, Math.min(1, share));
    }
    flying = dots.size > 0;
    // What waits for its receiver does not move: it needs no frame of the screen.
    const moving = [...dots.values()].some((one) => now - one.since < FLIGHT_MS || one.came);
    if (flying && moving && !still()) requestAnimationFrame(step);
    else if (flying) setTimeout(step, FLIGHT_MS / 3);
  };
  step();
}

function place(one, share) {
  if (!one.dot) {
    one.dot = svg("circle", { r: 6, class: "net-dot" });
    one.dot.style.fill = one.dot.style.stroke = kindColor(one.kind);
    parts.flying.append(one.dot);
  }
  const hops = one.way.length - 1;
  const at = Math.min((still() ? 0.5 : share) * hops, hops - 1e-6);
  const [x1, y1] = parts.where.get(one.way[Math.floor(at)]);
  const [x2, y2] = parts.where.get(one.way[Math.floor(at) + 1]);
  const part = at - Math.floor(at);
  one.dot.setAttribute("cx", (x1 + (x2 - x1) * part).toFixed(1));
  one.dot.setAttribute("cy", (y1 + (y2 - y1) * part).toFixed(1));
  one.dot.classList.toggle("waiting", share >= 1);
}

// Time to the right, a line per node. `x` and `y` give places on the canvas.
function drawTime() {
  const canvas = byId("spacetime");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  const ratio = devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  const all = names();
  const end = nowMs();
  const left = 76;
  const x = (ms) => left + (width - left - 10) * (1 - (end - ms) / SPAN_MS);
  const y = (name) => 16 + (height - 34) * all.indexOf(name) / Math.max(1, all.length - 1);
  lifelines(ctx, all, y, left, width);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, 0, width - left, height);
  ctx.clip();
  for (const message of state.network.messages.values()) arrow(ctx, message, x, y, end);
  for (const cut of state.network.cuts) cutLine(ctx, cut, all, x, y, end);
  ctx.restore();
  ctx.fillStyle = cssColor("--soft");
  ctx.textAlign = "right";
  ctx.fillText(t("netSpan", { n: SPAN_MS / 1000 }), width - 10, height - 3);
}

function lifelines(ctx, all, y, left, width) {
  ctx.font = "13px system-ui, sans-serif";
  ctx.lineWidth = 1;
  ctx.textAlign = "left";
  for (const name of all) {
    ctx.strokeStyle = cssColor("--line");
    ctx.beginPath();
    ctx.moveTo(left, y(name));
    ctx.lineTo(width - 10, y(name));
    ctx.stroke();
    ctx.fillStyle = cssColor("--ink");
    ctx.fillText(name.length > 9 ? `${name.slice(0, 8)}…` : name, 4, y(name) + 4);
  }
}

function arrow(ctx, [kind, from, to, left, came], x, y, end) {
  const until = came ?? end;
  if (until < end - SPAN_MS - 1000) return;
  ctx.strokeStyle = kindColor(kind);
  ctx.globalAlpha = came === null ? 0.55 : 1;
  ctx.lineWidth = 1.5;
  ctx.setLineDash(came === null ? [2, 4] : dashOf(0));
  ctx.beginPath();
  ctx.moveTo(x(left), y(from));
  // An offer comes back as a confirmation, and only the office, which sent it, says when.
  if (kind === "offer") ctx.lineTo(x((left + until) / 2), y(to));
  ctx.lineTo(x(until), kind === "offer" ? y(from) : y(to));
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

function cutLine(ctx, cut, all, x, y, end) {
  const points = all.filter((name) => name in cut.at).map((name) => [x(cut.at[name]), y(name)]);
  if (!points.length || Math.max(...Object.values(cut.at)) < end - SPAN_MS) return;
  ctx.strokeStyle = cssColor("--twice");
  ctx.lineWidth = 3;
  ctx.beginPath();
  points.forEach(([px, py], index) => (index ? ctx.lineTo(px, py) : ctx.moveTo(px, py)));
  ctx.stroke();
  ctx.fillStyle = cssColor("--twice");
  for (const [px, py] of points) {
    ctx.beginPath();
    ctx.arc(px, py, 4, 0, 7);
    ctx.fill();
  }
  ctx.font = "700 13px system-ui, sans-serif";
  ctx.textAlign = "left";
  ctx.fillText(t("cutName", { epoch: cut.epoch }), points[0][0] + 7, points[0][1] - 5);
}

function tell() {
  const cut = state.network.cuts.at(-1);
  const parts = [t("netUnderWay", { n: count(underWay().length) })];
  if (cut) {
    const key = cut.crossing ? "cutCrossed" : cut.whole ? "cutWhole" : "cutGoing";
    parts.push(t(key, { epoch: cut.epoch, n: cut.crossing?.length ?? 0, nodes: Object.keys(cut.at).length, all: names().length }));
  }
  setText(byId("net-words"), parts.join(" · "));
  byId("spacetime").setAttribute("aria-label", t("spacetimeLabel", { words: parts.join(", ") }));
}

function showLegend() {
  byId("net-legend").replaceChildren(...KINDS.map((kind) => {
    const line = make("i", { class: "line", "aria-hidden": "true" });
    line.style.setProperty("--series", kindColor(kind));
    return make("li", {}, line, t(`msg-${kind}`));
  }));
}

let drawnAt = 0;
const REDRAW_MS = 150;

export function showNetwork(force) {
  const there = Boolean(state.about.network);
  byId("network-card").hidden = !there || state.about.mode === "idle";
  if (!there) {
    parts = null;
    made = "";
    return;
  }
  const key = JSON.stringify([state.about.network, document.documentElement.lang, cssColor("--bg")]);
  if (key !== made) {
    made = key;
    build();
    showLegend();
    force = true;
  }
  if (!force && performance.now() - drawnAt < REDRAW_MS) return;
  drawnAt = performance.now();
  const byNode = owned();
  showNodes(byNode);
  showHolders(byNode);
  showAmounts();
  tell();
  drawTime();
}

export function watchNetwork() {
  byId("snapshot").addEventListener("click", () => call("/api/snapshot"));
}
