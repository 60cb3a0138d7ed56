// The seats of one phase. One that is sold twice is wide, red, and says 1+1.
import { byId, make, setOptions } from "./dom.js";
import { openSeat } from "./seat.js";
import { currentHall, fresh, state } from "./store.js";
import { t } from "./words.js";

const SEATS_SHOWN = 900;
const LOOKS = ["seat", "seat sold", "seat twice"];
const LABELS = ["seatLabelWanted", "seatLabelSold", "seatLabelTwice"];
let shown = null;
let buttons = new Map();

const number = (seat) => Number(seat.slice(seat.lastIndexOf("-") + 1)) || 0;

function dress(button, seat, code, isNew) {
  const look = LOOKS[code] + (isNew && code === 2 ? " fresh" : "");
  if (button.className !== look) button.className = look;
  button.setAttribute("aria-label", t(LABELS[code], { seat }));
  button.title = t(LABELS[code], { seat });
}

function place(seat, code, isNew) {
  let button = buttons.get(seat);
  if (!button) {
    button = make("button", { type: "button", "data-seat": seat, "data-number": number(seat) });
    buttons.set(seat, button);
    insert(byId("hall"), button);
  }
  dress(button, seat, code, isNew);
}

// Seats come nearly in order: look for the place from the end.
function insert(hall, button) {
  let after = hall.lastElementChild;
  while (after && Number(after.dataset.number) > Number(button.dataset.number)) after = after.previousElementSibling;
  if (after) after.after(button);
  else hall.prepend(button);
}

function prune() {
  while (buttons.size > SEATS_SHOWN) {
    const oldest = [...byId("hall").children].find((button) => !button.classList.contains("twice")) ?? byId("hall").firstElementChild;
    buttons.delete(oldest.dataset.seat);
    oldest.remove();
  }
}

function hallChosen() {
  const wanted = byId("phase").value;
  return wanted && state.halls.has(wanted) ? wanted : (currentHall()?.name ?? null);
}

export function resetHall() {
  shown = null;
  byId("phase").value = "";
}

export function showHall() {
  const names = [...state.halls.values()].filter((hall) => hall.seats).map((hall) => [hall.name, hall.name]);
  setOptions(byId("phase"), [["", t("newest")], ...names], byId("phase").value);
  const name = hallChosen();
  const seats = state.seats.get(name) ?? new Map();
  if (name !== shown || fresh.all) {
    shown = name;
    buttons = new Map();
    byId("hall").replaceChildren();
    const all = [...seats].sort((one, other) => number(one[0]) - number(other[0])).slice(-SEATS_SHOWN);
    for (const [seat, code] of all) place(seat, code, false);
  } else {
    for (const seat of fresh.seats.get(name) ?? []) place(seat, seats.get(seat), true);
  }
  prune();
  fresh.seats.clear();
  emptyWords(seats.size === 0);
}

function emptyWords(empty) {
  const words = byId("hall").querySelector(".hall-empty");
  if (empty && !words) byId("hall").append(make("p", { class: "hall-empty" }, t("hallEmpty")));
  if (!empty) words?.remove();
}

export function watchHall() {
  byId("hall").addEventListener("click", (event) => {
    const button = event.target.closest("[data-seat]");
    if (button) openSeat(shown, button.dataset.seat);
  });
  byId("hall").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.dataset.seat) return;
    (step > 0 ? event.target.nextElementSibling : event.target.previousElementSibling)?.focus();
    event.preventDefault();
  });
  byId("phase").addEventListener("change", showHall);
}
