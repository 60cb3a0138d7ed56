// A clock face per server: its own hands, and a dashed one for true time. The wedge is the error.
import { call } from "./calls.js";
import { byId, make, setText, svg } from "./dom.js";
import { clockTime, signed, span } from "./format.js";
import { colorOf } from "./palette.js";
import { access, divergence, lastFrame, state } from "./store.js";
import { t } from "./words.js";

const cards = new Map();
const NS_PER_MS = 1e6;
const SHOWN_NS = 1000;

const turn = (degrees) => `rotate(${degrees.toFixed(2)} 50 50)`;

function hand(kind, length) {
  return svg("line", { x1: 50, y1: 50, x2: 50, y2: 50 - length, class: `hand ${kind}` });
}

function face() {
  const parts = {
    wedge: svg("path", { class: "wedge" }), hour: hand("hour", 22), minute: hand("minute", 32),
    truth: hand("true", 40), second: hand("second", 40),
  };
  const ticks = Array.from({ length: 12 }, (_, hour) =>
    svg("line", { x1: 50, y1: 7, x2: 50, y2: hour % 3 ? 10 : 14, class: "tick", transform: turn(hour * 30) }));
  const drawing = svg("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" },
    svg("circle", { cx: 50, cy: 50, r: 46, class: "face" }), ...ticks,
    parts.wedge, parts.hour, parts.minute, parts.truth, parts.second);
  return { drawing, parts };
}

function card(node, index) {
  const { drawing, parts } = face();
  const wall = make("span", { class: "wall digits" });
  const off = make("strong", { class: "divergence digits" });
  const believes = make("span", { class: "believes digits" });
  const toggle = make("button", { class: "switch", type: "button", role: "switch", "aria-checked": "false", onclick: () => flip(node) });
  const item = make("li", { class: "clock" }, make("h3", {}, node), drawing, wall, off, believes, toggle);
  item.style.setProperty("--series", colorOf(index));
  return { item, parts, wall, off, believes, toggle };
}

function flip(node) {
  call("/api/ntp", { state: state.shades.ntp[node] === "on" ? "off" : "on", servers: [node] });
}

function point(degrees, radius) {
  const angle = (degrees - 90) * Math.PI / 180;
  return `${(50 + radius * Math.cos(angle)).toFixed(2)} ${(50 + radius * Math.sin(angle)).toFixed(2)}`;
}

function wedge(from, to) {
  const sweep = to - from;
  if (Math.abs(sweep) < 0.5) return "";
  if (Math.abs(sweep) >= 360) return `M 50 10 A 40 40 0 1 1 49.9 10 Z`;
  const large = Math.abs(sweep) > 180 ? 1 : 0;
  return `M 50 50 L ${point(from, 40)} A 40 40 0 ${large} ${sweep > 0 ? 1 : 0} ${point(to, 40)} Z`;
}

export function resetClocks() {
  cards.clear();
  byId("clocks").replaceChildren();
}

// A few clocks go smoothly; fifty, three times in two seconds.
const MANY = 8;
const MANY_MS = 640;
let drawnAt = 0;

export function showClocks(force) {
  const frame = lastFrame();
  if (!frame) return;
  const now = performance.now();
  if (!force && state.about.servers.length > MANY && now - drawnAt < MANY_MS) return;
  drawnAt = now;
  state.about.servers.forEach((node, index) => {
    if (!cards.has(node)) {
      cards.set(node, card(node, index));
      byId("clocks").append(cards.get(node).item);
    }
    showOne(cards.get(node), node, frame[0]);
  });
}

function showOne(one, node, trueMs) {
  const ns = divergence(node);
  if (ns === null) return;
  const wallMs = trueMs + ns / NS_PER_MS;
  const day = ((wallMs % 86_400_000) + 86_400_000) % 86_400_000;
  const trueSecond = (trueMs % 60_000) * 0.006;
  one.parts.hour.setAttribute("transform", turn(day / 120_000 % 360));
  one.parts.minute.setAttribute("transform", turn(day / 10_000 % 360));
  one.parts.second.setAttribute("transform", turn(day % 60_000 * 0.006));
  one.parts.truth.setAttribute("transform", turn(trueSecond));
  one.parts.wedge.setAttribute("d", wedge(trueSecond, trueSecond + ns / NS_PER_MS * 0.006));
  setText(one.wall, clockTime(wallMs, 1));
  setText(one.off, Math.abs(ns) < SHOWN_NS ? t("exactly") : signed(ns));
  one.item.classList.toggle("off", Math.abs(ns) > 10e6);
  setText(one.believes, belief(node));
  const on = state.shades.ntp[node] === "on";
  one.toggle.setAttribute("aria-checked", String(on));
  one.toggle.setAttribute("aria-label", t("switchLabel", { node }));
  setText(one.toggle, t(on ? "turnOff" : "turnOn"));
  one.toggle.disabled = state.about.mode !== "lab" || !access.mayChange;
}

function belief(node) {
  const last = state.beliefs.get(node)?.at(-1);
  if (!last || last[1] === null || state.shades.ntp[node] === "off") return t("believesNot");
  return t("believes", { offset: signed(last[1]), bound: last[2] === null ? "?" : span(last[2]) });
}
