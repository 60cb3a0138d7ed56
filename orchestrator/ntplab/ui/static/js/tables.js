// Counters per phase, and the list of events, newest first.
import { byId, make } from "./dom.js";
import { count, seconds, signed, span } from "./format.js";
import { state } from "./store.js";
import { t } from "./words.js";

const EVENTS_SHOWN = 120;
const NAMES = {
  "run.started": "evRunStarted", "run.ended": "evRunEnded", "run.interrupted": "evRunInterrupted",
  "phase.started": "evPhaseStarted", "phase.measuring": "evPhaseMeasuring", "phase.ended": "evPhaseEnded",
  "ntp.switched": "evNtp", "ntp.seen": "evNtpSeen", "ntp.settled": "evSettled", "node.died": "evDied",
  "node.started": "evNodeStarted", "policy.changed": "evPolicy", "sample.gap": "evGap",
};

export function showPhases() {
  const rows = [...state.halls.values()].map((hall) => make("tr", {},
    make("th", { scope: "row" }, hall.name),
    make("td", {}, make("span", { class: `badge ${hall.ntp}` }, t(hall.ntp))),
    ...[hall.attempts, hall.receipts].map((n) => make("td", { class: "num" }, count(n))),
    make("td", { class: `num twice-cell${hall.twice ? " some" : ""}` }, count(hall.twice)),
    make("td", { class: "num" }, count(hall.failed))));
  byId("phases").tBodies[0].replaceChildren(...rows);
}

function words(event) {
  const values = { ...event };
  if (event.state) values.state = t(event.state);
  if (event.ntp) values.ntp = t(event.ntp);
  if (event.limit_ns) values.limit = span(event.limit_ns);
  if (typeof event.seconds === "number") values.seconds = event.seconds.toFixed(2);
  if (event.event === "fault.in_force") {
    const seen = typeof event.divergence_ns === "number";
    return t(seen ? "evFault" : "evFaultPlain", { ...values, divergence: seen ? signed(event.divergence_ns) : "" });
  }
  if (event.event === "lab.step") return String(event.step);
  return event.event in NAMES ? t(NAMES[event.event], values) : event.event;
}

// On a busy machine short gaps in sampling come by the dozen.
const GAP_SHOWN_S = 1;
const worthALine = (event) => event.event !== "sample.gap" || event.seconds >= GAP_SHOWN_S;

function line(event) {
  const at = seconds(event.at - (state.about.begun ?? event.at));
  return make("li", {}, make("span", { class: "at digits" }, at), make("span", { class: "words" }, words(event)));
}

// The newest `count` events come on top of those shown. Making all lines anew, several times a
// second, would be most of what the page leaves behind for the browser to clear away.
export function showEvents(count) {
  const list = byId("events");
  if (count) list.prepend(...state.events.slice(-count).filter(worthALine).slice(-EVENTS_SHOWN).reverse().map(line));
  while (list.childElementCount > EVENTS_SHOWN) list.lastElementChild.remove();
}

export function resetEvents() {
  byId("events").replaceChildren();
}
