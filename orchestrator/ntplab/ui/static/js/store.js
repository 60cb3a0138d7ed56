// What the server told: one state, the same in every browser. `all` replaces it, `new` adds to it.
const FRAMES_MAX = 2400;
const EVENTS_MAX = 400;
const BELIEFS_MAX = 600;

function empty() {
  return {
    about: { mode: "idle", servers: [] }, nodes: [], frames: [], beliefs: new Map(), events: [],
    shades: { state: "unknown", ntp: {}, spans: [], faults: [] }, halls: new Map(), seats: new Map(),
    network: { tickets: new Map(), messages: new Map(), cuts: [] },
  };
}

export const state = empty();
// Whether this visitor may change things, or only look; null until the server has said so.
export const access = { mayChange: null };
export const fresh = { network: null, shades: false, frames: false, events: false, halls: false, seats: new Map(), all: false };

// A list too long loses every second of its older half, as on the server.
function thin(list, max) {
  if (list.length <= max) return;
  const half = max / 2;
  const old = list.splice(0, half);
  list.unshift(...old.filter((_, index) => index % 2 === 0));
}

function addBelief([node, ...point]) {
  if (!state.beliefs.has(node)) state.beliefs.set(node, []);
  const series = state.beliefs.get(node);
  series.push(point);
  thin(series, BELIEFS_MAX);
}

function addSeats(byHall) {
  for (const [hall, seats] of Object.entries(byHall ?? {})) {
    if (!state.seats.has(hall)) state.seats.set(hall, new Map());
    const known = state.seats.get(hall);
    if (!fresh.seats.has(hall)) fresh.seats.set(hall, new Set());
    for (const [seat, code] of Object.entries(seats)) {
      known.set(seat, code);
      fresh.seats.get(hall).add(seat);
    }
  }
}

// What a node says of tickets, messages and cuts; messages too old to be drawn are forgotten.
const MESSAGES_MAX = 1200;

function addNetwork(told) {
  if (told.all) Object.assign(state.network, { tickets: new Map(), messages: new Map(), cuts: [] });
  const { tickets, messages, cuts } = state.network;
  for (const [number, one] of Object.entries(told.tickets)) tickets.set(number, one);
  for (const [id, one] of Object.entries(told.messages)) messages.set(id, one);
  for (const id of messages.keys()) {
    if (messages.size <= MESSAGES_MAX) break;
    messages.delete(id);
  }
  for (const cut of told.cuts) {
    const at = cuts.findIndex((known) => known.epoch === cut.epoch);
    if (at < 0) cuts.push(cut);
    else cuts[at] = cut;
  }
  fresh.network = told.all ? {} : { ...fresh.network, ...told.messages };
}

export function replaceAll(told) {
  Object.assign(state, empty());
  fresh.all = true;
  addNew(told);
}

export function addNew(told) {
  if (told.about) state.about = told.about;
  if (told.nodes) state.nodes = told.nodes;
  if (told.frames) {
    state.frames.push(...told.frames);
    thin(state.frames, FRAMES_MAX);
    fresh.frames = true;
  }
  for (const belief of told.beliefs ?? []) addBelief(belief);
  if (told.events) {
    state.events.push(...told.events);
    state.events.splice(0, state.events.length - EVENTS_MAX);
    fresh.events = true;
  }
  if (told.shades) {
    state.shades = told.shades;
    fresh.shades = true;
  }
  for (const hall of told.halls ?? []) state.halls.set(hall.name, hall);
  if (told.halls) fresh.halls = true;
  if (told.network) addNetwork(told.network);
  addSeats(told.seats);
}

export const lastFrame = () => state.frames[state.frames.length - 1];
export const nowMs = () => lastFrame()?.[0] ?? state.events[state.events.length - 1]?.at ?? 0;

// Divergence in ns of a node in the newest frame.
export function divergence(node) {
  const frame = lastFrame();
  return frame ? (frame[state.nodes.indexOf(node) + 1] ?? null) : null;
}

// How far the booking servers' clocks are from each other, in ns; null before any sample.
export function apart() {
  const values = state.about.servers.map(divergence).filter((value) => value !== null);
  return values.length ? Math.max(...values) - Math.min(...values) : null;
}

// The phase that is going on, or was last.
export function currentHall() {
  return [...state.halls.values()].filter((hall) => hall.begun !== null || hall.attempts).at(-1) ?? null;
}
