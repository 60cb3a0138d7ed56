// The page: one stream of changes in, one drawing per frame of the screen out.
import { trouble } from "./calls.js";
import { resetChart, showChart, watchSize } from "./chart.js";
import { resetClocks, showClocks } from "./clocks.js";
import { askLibrary, showControls, watchControls } from "./controls.js";
import { byId, setText } from "./dom.js";
import { launch, showNetwork, watchNetwork } from "./network.js";
import { resetHall, showHall, watchHall } from "./hall.js";
import { showEvents, showPhases } from "./tables.js";
import { showStory } from "./story.js";
import { access, addNew, fresh, replaceAll, state } from "./store.js";
import { chooseLanguage, chooseSystem, preferredLanguage, t } from "./words.js";

let asked = false;
let mode = null;
let told = "";

function stored(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

function store(key, value) {
  try { localStorage.setItem(key, value); } catch { /* a private window forgets */ }
}

function draw() {
  asked = false;
  document.body.classList.toggle("train", state.about.system === "train");
  chooseSystem(state.about.system);
  if (fresh.all) {
    resetClocks();
    resetChart();
  }
  if (state.about.mode !== mode) {
    mode = state.about.mode;
    resetHall();
    if (mode === "idle") askLibrary();
  }
  showControls();
  showStory();
  showClocks(fresh.all || fresh.shades);
  showNetwork(fresh.all);
  if (fresh.network) launch(fresh.network);
  fresh.network = null;
  if (fresh.frames || fresh.all) showChart(fresh.all);
  if (fresh.halls || fresh.all || fresh.seats.size) {
    showPhases();
    showHall();
  }
  if (fresh.events || fresh.all) showEvents();
  setText(byId("what"), t({ lab: "modeLab", run: "modeRun", replay: "modeReplay" }[mode] ?? "modeIdle", state.about));
  if ((state.about.trouble ?? "") !== told) {
    told = state.about.trouble ?? "";
    trouble(told);
  }
  fresh.all = fresh.shades = fresh.frames = fresh.events = fresh.halls = false;
  document.body.dataset.ready = "yes";
}

// A page in the background gets no frames of the screen: it is drawn now and then all the same.
const BACKGROUND_MS = 1000;

function drawSoon() {
  if (asked) return;
  asked = true;
  const once = () => {
    clearTimeout(later);
    cancelAnimationFrame(frame);
    draw();
  };
  const later = setTimeout(once, BACKGROUND_MS);
  const frame = requestAnimationFrame(once);
}

const AGAIN_MS = 10000;

function listen() {
  const stream = new EventSource("/api/stream");
  stream.addEventListener("all", (event) => { replaceAll(JSON.parse(event.data)); drawSoon(); });
  stream.addEventListener("new", (event) => { addNew(JSON.parse(event.data)); drawSoon(); });
  stream.addEventListener("open", () => sayLink("live"));
  stream.addEventListener("error", () => {
    sayLink("lost");
    // Turned away (too many are looking): browsers give up then, the page does not.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  });
}

async function askAccess() {
  try {
    const answer = await fetch("/api/access", { credentials: "same-origin" });
    access.mayChange = !answer.ok || (await answer.json()).may_change;
  } catch {
    access.mayChange = true; // the server refuses what may not be
  }
  drawSoon();
}

function sayLink(key) {
  byId("link").dataset.t = key;
  setText(byId("link"), t(key));
}

function again() {
  fresh.all = true;
  if (state.about.mode === "idle") askLibrary();
  drawSoon();
}

function preferences() {
  const language = preferredLanguage(stored("language"));
  chooseLanguage(language);
  byId("language").value = language;
  byId("language").addEventListener("change", (event) => {
    chooseLanguage(event.target.value);
    store("language", event.target.value);
    again();
  });
  const theme = stored("theme") ?? "auto";
  document.documentElement.dataset.theme = theme;
  byId("theme").value = theme;
  byId("theme").addEventListener("change", (event) => {
    document.documentElement.dataset.theme = event.target.value;
    store("theme", event.target.value);
    again();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

preferences();
watchControls();
watchHall();
watchNetwork();
watchSize();
byId("scale").addEventListener("change", () => showChart(true));
byId("belief").addEventListener("change", () => showChart(true));
askAccess();
listen();
