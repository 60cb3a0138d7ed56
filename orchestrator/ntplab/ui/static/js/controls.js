// The buttons: the lab under one's hands, scenarios, replay. Which are there depends on what is shown.
import { call } from "./calls.js";
import { byId, make, setOptions, setText } from "./dom.js";
import { seconds } from "./format.js";
import { access, currentHall, nowMs, state } from "./store.js";
import { t } from "./words.js";

export function watchControls() {
  const on = (id, act) => byId(id).addEventListener("click", act);
  on("ntp-off", () => call("/api/ntp", { state: "off" }));
  on("ntp-on", () => call("/api/ntp", { state: "on" }));
  on("load-on", () => call("/api/load", { rate_hz: Number(byId("rate").value) }));
  on("load-off", () => call("/api/load", { rate_hz: 0 }));
  on("bend-go", bend);
  on("lab-down", () => call("/api/lab/down").then(askLibrary));
  on("lab-close", close);
  on("run-stop", () => call("/api/run/stop"));
  on("replay-close", close);
  on("play", () => call("/api/replay", { playing: !state.about.replay?.playing }));
  byId("seek").addEventListener("change", seek);
  byId("speed").addEventListener("change", () => call("/api/replay", { speed: Number(byId("speed").value) }));
  byId("policy").addEventListener("change", () => call("/api/policy", { name: byId("policy").value }));
}

const close = () => call("/api/close").then(askLibrary);

function bend() {
  const [action, factor] = byId("bend-action").value.split(":");
  const value = Number(byId("bend-value").value) * Number(factor);
  call("/api/clock", { node: byId("bend-node").value, action, value });
}

function seek() {
  const share = Number(byId("seek").value) / 1000;
  call("/api/replay", { position_ms: share * (state.about.replay?.duration_ms ?? 0) });
}

export function showControls() {
  const { mode } = state.about;
  byId("begin").hidden = mode !== "idle";
  byId("show").hidden = mode === "idle";
  byId("controls").hidden = mode !== "lab" || !access.mayChange;
  byId("view-only").hidden = access.mayChange !== false;
  byId("running").hidden = mode !== "run";
  byId("replaying").hidden = mode !== "replay";
  setText(byId("step"), state.about.step ?? "");
  if (mode === "lab") showLab();
  if (mode === "run") showProgress();
  if (mode === "replay") showReplay();
}

// A lab that others look at: it stands for good, and the page has no hold of what it runs on.
function showStanding() {
  const standing = Boolean(state.about.standing);
  for (const id of ["lab-down", "lab-close"]) byId(id).hidden = standing;
  byId("standing").hidden = !standing;
  byId("more-title").dataset.t = standing ? "moreStanding" : "more";
  setText(byId("more-title"), t(byId("more-title").dataset.t));
}

function showLab() {
  showStanding();
  const most = String(state.about.rate_hz_max);
  if (byId("rate").max !== most) {
    byId("rate").max = most;
    byId("rate").value = Math.min(Number(byId("rate").value), state.about.rate_hz_max);
  }
  setOptions(byId("bend-node"), state.about.servers.map((node) => [node, node]));
  const train = Boolean(state.about.network);
  byId("policy-group").hidden = train;
  byId("train-group").hidden = !train;
  setOptions(byId("policy"), state.about.policies.map((name) => [name, name]), state.about.policy);
  byId("load-off").disabled = !state.about.rate_hz;
}

function showProgress() {
  const planned = state.about.planned ?? [];
  const total = planned.reduce((sum, phase) => sum + phase.ms, 0) || 1;
  let done = 0;
  for (const phase of planned) {
    const hall = state.halls.get(phase.name);
    if (hall?.ended) done += phase.ms;
    else if (hall?.measuring) done += Math.min(phase.ms, Math.max(0, nowMs() - hall.measuring));
  }
  byId("progress").value = 100 * done / total;
  const hall = currentHall();
  const step = state.events.filter((event) => event.event === "lab.step").at(-1)?.step ?? "";
  setText(byId("progress-words"), hall ? `${hall.name} · ${seconds(done)} / ${seconds(total)}` : step);
  byId("run-stop").hidden = !state.about.job;
}

function showReplay() {
  const { playing, position_ms: position, duration_ms: duration, speed } = state.about.replay;
  setText(byId("play"), t(playing ? "pause" : "play"));
  if (document.activeElement !== byId("seek") || playing) byId("seek").value = duration ? 1000 * position / duration : 0;
  byId("seek").setAttribute("aria-valuetext", seconds(position));
  if (document.activeElement !== byId("speed")) byId("speed").value = String(speed);
  setText(byId("position"), `${seconds(position)} / ${seconds(duration)}`);
}

function entry(name, ...buttons) {
  return make("li", {}, make("span", {}, name), ...buttons);
}

function act(text, label, path, name) {
  return make("button", { type: "button", "aria-label": `${label}: ${name}`, onclick: () => call(path, { name }) }, text);
}

function column(title, items) {
  return make("div", {}, make("h3", {}, title), items.length ? make("ul", {}, ...items) : make("p", { class: "about" }, t("none")));
}

export async function askLibrary() {
  const answer = await fetch("/api/library", { credentials: "same-origin" });
  if (!answer.ok) return;
  const { scenarios, runs, labs } = await answer.json();
  byId("library").replaceChildren(
    column(t("scenarios"), scenarios.map((name) => entry(name,
      act(t("byHand"), t("byHand"), "/api/lab/up", name), act(t("runIt"), t("runIt"), "/api/run/start", name)))),
    column(t("labs"), labs.map((name) => entry(name, act(t("take"), t("take"), "/api/lab/take", name)))),
    column(t("runs"), runs.map((name) => entry(name, act(t("replayIt"), t("replayIt"), "/api/replay/open", name)))));
}
