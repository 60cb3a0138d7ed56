// The ten-second answer: NTP off, clocks apart, seats sold twice.
import { byId, setText } from "./dom.js";
import { count, span } from "./format.js";
import { apart, currentHall, state } from "./store.js";
import { t } from "./words.js";

const AGREE_NS = 10e6;

function mark(id, look) {
  const wanted = `tile ${look}`.trim();
  if (byId(id).className !== wanted) byId(id).className = wanted;
}

export function showStory() {
  const ntp = ["on", "off", "mixed"].includes(state.shades.state) ? state.shades.state : "unknown";
  setText(byId("ntp-state"), t(ntp));
  mark("tile-ntp", { on: "good", off: "bad", mixed: "bad" }[ntp] ?? "");
  const on = Object.values(state.shades.ntp).filter((one) => one === "on").length;
  const all = Object.keys(state.shades.ntp).length;
  setText(byId("ntp-note"), { on: t("ntpNoteOn"), off: t("ntpNoteOff"), mixed: t("ntpNoteMixed", { n: on, all }) }[ntp] ?? "");
  const gap = apart();
  setText(byId("apart"), gap === null ? "–" : span(gap));
  mark("tile-apart", gap === null ? "" : gap > AGREE_NS ? "bad" : "good");
  const hall = currentHall();
  const twice = hall?.twice ?? 0;
  setText(byId("twice"), hall ? count(twice) : "–");
  mark("tile-twice", twice ? "bad worst" : hall?.receipts ? "good" : "");
  const where = hall ? `${t("inPhase", { phase: hall.name })}: ${t(twice ? "seatsNote" : "seatsNote0")}` : "";
  setText(byId("twice-note"), where);
  setText(byId("sentence"), sentence(ntp, gap, hall, twice));
}

function sentence(ntp, gap, hall, twice) {
  if (state.about.mode === "idle" || gap === null) return t("sayIdle");
  const values = { apart: span(gap), n: count(twice), policy: state.about.policy };
  const sold = (hall?.receipts ?? 0) > 0;
  if (ntp === "on") {
    if (twice) return t("sayOnTwice", values);
    if (gap > AGREE_NS) return t("sayOnLate", values);
    return t(sold ? "sayOnClean" : "sayOn", values);
  }
  if (gap <= AGREE_NS) return t(twice ? "sayOffTwice" : "sayOffTrue", values);
  if (twice) return t("sayOffApartTwice", values);
  return t(sold ? "sayOffApartNone" : "sayOffApart", values);
}
